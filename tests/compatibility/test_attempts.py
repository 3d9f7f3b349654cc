"""What a whole attempt makes of each schema change, on a real server.

A case that is not for the server's version passes without being run: the matrix of versions runs it.
"""

import asyncio

import msgspec
import pytest

from sidecar.attempt import Checker
from sidecar.contract.reader import parse_contract
from sidecar.embedded import EmbeddedPostgres
from sidecar.model import Disposition, Failure, Severity
from sidecar.postgres.session import Limits
from sidecar.postgres.source import DatabaseSource
from sidecar.postgres.target import Secret
from sidecar.report import Report
from tests.compatibility.cases import CASES, Case
from tests.compatibility.recorded import RECORDED_MAJOR, live_catalog, load_recorded, normalised
from tests.compatibility.world import fresh_database, migrate, superuser
from tests.conftest import Database

RECORDED = load_recorded()


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What attempts before and after a change came to."""

    before: Report | Failure
    after: Report | Failure
    catalog: dict[str, object] | None
    """The catalog after the change, normalised, on a server of the version that is recorded."""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_attempt_gives_the_verdict_of_the_case(case: Case, server: EmbeddedPostgres, server_major: int) -> None:
    """Nothing before the change; after it exactly the case's errors and warnings, or a reason to try again."""
    if not case.applies_to(server_major):
        return
    with fresh_database(server) as database:
        seen = asyncio.run(_attempt_around_the_change(case, database, server_major))
        role = database.role
    assert isinstance(seen.before, Report), seen.before
    assert {text.replace("{role}", role) for text in case.before} == _found(seen.before, *Severity)
    if case.retry is not None:
        assert isinstance(seen.after, Failure), seen.after
        assert Disposition.RETRY is seen.after.disposition
        assert case.retry in str(seen.after)
    else:
        assert isinstance(seen.after, Report), seen.after
        expected = {text.replace("{role}", role) for text in (*case.finds, *case.refuses)}
        assert expected == _found(seen.after, Severity.ERROR)
        expected = {text.replace("{role}", role) for text in (*case.warns, *case.tells)}
        assert expected == _found(seen.after, Severity.WARNING)
    if seen.catalog is not None:
        assert RECORDED.get(case.name) == seen.catalog, "stale; run: python -m tests.tools.record_catalogs"


async def _attempt_around_the_change(case: Case, database: Database, server_major: int) -> Seen:
    checker = Checker(
        contract=parse_contract(case.contract_document(database.role)),
        source=DatabaseSource(variable="DATABASE_URL", text=Secret(database.url)),
        environ={},
        limits=Limits(),
    )
    async with superuser(database) as connection:
        await migrate(connection, case.setup, database.role)
        before = await checker.attempt(30.0)
        await migrate(connection, case.change, database.role)
        after = await checker.attempt(30.0)
        catalog = None
        if server_major == RECORDED_MAJOR:
            catalog = await normalised(await live_catalog(database, case), database, connection)
        return Seen(before=before, after=after, catalog=catalog)


def _found(report: Report, *severities: Severity) -> set[str]:
    return {f"{finding.code} {finding.object}" for finding in report.findings if finding.severity in severities}
