"""Real servers for the tests: one PostgreSQL a session, a fresh database and role a test."""

import asyncio
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import hypothesis
import pytest

from sidecar.embedded import EmbeddedPostgres, embedded_postgres

# On a machine of the project's own, every run looks at the same examples; elsewhere each run looks for new ones.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.register_profile("new", deadline=None)
hypothesis.settings.load_profile("same" if os.environ.get("CI") else "new")

PASSWORD = "canary-S3cr3t"
_numbers = itertools.count(1)


class Database:
    """A fresh database and a role that owns nothing in it."""

    def __init__(self, server: EmbeddedPostgres, name: str) -> None:
        self.server = server
        self.name = name
        self.role = f"{name}_app"

    @property
    def url(self) -> str:
        """For the sidecar: the application's role."""
        return self.server.url(self.name, self.role, PASSWORD)

    def execute(self, script: str, *, user: str | None = None) -> None:
        """Run a script, as the superuser or as another role."""
        url = self.server.url(self.name) if user is None else self.server.url(self.name, user, PASSWORD)
        asyncio.run(_execute(url, script))

    def value(self, query: str) -> object:
        """Return the one value of a query, as the superuser."""
        return asyncio.run(_value(self.server.url(self.name), query))


async def _execute(url: str, script: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(script)
    finally:
        await connection.close()


async def _value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def postgres_binaries() -> Path | None:
    """The server under test: the embedded one, or that of SIDECAR_TEST_PG_BINDIR."""
    text = os.environ.get("SIDECAR_TEST_PG_BINDIR")
    return Path(text) if text else None


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    """A running server that all tests share and none stops."""
    with embedded_postgres(postgres_binaries()) as instance:
        instance.start()
        yield instance


@pytest.fixture
def own_server() -> Iterator[EmbeddedPostgres]:
    """An initialised server for one test to start, stop and kill."""
    with embedded_postgres(postgres_binaries()) as instance:
        yield instance


def make_database(server: EmbeddedPostgres) -> Database:
    """Create a database and its role."""
    database = Database(server, f"test_{next(_numbers)}")

    async def create() -> None:
        connection = await asyncpg.connect(server.url())
        try:
            await connection.execute(f"CREATE ROLE {database.role} LOGIN PASSWORD '{PASSWORD}'")
            await connection.execute(f"CREATE DATABASE {database.name} TEMPLATE template0")
        finally:
            await connection.close()

    asyncio.run(create())
    return database


@pytest.fixture
def database(server: EmbeddedPostgres) -> Iterator[Database]:
    """A fresh database on the shared server."""
    instance = make_database(server)
    yield instance
    asyncio.run(
        _execute(server.url(), f"DROP DATABASE {instance.name} WITH (FORCE)"),
    )
    asyncio.run(_execute(server.url(), f"DROP ROLE {instance.role}"))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With SIDECAR_TEST_NO_SKIPS, a skipped test fails the run: in CI nothing may be missing unnoticed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("SIDECAR_TEST_NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("skipped tests are failures here (SIDECAR_TEST_NO_SKIPS)", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
