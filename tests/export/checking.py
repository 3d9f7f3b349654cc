"""Exported contracts against real databases."""

import asyncio

from sidecar.attempt import Checker
from sidecar.contract.exported import Exported, written
from sidecar.contract.reader import parse_contract
from sidecar.exporting import export_database
from sidecar.model import Finding
from sidecar.postgres.dsn import parse_dsn
from sidecar.postgres.session import Limits
from sidecar.postgres.source import DatabaseSource
from sidecar.postgres.target import Secret
from sidecar.report import Report
from tests.conftest import Database


def export(database: Database, *, as_role: bool = False, schemas: tuple[str, ...] = ()) -> Exported:
    """Export a database, as the superuser or as the application's role."""
    return asyncio.run(export_database(parse_dsn(url_of(database, as_role=as_role), {}), schemas=schemas))


def url_of(database: Database, *, as_role: bool = False) -> str:
    return database.url if as_role else database.server.url(database.name)


def findings(database: Database, exported: Exported, *, as_role: bool = False) -> tuple[Finding, ...]:
    """Check the database against what was exported."""
    checker = Checker(
        contract=parse_contract(written(exported.document).encode()),
        source=DatabaseSource(variable="DATABASE_URL", text=Secret(url_of(database, as_role=as_role))),
        environ={},
        limits=Limits(statement_timeout_s=60.0),
    )
    result = asyncio.run(checker.attempt(120.0))
    assert isinstance(result, Report), result
    return result.findings


def codes(found: tuple[Finding, ...]) -> set[tuple[str, str]]:
    return {(finding.code, finding.object) for finding in found}
