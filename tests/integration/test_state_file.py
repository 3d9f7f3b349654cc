"""A pass survives the death of the process, and of nothing else: real processes, a real outage."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from sidecar.embedded import EmbeddedPostgres
from tests.conftest import Database, make_database
from tests.integration.process import running
from tests.integration.schemas import CONTRACT, SCHEMA, write_contract


@pytest.fixture
def realtime(own_server: EmbeddedPostgres) -> Database:
    own_server.start()
    database = make_database(own_server)
    database.execute(SCHEMA.format(role=database.role))
    return database


def environ_for(database: Database, tmp_path: Path, **more: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database.url,
        "SIDECAR_CONTRACT": write_contract(tmp_path),
        "SIDECAR_STATE_FILE": str(tmp_path / "pass.json"),
        "SIDECAR_POD_UID": "0a1b",
        **more,
    }


def killed_while_ready(tmp_path: Path, environ: dict[str, str]) -> None:
    """Run the sidecar until it is ready, and kill it as the kernel does when memory runs out."""
    with running(tmp_path, environ) as sidecar:
        sidecar.wait_for("ready")
        assert 200 == sidecar.ask("/ready").status
        sidecar.signal(signal.SIGKILL)
        assert -signal.SIGKILL == sidecar.wait()


def test_a_restart_during_an_outage_is_ready_at_once_and_verified_after_it(realtime: Database, tmp_path: Path) -> None:
    """Ready before any attempt; told in /status, log and metric; verified when the database is back, then quiet."""
    environ = environ_for(realtime, tmp_path)
    killed_while_ready(tmp_path, environ)
    realtime.server.stop(signal.SIGKILL)
    with running(tmp_path, environ) as sidecar:
        sidecar.wait_for("restored")
        assert 200 == sidecar.ask("/ready").status
        sidecar.wait_for("drift check failed")
        assert 200 == sidecar.ask("/ready").status
        assert "schema_preflight_restored 1.0" in sidecar.ask("/metrics").body
        assert 'schema_preflight_verdict{verdict="compatible"} 1.0' in sidecar.ask("/metrics").body
        assert "before this container\n            restarted" in sidecar.ask("/status", listener="admin").body
        realtime.server.start()
        sidecar.wait_for("drift checked")
        assert json.loads(sidecar.ask("/status?format=json", listener="admin").body)["restored_from"]
        sidecar.signal(signal.SIGTERM)
        assert 0 == sidecar.wait()
    assert [] == sidecar.events("attempt failed")
    assert 1 == len(sidecar.events("drift check failed"))


def test_a_restored_pass_that_no_longer_holds_is_told_and_stays_ready(realtime: Database, tmp_path: Path) -> None:
    """Between pass and restart a migration dropped the column: drift, at once, and /ready open."""
    environ = environ_for(realtime, tmp_path)
    killed_while_ready(tmp_path, environ)
    realtime.execute("ALTER TABLE workflow DROP COLUMN color")
    with running(tmp_path, environ) as sidecar:
        sidecar.wait_for("drift found")
        assert 200 == sidecar.ask("/ready").status
    with running(tmp_path, environ | {"SIDECAR_STATE_FILE": "off"}) as sidecar:
        assert 3 == sidecar.wait()


def _torn(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "pass.json"
    path.write_bytes(path.read_bytes()[:-1])
    return {}


def _unreadable(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "pass.json").unlink()
    (tmp_path / "pass.json").mkdir()
    return {}


def _other_contract(tmp_path: Path) -> dict[str, str]:
    write_contract(tmp_path, CONTRACT + "# another line\n")
    return {}


UNUSABLE = {
    "torn": (_torn, "not a whole state file of this version"),
    "unreadable": (_unreadable, "is a directory"),
    "of another contract": (_other_contract, "of another contract"),
    "of another pod": (lambda _: {"SIDECAR_POD_UID": "0a1c"}, "of another pod"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_any_other_state_file_means_an_ordinary_preflight(realtime: Database, tmp_path: Path, name: str) -> None:
    """Torn, unreadable, stale or foreign: told as that, not ready during the outage, ready after it."""
    spoil, reason = UNUSABLE[name]
    environ = environ_for(realtime, tmp_path)
    killed_while_ready(tmp_path, environ)
    realtime.server.stop(signal.SIGKILL)
    changed = spoil(tmp_path)
    with running(tmp_path, environ | changed) as sidecar:
        assert reason == sidecar.wait_for("state file not used")["error"]
        sidecar.wait_for("attempt failed")
        answer = sidecar.ask("/ready")
        assert (503, True) == (answer.status, "connection refused" in answer.body)
        assert f"state file not used: {tmp_path}/pass.json:" in " ".join(
            sidecar.ask("/status", listener="admin").body.split()
        )
        realtime.server.start()
        sidecar.wait_for("ready")


def test_another_database_needs_a_pass_of_its_own(realtime: Database, tmp_path: Path) -> None:
    """The Secret now names another database, which does not fit: exit 3, whatever the file says of the first."""
    environ = environ_for(realtime, tmp_path)
    killed_while_ready(tmp_path, environ)
    other = make_database(realtime.server)
    with running(tmp_path, environ | {"DATABASE_URL": other.url}) as sidecar:
        assert 3 == sidecar.wait()
    assert "of another database" == sidecar.wait_for("state file not used")["error"]


def test_a_mismatch_leaves_no_pass(realtime: Database, tmp_path: Path) -> None:
    """What did not pass cannot be restored."""
    realtime.execute("ALTER TABLE workflow DROP COLUMN color")
    with running(tmp_path, environ_for(realtime, tmp_path)) as sidecar:
        assert 3 == sidecar.wait()
    assert not (tmp_path / "pass.json").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_a_full_or_missing_disk_is_told_and_costs_nothing(realtime: Database, tmp_path: Path) -> None:
    """A state file that cannot be written is a warning: ready all the same, and no half of a file is left."""
    volume = tmp_path / "volume"
    volume.mkdir()
    script = f'mount -t tmpfs -o size=4k tmpfs {volume} && head -c 4096 /dev/zero > {volume}/full && exec "$@"'
    full, absent = volume / "pass.json", tmp_path / "absent" / "pass.json"
    for path, error in ((full, "no space left on device"), (absent, "no such file or directory")):
        environ = environ_for(realtime, tmp_path, SIDECAR_STATE_FILE=str(path))
        with running(tmp_path, environ, wrapper=("unshare", "--mount", "sh", "-c", script, "sh")) as sidecar:
            assert error == sidecar.wait_for("state file not written")["error"]
            sidecar.wait_for("ready")
            assert 200 == sidecar.ask("/ready").status
            found = subprocess.run(
                ["ls", f"/proc/{sidecar.process.pid}/root{volume}"], capture_output=True, text=True, check=True
            )
            assert "full\n" == found.stdout
