"""Puts a case onto a real server and issues the image's statements, as an application with a driver would."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator

import asyncpg
import msgspec

from sidecar.embedded import EmbeddedPostgres
from tests.compatibility.cases import Case, Statement
from tests.conftest import PASSWORD, Database

_STATEMENT_S = 30.0
_numbers = itertools.count(1)


class Result(msgspec.Struct, frozen=True):
    """What the image gets to see of a statement that works."""

    columns: tuple[tuple[str, int], ...]
    """Names, and types by OID."""
    rows: tuple[str, ...]
    tag: str


class Refusal(msgspec.Struct, frozen=True):
    """What the image gets to see of a statement that fails."""

    sqlstate: str
    message: str


@contextlib.contextmanager
def fresh_database(server: EmbeddedPostgres) -> Iterator[Database]:
    """Give a database of its own; afterwards it and every role named after its role are gone."""
    database = Database(server, f"case_{next(_numbers)}")
    asyncio.run(_create(database))
    try:
        yield database
    finally:
        asyncio.run(_drop(database))


async def _create(database: Database) -> None:
    connection = await asyncpg.connect(database.server.url(), statement_cache_size=0)
    try:
        # There are hundreds of cases: a password takes a while to check, and copying files is quicker than logging.
        major = connection.get_server_version().major
        if major >= 16:
            await connection.execute("SET scram_iterations = 1")
        strategy = "STRATEGY file_copy" if major >= 15 else ""
        await connection.execute(f"CREATE ROLE {database.role} LOGIN PASSWORD '{PASSWORD}'")
        await connection.execute(f"CREATE DATABASE {database.name} TEMPLATE template0 {strategy}")
    finally:
        await connection.close()


async def _drop(database: Database) -> None:
    connection = await asyncpg.connect(database.server.url(), statement_cache_size=0)
    try:
        await connection.execute(f"DROP DATABASE {database.name} WITH (FORCE)")
        roles = await connection.fetch("SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)", database.role)
        for (role,) in roles:
            await connection.execute(f'DROP ROLE "{role}"')
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def superuser(database: Database) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Connect as the superuser, for set-up and change."""
    connection = await asyncpg.connect(database.server.url(database.name), statement_cache_size=0)
    try:
        yield connection
    finally:
        await connection.close()


async def migrate(connection: "asyncpg.Connection[asyncpg.Record]", script: str, role: str) -> None:
    """Run a case's set-up or change."""
    if not script.strip():
        return
    try:
        await connection.execute(script.replace("{role}", role))
    except asyncpg.PostgresError as error:
        error.add_note(f"in: {script}")
        raise


async def issue(database: Database, case: Case) -> list[Result | Refusal]:
    """Issue each statement of the case, on a connection of its own and rolled back."""
    return [await _issue(database, statement) for statement in case.issued]


async def _issue(database: Database, statement: Statement) -> Result | Refusal:
    connection = await asyncpg.connect(database.url, statement_cache_size=0, command_timeout=_STATEMENT_S)
    try:
        return await _run(connection, statement, database.role)
    except asyncpg.PostgresError as error:
        return Refusal(error.sqlstate or "", str(error))
    finally:
        await connection.close()


async def _run(connection: "asyncpg.Connection[asyncpg.Record]", statement: Statement, role: str) -> Result:
    sql = statement.sql.strip().rstrip(";").replace("{role}", role)
    await connection.execute("BEGIN")
    if not statement.direct:
        await connection.execute(f"PREPARE case_statement AS {sql}")
        arguments = (statement.arguments or "").replace("{role}", role)
        sql = f"EXECUTE case_statement({arguments})" if arguments else "EXECUTE case_statement"
    prepared = await connection.prepare(sql)
    rows = await prepared.fetch()
    result = Result(
        columns=tuple((column.name, column.type.oid) for column in prepared.get_attributes()),
        rows=tuple(repr(tuple(row.values())) for row in rows),
        tag=prepared.get_statusmsg() or "",
    )
    await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a commit would check the deferred ones
    await connection.execute("ROLLBACK")
    return result
