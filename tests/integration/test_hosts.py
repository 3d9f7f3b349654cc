"""Where an address leads: sockets, several hosts of which some are dead or silent, primaries and standbys."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import asyncpg
import pytest

from sidecar.attempt import Checker
from sidecar.contract.reader import parse_contract
from sidecar.embedded import EmbeddedPostgres, embedded_postgres
from sidecar.model import Disposition, Failure
from sidecar.postgres.session import Limits
from sidecar.postgres.source import DatabaseSource
from sidecar.postgres.target import Secret
from sidecar.report import Report
from tests.integration.connecting import DEBIAN_BINARIES, Connected, connect, told
from tests.integration.process import command, running
from tests.integration.schemas import write_contract

CONTRACT = "contract: 1\nfunctions: [now()]\n"
SHORT_S = 0.5
"""For hosts that say nothing."""
HOST = "127.0.0.1"


def url(server: EmbeddedPostgres, hosts: str, query: str = "", password: str | None = None) -> str:
    return f"postgresql://postgres:{password or server.password}@{hosts}/postgres?{query}"


def reached(result: Connected | Failure) -> tuple[str, int]:
    assert isinstance(result, Connected), result
    return result.address


@pytest.fixture
def dead() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(params=["accepts and says nothing", "full backlog"])
def silent(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port where a connection comes to nothing."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(128 if request.param == "accepts and says nothing" else 0)
        port: int = listener.getsockname()[1]
        if request.param == "full backlog":
            for _ in range(4):  # the kernel drops what does not fit; a client goes on asking
                client = stack.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex((HOST, port))
        yield port


# Sockets


@pytest.mark.parametrize("shape", ["authority", "query", "keywords"])
@pytest.mark.parametrize("mode", ["", "sslmode=require", "sslmode=verify-full"])
def test_a_unix_socket_is_reached_however_it_is_written(server: EmbeddedPostgres, shape: str, mode: str) -> None:
    """A directory in the authority, in the query or as a keyword leads to its socket; TLS is no matter there."""
    directory = str(server.directory)
    text = {
        "authority": url(server, f"{quote(directory, safe='')}:{server.port}", mode),
        "query": url(server, "", f"host={directory}&port={server.port}&{mode}"),
        "keywords": f"host={directory} port={server.port} user=postgres password={server.password} {mode}",
    }[shape]
    result = connect(text)
    assert ("plain", (directory, server.port)) == (told(result), reached(result))


def test_a_missing_socket_is_waited_for(tmp_path: Path) -> None:
    """Where there is no socket yet, a server may be starting: the check goes on until the deadline."""
    text = f"postgresql://u:p@{quote(str(tmp_path), safe='')}/d"
    assert "retry: no socket there" == told(connect(text))
    done = command(
        "check",
        environ={
            "DATABASE_URL": text,
            "SIDECAR_CONTRACT": write_contract(tmp_path, CONTRACT),
            "SIDECAR_DEADLINE_S": "1",
        },
    )
    assert 4 == done.returncode, done.stdout
    assert "no socket there" in done.stdout


def test_a_socket_that_appears_is_used(own_server: EmbeddedPostgres, tmp_path: Path) -> None:
    """The daemon gets ready as soon as the server has made its socket."""
    environ = {
        "DATABASE_URL": url(own_server, f"{quote(str(own_server.directory), safe='')}:{own_server.port}"),
        "SIDECAR_CONTRACT": write_contract(tmp_path, CONTRACT),
    }
    with running(tmp_path, environ) as sidecar:
        assert "no socket there" == sidecar.wait_for("attempt failed")["reason"]
        own_server.start()
        sidecar.wait_for("ready")


# Several hosts


def test_a_dead_first_host_is_passed_over(server: EmbeddedPostgres, dead: int) -> None:
    """The second host is used at once where nobody listens at the first."""
    result = connect(url(server, f"{HOST}:{dead},{HOST}:{server.port}"))
    assert (HOST, server.port) == reached(result)


def test_a_name_that_leads_nowhere_is_passed_over(server: EmbeddedPostgres) -> None:
    """The second host is used where the first does not resolve, or its socket is missing."""
    for first in ("nowhere.invalid:1", "%2Fnonexistent:1"):
        assert (HOST, server.port) == reached(connect(url(server, f"{first},{HOST}:{server.port}")))


@pytest.mark.parametrize("query", ["", "connect_timeout=60", "sslmode=disable", "target_session_attrs=read-write"])
def test_a_silent_first_host_does_not_starve_the_second(server: EmbeddedPostgres, silent: int, query: str) -> None:
    """Each host has a time of its own, and the URL's cannot make it longer than ours where there are several."""
    result = connect(url(server, f"{HOST}:{silent},{HOST}:{server.port}", query), timeout_s=SHORT_S)
    assert (HOST, server.port) == reached(result)
    assert isinstance(result, Connected)
    assert SHORT_S <= result.elapsed_s < 10 * SHORT_S


def test_a_silent_only_host_times_out(server: EmbeddedPostgres, silent: int) -> None:
    """A host that says nothing is retried as a time-out, with TLS and without."""
    for mode in ("disable", "allow", "prefer", "require"):
        result = connect(url(server, f"{HOST}:{silent}", f"sslmode={mode}"), timeout_s=SHORT_S)
        assert "retry: connection timed out" == told(result), mode


def test_a_refusal_ends_the_round(server: EmbeddedPostgres, silent: int) -> None:
    """As in libpq, the next host is not asked after one that refused."""
    text = url(server, f"{HOST}:{server.port},{HOST}:{silent}", password="wrong")
    assert "refused: password authentication failed" == told(connect(text, timeout_s=SHORT_S))


def test_the_check_gets_through_past_a_silent_host(server: EmbeddedPostgres, silent: int, tmp_path: Path) -> None:
    """One attempt is enough for a whole check with a silent host before the right one."""
    environ = {
        "DATABASE_URL": url(server, f"{HOST}:{silent},{HOST}:{server.port}", "connect_timeout=100"),
        "SIDECAR_CONTRACT": write_contract(tmp_path, CONTRACT),
        "SIDECAR_CONNECT_TIMEOUT_S": str(SHORT_S),
        "SIDECAR_MAX_ATTEMPTS": "1",
    }
    done = command("check", environ=environ)
    assert 0 == done.returncode, done.stdout + done.stderr


def test_an_ipv6_literal_is_reached(own_server: EmbeddedPostgres, dead: int) -> None:
    """[::1] with a port leads there, and may stand among others."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
    own_server.start(listen_addresses="::1")
    for hosts in (f"[::1]:{own_server.port}", f"{HOST}:{dead},[::1]:{own_server.port}"):
        assert ("::1", own_server.port) == reached(connect(url(own_server, hosts)))


# Passwords and services in files


def test_passwords_and_services_in_files_are_used(server: EmbeddedPostgres, dead: int, tmp_path: Path) -> None:
    """A service names the hosts, .pgpass has the password of the one that answers."""
    services, passwords = tmp_path / "services", tmp_path / "pgpass"
    services.write_text(f"[db]\nhost={HOST},{HOST}\nport={dead},{server.port}\nuser=postgres\n")
    passwords.write_text(f"{HOST}:{dead}:*:*:wrong\n{HOST}:{server.port}:*:postgres:{server.password}\n")
    passwords.chmod(0o600)
    environ = {"PGSERVICEFILE": str(services), "PGPASSFILE": str(passwords)}
    for text in ("service=db", "postgresql:///postgres?service=db"):
        assert (HOST, server.port) == reached(connect(text, environ))


def test_no_file_of_ours_is_read_for_somebody_else(
    server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the driver would find by itself in the process's environment and home does not count."""
    (tmp_path / ".pgpass").write_text(f"*:*:*:*:{server.password}\n")
    (tmp_path / ".pgpass").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PGPASSWORD", server.password)
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGSSLNEGOTIATION", "direct")
    text = f"postgresql://postgres@{HOST}:{server.port}/postgres"
    assert "refused: password authentication failed" == told(connect(text, {}))
    assert "plain" == told(connect(text, {"HOME": str(tmp_path)}))


# Primary and standby


class Pair(NamedTuple):
    primary: EmbeddedPostgres
    standby: EmbeddedPostgres

    def url(self, hosts: str, attributes: str) -> str:
        ports = {"primary": self.primary.port, "standby": self.standby.port}
        text = ",".join(f"{HOST}:{ports[name]}" for name in hosts.split(","))
        return url(self.primary, text, f"target_session_attrs={attributes}")


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with embedded_postgres(DEBIAN_BINARIES) as primary, embedded_postgres(DEBIAN_BINARIES) as standby:
        primary.start()
        owner = standby.data.stat()
        shutil.rmtree(standby.data)
        subprocess.run(
            [DEBIAN_BINARIES / "pg_basebackup", "-D", standby.data, "-R", "-X", "stream", "-c", "fast", "-N",
             "-d", f"host={HOST} port={primary.port} user=postgres password={primary.password}"],
            check=True,
            capture_output=True,
        )  # fmt: skip
        for path in (standby.data, *standby.data.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        standby.start()
        yield Pair(primary, standby)


@pytest.mark.skipif(not DEBIAN_BINARIES.is_dir(), reason=f"no pg_basebackup in {DEBIAN_BINARIES}")
@pytest.mark.parametrize(
    ("hosts", "attributes", "expected"),
    [
        ("standby,primary", "any", "standby"),
        ("standby,primary", "read-write", "primary"),
        ("standby,primary", "primary", "primary"),
        ("primary,standby", "standby", "standby"),
        ("primary,standby", "read-only", "standby"),
        ("primary,standby", "prefer-standby", "standby"),
        ("primary", "prefer-standby", "primary"),
        ("standby", "read-write", None),
        ("primary", "standby", None),
    ],
)
def test_the_host_with_the_wanted_role_is_found(pair: Pair, hosts: str, attributes: str, expected: str | None) -> None:
    """target_session_attrs passes over hosts of the other role; where there is no other, that is retried."""
    result = connect(pair.url(hosts, attributes))
    if expected is None:
        assert "retry: no host has the wanted role" == told(result)
    else:
        assert (HOST, getattr(pair, expected).port) == reached(result)


@pytest.mark.skipif(not DEBIAN_BINARIES.is_dir(), reason=f"no pg_basebackup in {DEBIAN_BINARIES}")
def test_the_primary_is_found_past_a_silent_host_and_a_standby(pair: Pair, silent: int) -> None:
    """Silent, standby, primary: the third is the one."""
    text = pair.url("standby,primary", "read-write").replace("@", f"@{HOST}:{silent},", 1)
    assert (HOST, pair.primary.port) == reached(connect(text, timeout_s=SHORT_S))


@pytest.mark.skipif(not DEBIAN_BINARIES.is_dir(), reason=f"no pg_basebackup in {DEBIAN_BINARIES}")
def test_a_standby_is_waited_for_by_an_image_that_writes(pair: Pair) -> None:
    """Readers pass on a standby; writers try again until it is promoted, unless their owners have accepted it."""
    asyncio.run(_execute(pair.primary.url(), "CREATE TABLE item (id int PRIMARY KEY)"))
    asyncio.run(_replayed(pair))
    relation = "contract: 1\nrelations:\n  item: {use: [%s], columns: {id: int}}\n"
    accepted = "accept: [{code: server-read-only, object: server, reason: the image serves reads meanwhile}]\n"
    assert _is_compatible(_attempt(pair, relation % "select"))
    waiting = _attempt(pair, relation % "select, insert")
    assert isinstance(waiting, Failure)
    assert (Disposition.RETRY, "server is read-only", "25006") == (
        waiting.disposition,
        waiting.reason,
        waiting.sqlstate,
    )
    assert ["server-read-only"] == [finding.code for finding in waiting.findings]
    assert _is_compatible(_attempt(pair, relation % "select, insert" + accepted))
    asyncio.run(_execute(pair.standby.url(password=pair.primary.password), "SELECT pg_promote()"))
    assert _is_compatible(_attempt(pair, relation % "select, insert"))


def _attempt(pair: Pair, contract: str) -> Report | Failure:
    checker = Checker(
        contract=parse_contract(contract.encode()),
        source=DatabaseSource(variable="DATABASE_URL", text=Secret(pair.url("standby", "any"))),
        environ={},
        limits=Limits(),
    )
    return asyncio.run(checker.attempt(30.0))


def _is_compatible(result: Report | Failure) -> bool:
    return isinstance(result, Report) and result.is_compatible


async def _execute(address: str, script: str) -> None:
    connection = await asyncpg.connect(address)
    try:
        await connection.execute(script)
    finally:
        await connection.close()


async def _replayed(pair: Pair) -> None:
    """Wait until the standby has what the primary has."""
    connection = await asyncpg.connect(pair.standby.url(password=pair.primary.password))
    try:
        for _ in range(600):
            if await connection.fetchval("SELECT to_regclass('item') IS NOT NULL"):
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the standby does not follow")
    finally:
        await connection.close()
