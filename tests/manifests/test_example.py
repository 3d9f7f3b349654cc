"""The example application is real: its schema, its server and its contract against a PostgreSQL."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from sidecar.commands.demo import CONTRACT, SCHEMA
from sidecar.contract.reader import parse_contract, read_contract
from sidecar.embedded import EmbeddedPostgres
from sidecar.report import ExitCode
from tests.integration.process import command
from tests.manifests.kustomize import K8S, container, one, render

EXAMPLE = K8S / "example"
REALTIME = EXAMPLE / "realtime"
CONTRACT_FILE = str(REALTIME / "contract.json")
PASSWORD = "canary-S3cr3t"
WITHIN_S = 30.0


def psql(server: EmbeddedPostgres, *arguments: str) -> None:
    if shutil.which("psql") is None:
        pytest.skip("psql is missing; Debian's postgresql-client has it")
    done = subprocess.run(
        ["psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", *arguments, server.url()],
        env=os.environ | {"REALTIME_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def migrate(server: EmbeddedPostgres) -> None:
    psql(server, "--single-transaction", "--file", str(EXAMPLE / "schema.sql"))


def url(server: EmbeddedPostgres) -> str:
    return server.url(user="realtime", password=PASSWORD)


@contextlib.contextmanager
def serving(server: EmbeddedPostgres) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Run the example's server; yields its process and address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(REALTIME / "server.py")],
        env=os.environ | {"DATABASE_URL": url(server), "PORT": str(port)},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


async def status(client: aiohttp.ClientSession, path: str) -> int:
    """Ask until the server listens."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        try:
            async with client.get(path) as answer:
                return answer.status
        except aiohttp.ClientConnectionError:
            assert time.monotonic() < deadline, "the server does not listen"
            await asyncio.sleep(0.02)


async def test_incident_can_be_replayed(own_server: EmbeddedPostgres) -> None:
    """The server serves; a dropped column fails each new connection while /health stays 200; the check says why."""
    own_server.start()
    migrate(own_server)
    checked = {"DATABASE_URL": url(own_server), "SIDECAR_CONTRACT": CONTRACT_FILE}
    assert ExitCode.OK == command("check", environ=checked).returncode
    with serving(own_server) as (process, address):
        async with aiohttp.ClientSession(address) as client:
            assert 200 == await status(client, "/health")
            assert 403 == await status(client, "/socket?workflow=unknown")
            reader = await client.ws_connect("/socket?workflow=first")
            writer = await client.ws_connect("/socket?workflow=first&user=ada")
            first = [await reader.receive_json(), await writer.receive_json()]
            assert ["The first workflow"] * 2 == [row["name"] for row in first]
            await reader.send_str("may not")
            await writer.send_str("Renamed")
            assert ["Renamed"] * 2 == [(await socket_.receive_json())["name"] for socket_ in (reader, writer)]

            psql(own_server, "--command", "ALTER TABLE workflow DROP COLUMN color")
            assert 500 == await status(client, "/socket?workflow=first")
            assert 200 == await status(client, "/health")
            found = command("check", environ=checked)
            assert (ExitCode.INCOMPATIBLE, True) == (found.returncode, "column color" in found.stdout)

            process.terminate()
            going = await reader.receive()
            assert (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.GOING_AWAY) == (going.type, going.data)
        assert 0 == await asyncio.to_thread(process.wait, WITHIN_S)


def test_schema_may_run_again_and_is_the_demos(own_server: EmbeddedPostgres) -> None:
    """Twice is as once, a new password is taken, and the demo's schema fits both contracts as this one does."""
    own_server.start()
    for _ in range(2):
        migrate(own_server)
    exported = [command("export", "database", environ={"DATABASE_URL": url(own_server)}).stdout]
    psql(own_server, "--command", "DROP OWNED BY realtime", "--command", "DROP ROLE realtime")
    psql(own_server, "--command", "DROP SCHEMA public CASCADE", "--command", "CREATE SCHEMA public")
    psql(
        own_server, "--command", "GRANT USAGE ON SCHEMA public TO public", "--command", SCHEMA.format(password=PASSWORD)
    )
    exported.append(command("export", "database", environ={"DATABASE_URL": url(own_server)}).stdout)
    assert "workflow" in exported[0]
    assert exported[0] == exported[1]


def test_contract_is_the_demos() -> None:
    """What the demo's image expects, but for its position among the migrations."""
    example, demo = read_contract(CONTRACT_FILE), parse_contract(CONTRACT.encode())
    assert (demo.relations, demo.enums, demo.queries) == (example.relations, example.enums, example.queries)


def test_image_has_what_the_manifests_ask_of_it() -> None:
    """The contract where it is copied from, the port that is probed, a numeric user, the libraries' pinned versions."""
    lines = (REALTIME / "Dockerfile").read_text().splitlines()
    realtime = container(one(render(EXAMPLE), "Deployment"), "realtime")
    assert "COPY contract.json /contract/" in lines
    assert [f"EXPOSE {port['containerPort']}" for port in realtime["ports"]] == [
        line for line in lines if line.startswith("EXPOSE")
    ]
    user = realtime["securityContext"]["runAsUser"]
    assert f"USER {user}:{user}" in lines
    locked = {
        line.split()[0] for line in (Path(K8S.parent) / "requirements.lock").read_text().splitlines() if "==" in line
    }
    pinned = {word for line in lines for word in line.split() if "==" in word}
    assert 2 == len(pinned & locked)
