"""Drift against real servers: told in metrics, log and /status, and acted on by nobody."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.embedded import EmbeddedPostgres
from tests.conftest import PASSWORD, Database, make_database
from tests.integration.process import Sidecar, running
from tests.integration.schemas import SCHEMA, write_contract

OURS = "FROM pg_stat_activity WHERE application_name = 'schema-readiness-sidecar'"


def environ_for(url: str, contract: str, **more: str) -> dict[str, str]:
    return {"DATABASE_URL": url, "SIDECAR_CONTRACT": contract, "SIDECAR_DRIFT_INTERVAL_S": "0.2", **more}


@pytest.fixture
def realtime(database: Database) -> Database:
    database.execute(SCHEMA.format(role=database.role))
    return database


def metric(sidecar: Sidecar, name: str) -> float:
    """The value of a series, summed over its labels; 0 where there is none."""
    lines = sidecar.ask("/metrics").body.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_drift_is_told_everywhere_and_closes_nothing(realtime: Database, tmp_path: Path) -> None:
    """The incident, for a pod that already runs: metric, one log line, /status with the mend; and gone when mended."""
    with running(tmp_path, environ_for(realtime.url, write_contract(tmp_path))) as sidecar:
        sidecar.wait_for("drift checked")
        assert 0 == metric(sidecar, "schema_preflight_drift_findings")
        realtime.execute("ALTER TABLE workflow DROP COLUMN color")
        found = sidecar.wait_for("drift found")
        assert "error" == found["level"]
        assert ["column-missing", "query-refused"] == sorted({f["code"] for f in found["findings"]})
        until(lambda: metric(sidecar, "schema_preflight_drift_checks_total") > 5)
        assert 1 == len(sidecar.events("drift found"))
        assert 200 == sidecar.ask("/ready").status
        assert 'drift_findings{code="column-missing",severity="error"} 1.0' in sidecar.ask("/metrics").body
        assert 'schema_preflight_verdict{verdict="compatible"} 1.0' in sidecar.ask("/metrics").body
        status = json.loads(sidecar.ask("/status?format=json", listener="admin").body)
        assert (True, "incompatible") == (status["ready"], status["drift"]["verdict"])
        assert "public.workflow.color" in {f["object"] for f in status["drift"]["findings"]}
        realtime.execute("ALTER TABLE workflow ADD color text NOT NULL DEFAULT ''")
        sidecar.wait_for("drift cleared")
        assert 0 == metric(sidecar, "schema_preflight_drift_findings")
        sidecar.signal(signal.SIGTERM)
        assert 0 == sidecar.wait()


def test_a_check_on_demand_is_a_look_for_drift(realtime: Database, tmp_path: Path) -> None:
    """With drift checks off, POST /check finds the same and tells it in the same places."""
    environ = environ_for(realtime.url, write_contract(tmp_path), SIDECAR_DRIFT_INTERVAL_S="0")
    with running(tmp_path, environ) as sidecar:
        sidecar.wait_for("ready")
        realtime.execute("ALTER TABLE workflow DROP COLUMN color")
        assert sidecar.ask("/check", method="POST", listener="admin").body.startswith("incompatible: ")
        sidecar.wait_for("drift found")
        assert 2 == metric(sidecar, "schema_preflight_drift_findings")
        assert "drift, found after ready" in sidecar.ask("/status", listener="admin").body
        assert 1 == metric(sidecar, "schema_preflight_drift_checks_total")
        assert 200 == sidecar.ask("/ready").status


def test_nothing_that_is_done_to_the_database_closes_ready(own_server: EmbeddedPostgres, tmp_path: Path) -> None:
    """Ready stays open while tables, grants, schemas, passwords and servers go; no check leaves a connection behind."""
    own_server.start()
    database = make_database(own_server)
    database.execute(SCHEMA.format(role=database.role))
    seen: Counter[int] = Counter()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            seen[sidecar.ask("/ready").status] += 1

    more = {"SIDECAR_DRIFT_INTERVAL_S": "0.05", "SIDECAR_CONNECT_TIMEOUT_S": "0.3", "SIDECAR_LOCK_TIMEOUT_S": "0.1"}
    with running(tmp_path, environ_for(database.url, write_contract(tmp_path), **more)) as sidecar:
        sidecar.wait_for("drift checked")
        asking = threading.Thread(target=ask)
        asking.start()

        def after_checks(outcome: str) -> None:
            name = f'schema_preflight_drift_checks_total{{outcome="{outcome}"}}'
            before = metric(sidecar, name)
            until(lambda: metric(sidecar, name) >= before + 2)

        try:
            for change in (
                "ALTER TABLE workflow DROP COLUMN color",
                "DROP TABLE permissions",
                f"REVOKE ALL ON ALL TABLES IN SCHEMA public, billing FROM {database.role}",
                "DROP SCHEMA billing CASCADE",
                "DROP SCHEMA public CASCADE",
            ):
                database.execute(change)
                after_checks("incompatible")
                assert 1 >= int(str(database.value(f"SELECT count(*) {OURS}")))
            database.execute(f"ALTER ROLE {database.role} PASSWORD 'another'")
            after_checks("refused")
            database.execute(f"ALTER ROLE {database.role} PASSWORD '{PASSWORD}' CONNECTION LIMIT 0")
            after_checks("retry")
            database.execute(f"ALTER ROLE {database.role} CONNECTION LIMIT -1")
            after_checks("incompatible")
            own_server.stop(signal.SIGKILL)
            after_checks("retry")
            own_server.start()
            after_checks("incompatible")
        finally:
            over.set()
            asking.join()
        sidecar.signal(signal.SIGTERM)
        assert 0 == sidecar.wait()
    assert {200} == set(seen)
    assert seen[200] > 100
    until(lambda: database.value(f"SELECT count(*) {OURS}") == 0)


def test_a_look_that_hangs_does_not_hold_the_shutdown_up(own_server: EmbeddedPostgres, tmp_path: Path) -> None:
    """A server that stopped answering in the middle of a check: SIGTERM ends the sidecar at once, with 0."""
    own_server.start()
    database = make_database(own_server)
    database.execute(SCHEMA.format(role=database.role))
    environ = environ_for(database.url, write_contract(tmp_path), SIDECAR_CONNECT_TIMEOUT_S="60")
    with running(tmp_path, environ) as sidecar:
        sidecar.wait_for("drift checked")
        os.kill(own_server.pid, signal.SIGSTOP)
        try:
            time.sleep(0.5)  # longer than an interval: whenever this ends, a check is under way
            assert 200 == sidecar.ask("/ready").status
            began = time.monotonic()
            sidecar.signal(signal.SIGTERM)
            assert 0 == sidecar.wait()
            assert time.monotonic() - began < 5
        finally:
            os.kill(own_server.pid, signal.SIGCONT)
