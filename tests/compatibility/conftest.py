"""A server for hundreds of small databases."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from sidecar.embedded import EmbeddedPostgres, embedded_postgres
from tests.conftest import postgres_binaries

_MEMORY = Path("/dev/shm")
_ENOUGH_BYTES = 2 << 30


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    """A running server for the cases alone, in memory where there is room: a new database is many small files."""
    with pytest.MonkeyPatch.context() as patch:
        if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ENOUGH_BYTES:
            patch.setattr(tempfile, "tempdir", str(_MEMORY))
        with embedded_postgres(postgres_binaries()) as instance:
            patch.undo()
            instance.start(autovacuum="off")
            yield instance


@pytest.fixture(scope="session")
def server_major(server: EmbeddedPostgres) -> int:
    """The major version of the server under test."""

    async def ask() -> int:
        connection = await asyncpg.connect(server.url())
        try:
            return int(connection.get_server_version().major)
        finally:
            await connection.close()

    return asyncio.run(ask())
