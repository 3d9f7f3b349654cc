"""Through PgBouncer in transaction mode, where a session's state belongs to somebody else a moment later."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import PASSWORD, Database
from tests.integration.process import command, let_in
from tests.integration.schemas import SCHEMA, write_contract

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed")


@pytest.fixture
def realtime(database: Database) -> Database:
    database.execute(SCHEMA.format(role=database.role))
    return database


@pytest.fixture
def pooled_url(realtime: Database, tmp_path: Path) -> Iterator[str]:
    """A pooler with a single server connection, so that whatever is left behind meets the next client."""
    assert PGBOUNCER is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    directory = tmp_path / "pgbouncer"
    directory.mkdir()
    (directory / "users").write_text(f'"{realtime.role}" "{PASSWORD}"\n')
    (directory / "ini").write_text(
        f"""
[databases]
{realtime.name} = host=127.0.0.1 port={realtime.server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = plain
auth_file = {directory}/users
unix_socket_dir =
pool_mode = transaction
default_pool_size = 1
"""
    )
    user = None
    if os.geteuid() == 0:  # PgBouncer refuses to run as root
        user = pwd.getpwnam("nobody").pw_uid
        let_in(directory)
        for path in directory.iterdir():
            path.chmod(0o755)
    with subprocess.Popen(
        [PGBOUNCER, "-q", str(directory / "ini")], user=user, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                with socket.socket() as client:
                    if client.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield f"postgresql://{realtime.role}:{PASSWORD}@127.0.0.1:{port}/{realtime.name}"
        finally:
            process.terminate()


def test_works_through_a_pooler_and_leaves_nothing_to_the_next_client(
    realtime: Database, pooled_url: str, tmp_path: Path
) -> None:
    """Six checks, fitting and not, over one server connection: right each time, no setting and no name left."""
    environ = {"DATABASE_URL": f"{pooled_url}?pgbouncer=true", "SIDECAR_CONTRACT": write_contract(tmp_path)}
    codes = {command("check", environ=environ).returncode for _ in range(3)}
    assert {0} == codes
    realtime.execute("REVOKE SELECT ON active FROM PUBLIC; DROP TABLE billing.invoice; DROP FUNCTION label")
    codes = {command("check", environ=environ).returncode for _ in range(3)}
    assert {3} == codes

    async def left_behind() -> dict[str, object]:
        connection = await asyncpg.connect(pooled_url, statement_cache_size=0)
        try:
            return {
                "prepared": await connection.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE from_sql"),
                "statement_timeout": await connection.fetchval("SHOW statement_timeout"),
                "lock_timeout": await connection.fetchval("SHOW lock_timeout"),
                "plan_cache_mode": await connection.fetchval("SHOW plan_cache_mode"),
            }
        finally:
            await connection.close()

    expected = {"prepared": 0, "statement_timeout": "0", "lock_timeout": "0", "plan_cache_mode": "auto"}
    assert expected == asyncio.run(left_behind())


def test_a_lock_met_while_planning_leaves_nothing_prepared(realtime: Database, pooled_url: str, tmp_path: Path) -> None:
    """A locked partition stops a plan where the statement is prepared already: a retry, and no name is left."""
    realtime.execute(
        "CREATE TABLE event (id int) PARTITION BY RANGE (id); CREATE TABLE event_1 PARTITION OF event DEFAULT;"
        f" GRANT SELECT, UPDATE ON event TO {realtime.role}"
    )
    contract = write_contract(tmp_path, "contract: 1\nname: a\nqueries: {read: SELECT id FROM event WHERE id > $1}\n")
    environ = {
        "DATABASE_URL": pooled_url,
        "SIDECAR_CONTRACT": contract,
        "SIDECAR_LOCK_TIMEOUT_S": "0.2",
        "SIDECAR_MAX_ATTEMPTS": "1",
    }

    async def checked_while_locked() -> "tuple[subprocess.CompletedProcess[str], int]":
        holder = await asyncpg.connect(realtime.server.url(realtime.name))
        async with holder.transaction():
            await holder.execute("LOCK TABLE event_1 IN ACCESS EXCLUSIVE MODE")
            done = await asyncio.to_thread(command, "check", environ=environ)
        await holder.close()
        client = await asyncpg.connect(pooled_url, statement_cache_size=0)
        left = await client.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE from_sql")
        await client.close()
        return done, left

    done, left = asyncio.run(checked_while_locked())
    assert (4, 0) == (done.returncode, left), done.stdout
    assert "lock" in done.stdout


def test_unknown_database_at_the_pooler_is_a_refusal(pooled_url: str, tmp_path: Path) -> None:
    """PgBouncer answers 08P01 to that; its words decide, and it is no mismatch."""
    url = pooled_url.rpartition("/")[0] + "/nowhere"
    done = command("check", environ={"DATABASE_URL": url, "SIDECAR_CONTRACT": write_contract(tmp_path)})
    assert 5 == done.returncode, done.stdout
    assert done.stdout.startswith("refused: database does not exist")


def test_search_path_of_the_url_works_through_the_pooler(realtime: Database, pooled_url: str, tmp_path: Path) -> None:
    """options=-c search_path is refused by the pooler as a startup parameter; here it is set in the transaction."""
    contract = write_contract(tmp_path, "contract: 1\nrelations: {invoice: {columns: {id: bigint}}}\n")
    for key in ("options=-c%20search_path%3Dbilling", "schema=billing", "currentSchema=billing"):
        done = command("check", environ={"DATABASE_URL": f"{pooled_url}?{key}", "SIDECAR_CONTRACT": contract})
        assert 0 == done.returncode, done.stdout
    assert 3 == command("check", environ={"DATABASE_URL": pooled_url, "SIDECAR_CONTRACT": contract}).returncode


def test_urls_of_every_client_work_through_the_pooler(realtime: Database, pooled_url: str, tmp_path: Path) -> None:
    """What a pooler would refuse as a startup parameter is set in the transaction, or is not the server's matter."""
    contract = write_contract(tmp_path, "contract: 1\nrelations: {invoice: {columns: {id: bigint}}}\n")
    for query in (
        "schema=billing&pgbouncer=true&connection_limit=1&pool_timeout=5&sslmode=prefer",  # Prisma
        "options=-c%20search_path%3Dbilling%20-c%20statement_timeout%3D5s%20-c%20app.tenant%3D7",
        "options=endpoint%3Dep-cool-123%20-c%20search_path%3Dbilling&channel_binding=prefer",  # Neon
        "options[search_path]=billing&options[extra_float_digits]=2&statement-cache-capacity=0",  # sqlx
        "search_path=billing&application_name=worker&keepalives_idle=30&target_session_attrs=read-write",
        "currentSchema=billing&prepareThreshold=0&ApplicationName=worker&targetServerType=primary&ssl=false",  # JDBC
        "schema_search_path=billing&prepared_statements=false&pool=5&variables[lock_timeout]=2s",  # Rails
    ):
        done = command("check", environ={"DATABASE_URL": f"{pooled_url}?{query}", "SIDECAR_CONTRACT": contract})
        assert 0 == done.returncode, query + done.stdout

    async def left_behind() -> list[str]:
        connection = await asyncpg.connect(pooled_url, statement_cache_size=0)
        try:
            return [
                await connection.fetchval(f"SELECT coalesce(current_setting('{name}', true), '')")
                for name in ("search_path", "statement_timeout", "app.tenant")
            ]
        finally:
            await connection.close()

    assert ['"$user", public', "0", ""] == asyncio.run(left_behind())


@pytest.mark.parametrize("query", ["sslmode=require", "sslmode=verify-full", "ssl=true", "channel_binding=require"])
def test_a_pooler_without_tls_is_refused_where_tls_is_asked_for(pooled_url: str, query: str, tmp_path: Path) -> None:
    """There is no falling back to plain text: exit code 5."""
    environ = {"DATABASE_URL": f"{pooled_url}?{query}", "SIDECAR_CONTRACT": write_contract(tmp_path)}
    done = command("check", environ=environ | {"SIDECAR_BACKOFF_BASE_S": "0.05"})
    assert (5, True) == (done.returncode, done.stdout.startswith("refused: server does not offer TLS")), done.stdout
