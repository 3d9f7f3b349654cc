"""One connection, one read-only transaction, then gone.

Works through PgBouncer in transaction mode: nothing is prepared by name on the protocol level, nothing is set
outside the transaction, and the transaction is rolled back.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import msgspec
from asyncpg.connect_utils import SessionAttribute

from sidecar.identifiers import quote_identifier, quote_literal
from sidecar.model import Disposition, Phase
from sidecar.postgres.failures import AttemptError, failure_of
from sidecar.postgres.target import Target
from sidecar.postgres.tls import may_try_the_other_way, refusal, ssl_arguments

APPLICATION_NAME = "schema-readiness-sidecar"
"""How the connection shows in pg_stat_activity."""
CLOSE_TIMEOUT_S = 2.0
"""How long a polite goodbye may take before the socket is cut."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what an attempt may take of the server and of our time, in seconds."""

    connect_timeout_s: float = 5.0
    """Per host."""
    statement_timeout_s: float = 10.0
    lock_timeout_s: float = 2.0


class Session:
    """An open connection inside its transaction. Made by ``open_session`` only."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", target: Target, address: tuple[str, int]):
        """Wrap ``connection``."""
        self._connection = connection
        self._secrets = target.secrets
        self.host, self.port = address
        version = connection.get_server_version()
        self.server_major: int = version.major

    async def run(self, script: str, phase: Phase) -> None:
        """Run one or more statements in a single round trip, throwing their results away.

        Raises:
            AttemptError: the server refused one, or could not be reached.
        """
        try:
            await self._connection.execute(script)
        except Exception as error:
            raise AttemptError(failure_of(error, phase, self._secrets)) from error

    async def fetch_text(self, query: str, phase: Phase, *arguments: str) -> str | None:
        """Run a query that takes texts and gives one, or NULL; two round trips.

        Raises:
            AttemptError: the server refused it, or could not be reached.
        """
        try:
            value = await self._connection.fetchval(query, *arguments)
        except Exception as error:
            raise AttemptError(failure_of(error, phase, self._secrets)) from error
        return None if value is None else str(value)


@contextlib.asynccontextmanager
async def open_session(target: Target, limits: Limits, search_path: tuple[str, ...] | None) -> AsyncIterator[Session]:
    """Connect, open the transaction, and close the connection whatever happens.

    Args:
        target: where the database is.
        limits: bounds for connecting and for each statement.
        search_path: the path that the contract asks for, before the URL's own; None leaves the role's in force.

    Raises:
        AttemptError: no host could be reached or let us in, or the transaction could not be opened.
    """
    connection, address = await connect(target, limits)
    try:
        session = Session(connection, target, address)
        await session.run(_opening(target, limits, search_path), Phase.CONNECT)
        yield session
        # A timeout here changes no verdict: what was found out stands.
        with contextlib.suppress(Exception):
            await connection.close(timeout=CLOSE_TIMEOUT_S)
    finally:
        connection.terminate()


def _opening(target: Target, limits: Limits, search_path: tuple[str, ...] | None) -> str:
    """Return the statements that open the transaction and bound it; one round trip.

    Every setting is SET LOCAL: a plain SET would leak through a pooler to the next client.
    """
    settings = dict(target.settings)
    if search_path is not None:
        settings["search_path"] = ", ".join(quote_identifier(schema) for schema in search_path)
    settings |= {
        "statement_timeout": f"{round(limits.statement_timeout_s * 1000)}ms",
        "lock_timeout": f"{round(limits.lock_timeout_s * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{round(limits.statement_timeout_s * 1000)}ms",
        "standard_conforming_strings": "on",
        "plan_cache_mode": "force_generic_plan",  # EXPLAIN EXECUTE has to show the plan for any parameters
        "jit": "off",  # compiling the catalog query costs more than running it
    }
    # The path goes as raw text where the URL gave it: it is a list, and quoting would make one name of it.
    lines = [f"SELECT pg_catalog.set_config({quote_literal(k)}, {quote_literal(v)}, true)" for k, v in settings.items()]
    return ";\n".join(["BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY", *lines])


async def connect(target: Target, limits: Limits) -> "tuple[asyncpg.Connection[asyncpg.Record], tuple[str, int]]":
    """Connect to the first host that lets us in and has the wanted role; return the connection and the host's address.

    Raises:
        AttemptError: none does; carries the last host's failure, or the first refusal.
    """
    passes = ["standby", "any"] if target.session_attributes == "prefer-standby" else [target.session_attributes]
    last: AttemptError | None = None
    for attributes in passes:
        for address in target.hosts:
            try:
                return await _connect_host(target, limits, address, attributes), address
            except Exception as error:
                failure = failure_of(error, Phase.CONNECT, target.secrets)
                if failure.disposition is Disposition.RETRY and (reason := refusal(error)):
                    failure = msgspec.structs.replace(failure, disposition=Disposition.REFUSED, reason=reason)
                last = AttemptError(failure)
                last.__cause__ = error
                if failure.disposition in (Disposition.REFUSED, Disposition.MISCONFIGURED):
                    raise last from error  # libpq does not try the next host after a refusal either
    assert last is not None, "a target has at least one host"
    raise last


async def _connect_host(
    target: Target, limits: Limits, address: tuple[str, int], attributes: str
) -> "asyncpg.Connection[asyncpg.Record]":
    """Connect to one host: with TLS, without, or one after the other, as the mode allows."""
    host, port = address
    timeout_s = target.connect_timeout_s or limits.connect_timeout_s
    if len(target.hosts) > 1:  # one that says nothing must not use up the time of the others
        timeout_s = min(timeout_s, limits.connect_timeout_s)
    # Nobody encrypts a Unix socket; libpq ignores the mode there, too.
    ways = (False,) if host.startswith("/") else ssl_arguments(target.tls)
    first: Exception = Exception()
    async with asyncio.timeout(timeout_s):
        for way in ways:
            try:
                connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
                    host=host,
                    port=port,
                    user=target.user,
                    password=target.password_for(address),  # never None: asyncpg would look for files of its own
                    database=target.database,
                    timeout=timeout_s,
                    ssl=way,
                    direct_tls=target.tls.direct and way is not False,
                    statement_cache_size=0,  # through PgBouncer the second use of a cached statement fails with 26000
                    target_session_attrs=SessionAttribute(attributes),
                    server_settings={"application_name": APPLICATION_NAME},
                )
            except Exception as error:
                if getattr(first, "sqlstate", None) and not getattr(error, "sqlstate", None):
                    raise first from None  # what the server said is worth more than that it does not speak TLS
                if way is ways[-1] or not may_try_the_other_way(error):
                    raise
                first = error
            else:
                return connection
    raise AssertionError("the last way returns or raises")
