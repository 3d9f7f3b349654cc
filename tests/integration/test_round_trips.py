"""Round trips of a passing attempt, counted on the wire: they do not grow with the contract."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from sidecar.attempt import Checker
from sidecar.contract.reader import parse_contract
from sidecar.model import Failure
from sidecar.postgres.session import Limits
from sidecar.postgres.source import DatabaseSource
from sidecar.postgres.target import Secret
from sidecar.report import Report
from tests.conftest import PASSWORD, Database

_PASSWORD_MESSAGE, _TERMINATE = b"p", b"X"


class Counter:
    """Counts the client's bursts: what it sends after it has heard from the server."""

    def __init__(self) -> None:
        self.bursts: list[bytes] = []
        self.heard = True
        self.received = 0

    @property
    def after_connect(self) -> int:
        """Bursts without the startup packet, the authentication and the goodbye."""
        return sum(burst not in (_PASSWORD_MESSAGE, _TERMINATE) for burst in self.bursts[1:])


@contextlib.asynccontextmanager
async def counting_proxy(port: int, counter: Counter) -> AsyncIterator[int]:
    """Pass bytes on between a client and the server on ``port``, and count; gives the proxy's own port."""

    async def serve(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", port)

        async def up() -> None:
            while data := await client.read(65536):
                if counter.heard:
                    counter.bursts.append(data[:1])
                    counter.heard = False
                to_server.write(data)
                await to_server.drain()
            to_server.close()

        async def down() -> None:
            while data := await server.read(65536):
                counter.heard = True
                counter.received += len(data)
                to_client.write(data)
                await to_client.drain()
            to_client.close()

        with contextlib.suppress(ConnectionError):
            await asyncio.gather(up(), down())

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


async def attempt_through(port: int, database: Database, contract: bytes) -> Report | Failure:
    """Make one attempt through the proxy on ``port``."""
    url = f"postgresql://{database.role}:{PASSWORD}@127.0.0.1:{port}/{database.name}?sslmode=disable"
    return await Checker(
        contract=parse_contract(contract),
        source=DatabaseSource(variable="DATABASE_URL", text=Secret(url)),
        environ={},
        limits=Limits(),
    ).attempt(60.0)


@pytest.mark.parametrize("count", [1, 100, 1000])
async def test_passing_attempt_takes_four_round_trips(database: Database, count: int) -> None:
    """Opening, preparing and running the catalog query, probing and ending: four, whatever the contract's size."""
    connection = await asyncpg.connect(database.server.url(database.name))
    await connection.execute(
        ";".join(f"CREATE TABLE t{n} (id int PRIMARY KEY, name text)" for n in range(count))
        + f"; GRANT USAGE ON SCHEMA public TO {database.role}"
        + f"; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {database.role}"
    )
    await connection.close()
    relations = "\n".join(
        f"  t{n}: {{use: [select, insert, update, delete], columns: {{id: int, name: text}}, upserts: [[id]]}}"
        for n in range(count)
    )
    counter = Counter()
    async with counting_proxy(database.server.port, counter) as port:
        result = await attempt_through(port, database, f"contract: 1\nrelations:\n{relations}\n".encode())
    assert isinstance(result, Report), result
    assert () == result.findings
    assert 4 == counter.after_connect, counter.bursts


async def test_large_values_stay_on_the_server(database: Database) -> None:
    """A first row of megabytes is read by the server and not sent: every pod of a rollout would fetch it."""
    connection = await asyncpg.connect(database.server.url(database.name))
    await connection.execute(
        "CREATE TYPE pair AS (a text, b text);"
        "CREATE TABLE files (id int, content bytea, meta json, both_of pair, at tid);"
        "INSERT INTO files VALUES (1, decode(repeat('ab', 8000000), 'hex'), '{}', ROW(repeat('x', 1000000), NULL));"
        f"GRANT USAGE ON SCHEMA public TO {database.role}; GRANT SELECT ON files TO {database.role}"
    )
    await connection.close()
    counter = Counter()
    async with counting_proxy(database.server.port, counter) as port:
        columns = b"{id: int, content: bytea, meta: json, both_of: pair, ctid: }"
        result = await attempt_through(port, database, b"contract: 1\nrelations:\n  files: {columns: %s}\n" % columns)
    assert isinstance(result, Report), result
    assert () == result.findings
    assert counter.received < 50_000
