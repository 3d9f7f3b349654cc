"""Reads all that a database has in some schemas: one query, one JSON document, decoded straight into its structs."""

from importlib.resources import files

import msgspec

from sidecar.compatibility.migrations import TOOLS, tool_of
from sidecar.identifiers import quote_identifier
from sidecar.model import Disposition, Failure, Name, Phase
from sidecar.model.introspection import FoundMigrations, FoundName, Introspection
from sidecar.postgres.failures import AttemptError
from sidecar.postgres.session import Session

_QUERY = files("sidecar.postgres").joinpath("sql/introspection.sql").read_text(encoding="utf-8")
_DECODER = msgspec.json.Decoder(Introspection)
_HEADS = """\
SELECT pg_catalog.json_agg(pg_catalog.row_to_json(standing))::pg_catalog.text
FROM (
    SELECT m.app, (pg_catalog.array_agg(m.name ORDER BY m.place DESC))[1] AS newest,
           pg_catalog.count(DISTINCT m.place) AS applied, pg_catalog.bool_or(m.state = 'baseline') AS has_baseline
    FROM (SELECT app, name, state, {place} AS place FROM ({rows}) AS kept) AS m
    WHERE m.state <> 'failed' AND m.place IS NOT NULL
    GROUP BY m.app
    ORDER BY m.app
) AS standing"""


class _Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far one application's migrations are; for any tool but Django there is but one."""

    app: str
    newest: str
    applied: int
    has_baseline: bool
    """Some are applied without rows of their own."""


async def introspect(session: Session, schemas: tuple[str, ...] = ()) -> Introspection:
    """Return what the database has.

    A migration tool's table is read, too, where the role may, and where there is but one.

    Args:
        session: an open transaction, in which nothing has failed; it may have failed afterwards.
        schemas: what to look into; none means all but the server's own.

    Raises:
        AttemptError: the server could not be asked.
    """
    names = sorted({tool.table.name for tool in TOOLS.values()})
    request = msgspec.json.encode({"schemas": list(schemas) or None, "migration_tables": names}).decode()
    document = await session.fetch_text(_QUERY, Phase.CATALOG, request)
    try:
        found = _DECODER.decode(document or "")
    except msgspec.DecodeError as error:
        failure = Failure(
            phase=Phase.CATALOG,
            disposition=Disposition.UNDETERMINED,
            reason="catalog not understood",
            message=str(error),
        )
        raise AttemptError(failure) from error
    if len(found.migration_tables) != 1:
        return found
    return msgspec.structs.replace(found, migrations=await _read_migrations(session, found.migration_tables[0]))


async def _read_migrations(session: Session, table: FoundName) -> FoundMigrations:
    key, _ = tool_of(None, Name(None, table.name))
    found = FoundMigrations(tool=key, schema=table.schema, table=table.name)
    if not table.can_use:
        return msgspec.structs.replace(found, problem="the role may not read it")
    path = f"{quote_identifier(table.schema)}.{quote_identifier(table.name)}"
    query = _HEADS.format(rows=TOOLS[key].rows.format(table=path), place=TOOLS[key].place.format("name"))
    try:
        document = await session.fetch_text(query, Phase.CATALOG)
        standings = msgspec.json.decode(document or "[]", type=tuple[_Standing, ...])
    except AttemptError as error:  # a table of something else may have that name
        return msgspec.structs.replace(found, problem=error.failure.message or error.failure.reason)
    except msgspec.DecodeError as error:
        return msgspec.structs.replace(found, problem=str(error))
    is_counted = TOOLS[key].is_ordered and not any(standing.has_baseline for standing in standings)
    return msgspec.structs.replace(
        found,
        heads={standing.app: standing.newest for standing in standings},
        count=sum(standing.applied for standing in standings) if standings and is_counted else None,
    )
