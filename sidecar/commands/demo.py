"""``sidecar demo``: the incident, replayed with real processes on an embedded PostgreSQL."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from sidecar.embedded import EmbeddedError, EmbeddedPostgres, embedded_postgres
from sidecar.report import ExitCode

WAIT_S = 60.0

SCHEMA = """
CREATE ROLE realtime LOGIN PASSWORD '{password}';
CREATE TYPE permission_type AS ENUM ('admin', 'write', 'read');
CREATE TABLE workflow (
    id text PRIMARY KEY,
    name text NOT NULL,
    color text NOT NULL DEFAULT '#3972F6',
    updated_at timestamp NOT NULL DEFAULT now()
);
CREATE TABLE permissions (
    id text PRIMARY KEY,
    user_id text NOT NULL,
    entity_id text NOT NULL,
    permission_type permission_type NOT NULL
);
CREATE TABLE schema_migrations (version varchar PRIMARY KEY);
INSERT INTO schema_migrations VALUES ('20261101090000'), ('20261114090000');
GRANT SELECT, UPDATE ON workflow TO realtime;
GRANT SELECT ON permissions, schema_migrations TO realtime;
"""
MIGRATION = "ALTER TABLE workflow DROP COLUMN color; INSERT INTO schema_migrations VALUES ('20261121090000')"

CONTRACT = """\
# What the realtime server's image was compiled against.
contract: 1
name: realtime
relations:
  workflow:
    use: [select, update]
    columns:
      id: text
      name: text
      color: text
      updated_at: timestamp
  permissions:
    columns:
      user_id: text
      entity_id: text
      permission_type: permission_type
enums:
  permission_type: [admin, write, read]
# Lets a report say which side is behind.
migrations: {tool: dbmate, head: "20261114090000"}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags to ``parser``: none."""


def run(arguments: argparse.Namespace) -> int:
    """Replay the incident. Returns 0 if it went as it should; Ctrl-C cleans up and returns 130."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with tempfile.TemporaryDirectory(prefix="sidecar-demo-") as directory, embedded_postgres() as server:
            return _story(Path(directory), server)
    except (EmbeddedError, OSError) as error:  # OSError: no directory to write to, as in a read-only container
        print(f"demo: {error}", file=sys.stderr)
        return int(ExitCode.MISCONFIGURED)
    except KeyboardInterrupt:
        print("\ninterrupted; everything is cleaned up", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(int(ExitCode.TERMINATED))


def _story(directory: Path, server: EmbeddedPostgres) -> int:
    contract = directory / "contract.yaml"
    contract.write_text(CONTRACT)
    password = server.password[::-1]
    server.start()
    _execute(server, SCHEMA.format(password=password))
    server.stop()
    environ = os.environ | {
        "DATABASE_URL": server.url(user="realtime", password=password),
        "SIDECAR_CONTRACT": str(contract),
        "SIDECAR_LISTEN": "127.0.0.1:0",
        "SIDECAR_ADMIN_LISTEN": "127.0.0.1:0",
        "SIDECAR_LOG_FORMAT": "json",
        "SIDECAR_DRIFT_INTERVAL_S": "1",
    }

    _say("A pod starts. Its database is not up yet.")
    with _daemon(environ, directory / "old") as old:
        old.wait_for("attempt failed")
        _curl(f"http://{old.probe}/ready")

        _say("The database comes up, with the schema that the image was compiled against.")
        server.start()
        old.wait_for("ready")
        _curl(f"http://{old.probe}/ready")
        _curl(f"http://{old.admin}/status")

        _say("The incident: a migration drops workflow.color. The running pod tells the drift, and stays ready.")
        _psql(server, MIGRATION)
        old.wait_for("drift found")
        _curl(f"http://{old.probe}/ready")
        _curl(f"http://{old.admin}/status")

        _say("A new pod of the same image starts, and is stopped before it takes traffic.")
        with _daemon(environ, directory / "new") as new:
            code = new.wait()
        print(f"exit code {code}\n\n$ cat /dev/termination-log\n{new.termination_log.read_text()}")

        print("The rollout stops here; the old pod serves on:")
        still_ready = _curl(f"http://{old.probe}/ready")
    refused = code == ExitCode.INCOMPATIBLE and "color" in new.termination_log.read_text()
    return 0 if refused and still_ready == 200 else int(ExitCode.BUG)


class _Daemon:
    """A running ``sidecar serve``."""

    def __init__(self, process: "subprocess.Popen[str]", termination_log: Path) -> None:
        self._process = process
        self.termination_log = termination_log
        listening = self.wait_for("listening")
        self.probe, self.admin = listening["probe"], listening["admin"]

    def wait_for(self, event: str) -> dict[str, str]:
        """Return the fields of the next log line of that event."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            fields: dict[str, str] = json.loads(line)
            if fields["event"] == event:
                return fields
        raise EmbeddedError(f"the sidecar ended before it logged {event!r}")

    def wait(self) -> int:
        return self._process.wait(WAIT_S)


@contextlib.contextmanager
def _daemon(environ: dict[str, str], termination_log: Path) -> Iterator[_Daemon]:
    print("$ sidecar serve &", flush=True)
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "sidecar", "serve", "--termination-log", str(termination_log)],
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield _Daemon(process, termination_log)
    finally:
        process.terminate()
        try:
            process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _say(text: str) -> None:
    print(f"\n== {text}\n", flush=True)


def _curl(url: str) -> int:
    """Ask and print as ``curl -i`` would, without the headers that say nothing here."""
    print(f"$ curl -i {url}")
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own loopback address
            status, reason, body = answer.status, answer.reason, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, reason, body = error.code, error.reason, error.read().decode()
    print(f"HTTP/1.1 {status} {reason}\n\n{body}", flush=True)
    return int(status)


def _psql(server: EmbeddedPostgres, statement: str) -> None:
    print(f'$ psql -c "{statement}"\n', flush=True)
    _execute(server, statement)


def _execute(server: EmbeddedPostgres, script: str) -> None:
    import asyncpg

    async def execute() -> None:
        connection = await asyncpg.connect(server.url())
        try:
            await connection.execute(script)
        finally:
            await connection.close()

    asyncio.run(execute())
