"""The daemon as a process, against real servers: from starting to ready, or to an exit that says why."""

import asyncio
import json
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from sidecar.embedded import EmbeddedPostgres
from tests.conftest import PASSWORD, Database, make_database
from tests.integration.process import Answer, command, running
from tests.integration.schemas import CONTRACT, SCHEMA, write_contract


def prepare(server: EmbeddedPostgres) -> Database:
    """A database with the realtime schema on a server that is running."""
    database = make_database(server)
    database.execute(SCHEMA.format(role=database.role))
    return database


@pytest.fixture
def realtime(database: Database) -> Database:
    database.execute(SCHEMA.format(role=database.role))
    return database


def environ_for(url: str, contract: str, **more: str) -> dict[str, str]:
    return {"DATABASE_URL": url, "SIDECAR_CONTRACT": contract, **more}


def test_fitting_database_makes_it_ready_and_sigterm_ends_it_with_0(realtime: Database, tmp_path: Path) -> None:
    """503 becomes 200 when the contract fits; SIGTERM after that is a clean stop."""
    with running(tmp_path, environ_for(realtime.url, write_contract(tmp_path))) as sidecar:
        sidecar.wait_for("ready")
        ready = sidecar.ask("/ready")
        assert (200, "ready\n") == (ready.status, ready.body)
        sidecar.signal(signal.SIGTERM)
        assert 0 == sidecar.wait()
    assert "exited" == sidecar.lines[-1]["event"]
    assert not sidecar.termination_log.exists()


MISMATCHES = {
    "column": ("ALTER TABLE workflow DROP COLUMN color", "column-missing", "public.workflow.color"),
    "table": ("DROP TABLE permissions", "relation-missing", "permissions"),
    "function": ("DROP FUNCTION label", "function-missing", "label(text)"),
    "enum label": (
        "ALTER TYPE permission_type RENAME VALUE 'read' TO 'r'",
        "enum-label-missing",
        "public.permission_type.'read'",
    ),
    "type": (
        "ALTER TABLE permissions ALTER permission_type TYPE int USING 1; DROP TYPE permission_type",
        "type-missing",
        "permission_type",
    ),
    "grant": ("REVOKE SELECT ON workflow FROM {role}", "relation-privilege-missing", "public.workflow"),
}


@pytest.mark.parametrize(("change", "code", "object_"), MISMATCHES.values(), ids=MISMATCHES.keys())
def test_mismatch_exits_3_and_is_named_everywhere(
    realtime: Database, tmp_path: Path, change: str, code: str, object_: str
) -> None:
    """The object stands in the last log line, the termination message and the JSON of check; there is no retry."""
    realtime.execute(change.format(role=realtime.role))
    environ = environ_for(realtime.url, write_contract(tmp_path))
    with running(tmp_path, environ) as sidecar:
        assert 3 == sidecar.wait()
    last = sidecar.lines[-1]
    assert ("exited", 3, "incompatible") == (last["event"], last["exit_code"], last["verdict"])
    assert (code, object_) in {(f["code"], f["object"]) for f in last["findings"]}
    message = sidecar.termination_log.read_text()
    assert message.startswith("incompatible: ")
    assert code in message
    assert 1 == len(sidecar.events("attempt decided"))
    assert not sidecar.events("attempt failed")

    checked = command("check", "--output", "json", environ=environ)
    assert 3 == checked.returncode
    result = json.loads(checked.stdout)
    assert (code, object_) in {(f["code"], f["object"]) for f in result["findings"]}
    if code.endswith("privilege-missing"):  # a privilege lost is told as that, not as a missing table
        assert "permission denied" in message
        assert "does not exist" not in message


def test_waits_grow_until_the_server_comes_up(own_server: EmbeddedPostgres, tmp_path: Path) -> None:
    """Server down: attempts with growing, jittered waits, answers all along; server up: ready."""
    own_server.start()
    database = prepare(own_server)
    own_server.stop()
    more = {"SIDECAR_BACKOFF_BASE_S": "0.1", "SIDECAR_BACKOFF_MAX_S": "2"}
    with running(tmp_path, environ_for(database.url, write_contract(tmp_path), **more)) as sidecar:
        sidecar.wait_for("attempt failed", 5)
        answer = sidecar.ask("/ready")
        assert 503 == answer.status
        assert answer.body.startswith("checking: attempt ")
        assert "connection refused" in answer.body
        assert 200 == sidecar.ask("/live").status
        own_server.start()
        sidecar.wait_for("ready")
        assert 200 == sidecar.ask("/ready").status
    waits = [line["retry_in_s"] for line in sidecar.events("attempt failed")]
    for number, wait in enumerate(waits):
        bound = min(2.0, 0.1 * 2**number)
        assert bound / 2 <= wait <= bound
    assert len(set(waits)) == len(waits)


def test_never_up_exits_4_within_the_deadline(tmp_path: Path) -> None:
    """Nothing there: exit 4 by the deadline, endpoints answering until then."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"postgresql://app:{PASSWORD}@127.0.0.1:{unused.getsockname()[1]}/app"
        environ = environ_for(url, write_contract(tmp_path), SIDECAR_DEADLINE_S="1.5")
        with running(tmp_path, environ) as sidecar:
            sidecar.wait_for("attempt failed")
            began = time.monotonic()
            assert 503 == sidecar.ask("/ready").status
            assert 4 == sidecar.wait()
            assert time.monotonic() - began < 5
    last = sidecar.lines[-1]
    assert (None, 4) == (last["verdict"], last["exit_code"])
    assert "connection refused" in last["reason"]
    assert sidecar.termination_log.read_text().startswith("no verdict: connection refused")
    assert sidecar.events("attempt failed")[-1]["retry_in_s"] is None


def test_max_attempts_bounds_the_preflight(tmp_path: Path) -> None:
    """With a bound on attempts, the last one is not followed by a wait."""
    environ = environ_for("postgresql://app@127.0.0.1:1/app", write_contract(tmp_path), SIDECAR_MAX_ATTEMPTS="2")
    with running(tmp_path, environ) as sidecar:
        assert 4 == sidecar.wait()
    assert [True, False] == [line["retry_in_s"] is not None for line in sidecar.events("attempt failed")]


def test_starting_server_is_waited_for(own_server: EmbeddedPostgres, tmp_path: Path) -> None:
    """A server that says "starting up" (57P03) is retried in those words, and ready follows when it is up."""
    own_server.start()
    database = prepare(own_server)
    own_server.stop()
    # A standby without hot_standby takes no connections, with the very answer of a server that is starting.
    standby = own_server.data / "standby.signal"
    standby.touch()
    standby.chmod(0o666)
    own_server.start(wait=False, hot_standby="off")
    with running(tmp_path, environ_for(database.url, write_contract(tmp_path))) as sidecar:
        deadline = time.monotonic() + 20
        while not any(line["sqlstate"] == "57P03" for line in sidecar.events("attempt failed")):
            assert time.monotonic() < deadline, sidecar.output
            time.sleep(0.02)
        assert "server is starting up" in sidecar.ask("/ready").body
        own_server.stop(signal.SIGINT)
        standby.unlink()
        own_server.start()
        sidecar.wait_for("ready")


def test_too_many_connections_are_waited_for(realtime: Database, tmp_path: Path) -> None:
    """53300 passes when connections become free."""
    realtime.execute(f"ALTER ROLE {realtime.role} CONNECTION LIMIT 0")
    with running(tmp_path, environ_for(realtime.url, write_contract(tmp_path))) as sidecar:
        assert "53300" == sidecar.wait_for("attempt failed")["sqlstate"]
        assert "too many connections" in sidecar.ask("/ready").body
        realtime.execute(f"ALTER ROLE {realtime.role} CONNECTION LIMIT -1")
        sidecar.wait_for("ready")


def test_black_hole_ends_each_attempt_in_time(tmp_path: Path) -> None:
    """A host that takes the connection and never answers costs an attempt its connect timeout, not the pod its life."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(16)
        environ = environ_for(
            f"postgresql://app:{PASSWORD}@127.0.0.1:{hole.getsockname()[1]}/app",
            write_contract(tmp_path),
            SIDECAR_CONNECT_TIMEOUT_S="0.3",
            SIDECAR_DEADLINE_S="2",
        )
        with running(tmp_path, environ) as sidecar:
            failed = sidecar.wait_for("attempt failed", 2)
            assert "connection timed out" == failed["reason"]
            assert failed["duration_s"] < 2
            assert 4 == sidecar.wait()


def test_held_lock_is_waited_for_and_named(realtime: Database, tmp_path: Path) -> None:
    """A migration's ACCESS EXCLUSIVE lock is told as such, and ready follows its release."""
    release = threading.Event()
    locked = threading.Event()
    thread = threading.Thread(target=_hold_lock, args=(realtime, locked, release))
    thread.start()
    try:
        assert locked.wait(20)
        environ = environ_for(realtime.url, write_contract(tmp_path), SIDECAR_LOCK_TIMEOUT_S="0.2")
        with running(tmp_path, environ) as sidecar:
            failed = sidecar.wait_for("attempt failed")
            assert ("55P03", "retry") == (failed["sqlstate"], failed["disposition"])
            assert "public.workflow" in failed["message"]
            assert "lock" in sidecar.ask("/ready").body
            release.set()
            sidecar.wait_for("ready")
    finally:
        release.set()
        thread.join()


def _hold_lock(database: Database, locked: threading.Event, release: threading.Event) -> None:
    async def hold() -> None:
        connection = await asyncpg.connect(database.server.url(database.name))
        async with connection.transaction():
            await connection.execute("LOCK TABLE workflow IN ACCESS EXCLUSIVE MODE")
            locked.set()
            await asyncio.to_thread(release.wait, 30)
        await connection.close()

    asyncio.run(hold())


REFUSALS: dict[str, tuple[Callable[[Database], str], str, str]] = {
    "wrong password": (
        lambda db: db.server.url(db.name, db.role, "wrong"),
        "28P01",
        "password authentication failed",
    ),
    "unknown database": (
        lambda db: db.server.url("nowhere", db.role, PASSWORD),
        "3D000",
        "database does not exist",
    ),
}


@pytest.mark.parametrize(("url", "sqlstate", "words"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refusal_exits_5_after_a_short_grace(
    realtime: Database, tmp_path: Path, url: Callable[[Database], str], sqlstate: str, words: str
) -> None:
    """A client that the database refuses tries again twice, for secrets rotate, and then says so."""
    with running(tmp_path, environ_for(url(realtime), write_contract(tmp_path))) as sidecar:
        assert 5 == sidecar.wait()
    failed = sidecar.events("attempt failed")
    assert 3 == len(failed)
    assert {sqlstate} == {line["sqlstate"] for line in failed}
    assert sidecar.termination_log.read_text().startswith(f"refused: {words}")


def test_rotated_password_is_picked_up_from_the_file(realtime: Database, tmp_path: Path) -> None:
    """The file is read again at every attempt, so that a rotation heals without a restart."""
    secret = tmp_path / "url"
    secret.write_text(realtime.server.url(realtime.name, realtime.role, "old-password") + "\n")
    environ = {"DATABASE_URL_FILE": str(secret), "SIDECAR_CONTRACT": write_contract(tmp_path)}
    environ |= {"SIDECAR_BACKOFF_BASE_S": "1", "SIDECAR_BACKOFF_MAX_S": "1"}
    with running(tmp_path, environ) as sidecar:
        sidecar.wait_for("attempt failed")
        secret.write_text(realtime.url)
        sidecar.wait_for("ready")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_before_a_verdict(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """Interrupted before a verdict is neither a pass nor a mismatch."""
    with running(tmp_path, environ_for("postgresql://app@127.0.0.1:1/app", write_contract(tmp_path))) as sidecar:
        sidecar.wait_for("attempt failed")
        sidecar.signal(number)
        assert code == sidecar.wait()
    last = sidecar.lines[-1]
    assert (None, code) == (last["verdict"], last["exit_code"])
    assert last["reason"].startswith("interrupted before a verdict: connection refused")
    assert sidecar.termination_log.read_text().startswith("interrupted before a verdict: connection refused")


def test_signal_during_a_hanging_attempt_is_answered_at_once(tmp_path: Path) -> None:
    """A hanging connect does not hold the shutdown up."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(16)
        url = f"postgresql://app@127.0.0.1:{hole.getsockname()[1]}/app"
        environ = environ_for(url, write_contract(tmp_path), SIDECAR_CONNECT_TIMEOUT_S="60")
        with running(tmp_path, environ) as sidecar:
            sidecar.wait_for("contract loaded")
            began = time.monotonic()
            sidecar.signal(signal.SIGTERM)
            assert 143 == sidecar.wait()
            assert time.monotonic() - began < 5


def test_drain_answers_503_for_its_time_and_a_second_signal_ends_it(realtime: Database, tmp_path: Path) -> None:
    """While draining, /ready is closed and /live open; nobody has to wait for the end of it."""
    environ = environ_for(realtime.url, write_contract(tmp_path), SIDECAR_DRAIN_S="60")
    with running(tmp_path, environ) as sidecar:
        sidecar.wait_for("ready")
        sidecar.signal(signal.SIGTERM)
        sidecar.wait_for("draining")
        answer = sidecar.ask("/ready")
        assert (503, "draining\n") == (answer.status, answer.body)
        assert 200 == sidecar.ask("/live").status
        sidecar.signal(signal.SIGTERM)
        assert 0 == sidecar.wait()


def test_outage_after_ready_changes_nothing(own_server: EmbeddedPostgres, tmp_path: Path) -> None:
    """The server is killed: a thousand times ready; it comes back: no connection and no statement of ours."""
    own_server.start()
    database = prepare(own_server)
    with running(tmp_path, environ_for(database.url, write_contract(tmp_path))) as sidecar:
        sidecar.wait_for("ready")
        own_server.stop(signal.SIGKILL)
        assert {200} == {sidecar.ask("/ready").status for _ in range(1000)}
        own_server.start(log_statement="all", log_connections="on")
        for path in ("/ready", "/live", "/metrics"):
            assert {200} == {sidecar.ask(path).status for _ in range(20)}
        assert 200 == sidecar.ask("/status", listener="admin").status
        log = (own_server.directory / "log").read_text()
        assert "connection received" not in log
        assert "statement: " not in log
        ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'schema-readiness-sidecar'"
        assert 0 == database.value(ours)


def test_contract_that_comes_later_is_waited_for(realtime: Database, tmp_path: Path) -> None:
    """An init container may bring the contract after the sidecar has started; not ready until then."""
    later = tmp_path / "later" / "contract.yaml"
    environ = environ_for(realtime.url, str(later), SIDECAR_CONTRACT_WAIT_S="30")
    with running(tmp_path, environ) as sidecar:
        sidecar.wait_for("listening")
        assert (503, "starting\n") == ((answer := sidecar.ask("/ready")).status, answer.body)
        later.parent.mkdir()
        later.write_text(CONTRACT[:100])  # half of it, as a copy under way
        later.write_text(CONTRACT)
        sidecar.wait_for("ready")


def test_contract_that_never_comes_exits_2_naming_the_path(tmp_path: Path) -> None:
    """The wait ends, and the last words name the path."""
    absent = str(tmp_path / "absent.yaml")
    with running(tmp_path, environ_for("postgresql://a@127.0.0.1/b", absent, SIDECAR_CONTRACT_WAIT_S="0.5")) as sidecar:
        assert 2 == sidecar.wait()
    assert absent in sidecar.termination_log.read_text()


def test_signal_while_the_contract_is_waited_for(tmp_path: Path) -> None:
    """A pod that is told to stop while its contract has not come goes at once."""
    absent = str(tmp_path / "absent.yaml")
    with running(tmp_path, environ_for("postgresql://a@127.0.0.1/b", absent, SIDECAR_CONTRACT_WAIT_S="60")) as sidecar:
        sidecar.wait_for("listening")
        sidecar.signal(signal.SIGTERM)
        assert 143 == sidecar.wait()


def test_migration_within_the_grace_opens_ready(realtime: Database, tmp_path: Path) -> None:
    """With a grace, a mismatch is looked at again and told meanwhile; the migration that mends it opens /ready."""
    realtime.execute("ALTER TABLE workflow RENAME color TO colour")
    environ = environ_for(
        realtime.url, write_contract(tmp_path), SIDECAR_MISMATCH_GRACE_S="60", SIDECAR_BACKOFF_MAX_S="1"
    )
    with running(tmp_path, environ) as sidecar:
        sidecar.wait_for("blocked")
        answer = sidecar.ask("/ready")
        assert 503 == answer.status
        assert answer.body.startswith(
            "blocked: column color of relation public.workflow does not exist; renamed to colour?"
        )
        assert "column-missing" in sidecar.ask("/status", listener="admin").body
        realtime.execute("ALTER TABLE workflow RENAME colour TO color")
        sidecar.wait_for("ready")
        assert 200 == sidecar.ask("/ready").status
        sidecar.signal(signal.SIGTERM)
        assert 0 == sidecar.wait()


def test_mismatch_that_outlasts_the_grace_exits_3(realtime: Database, tmp_path: Path) -> None:
    """The grace ends as it would have begun: exit 3, naming the object."""
    realtime.execute("ALTER TABLE workflow DROP COLUMN color")
    environ = environ_for(realtime.url, write_contract(tmp_path), SIDECAR_MISMATCH_GRACE_S="1.5")
    with running(tmp_path, environ) as sidecar:
        assert 3 == sidecar.wait()
    blocked = [line for line in sidecar.lines if line["event"] == "blocked"]
    assert 2 <= len(blocked)
    assert "incompatible" == sidecar.lines[-1]["verdict"]


def test_signal_during_the_grace(realtime: Database, tmp_path: Path) -> None:
    """A pod that is told to stop while it waits for a migration goes at once, and says what it waited for."""
    realtime.execute("ALTER TABLE workflow DROP COLUMN color")
    environ = environ_for(realtime.url, write_contract(tmp_path), SIDECAR_MISMATCH_GRACE_S="60")
    with running(tmp_path, environ) as sidecar:
        sidecar.wait_for("blocked")
        sidecar.signal(signal.SIGTERM)
        assert 143 == sidecar.wait()
    assert "public.workflow.color" in sidecar.lines[-1]["reason"] or "column color" in sidecar.lines[-1]["reason"]


def test_drift_after_ready_changes_nothing(realtime: Database, tmp_path: Path) -> None:
    """Ready is a latch: a column dropped later is found by a check on demand and closes nothing."""
    with running(tmp_path, environ_for(realtime.url, write_contract(tmp_path))) as sidecar:
        sidecar.wait_for("ready")
        realtime.execute("ALTER TABLE workflow DROP COLUMN color")
        headers = {"Accept": "application/json"}
        checked = sidecar.ask("/check", method="POST", listener="admin", headers=headers)
        assert 200 == checked.status
        assert "incompatible" == json.loads(checked.body)["verdict"]
        assert 200 == sidecar.ask("/ready").status
        assert json.loads(sidecar.ask("/status?format=json", listener="admin").body)["ready"]


def test_endpoints_and_methods(realtime: Database, tmp_path: Path) -> None:
    """GET, HEAD and OPTIONS work as load balancers expect; anything else is refused in words."""
    with running(tmp_path, environ_for(realtime.url, write_contract(tmp_path))) as sidecar:
        sidecar.wait_for("ready")
        assert (200, "") == (sidecar.ask("/ready", method="HEAD").status, sidecar.ask("/ready", method="HEAD").body)
        options = sidecar.ask("/ready", method="OPTIONS")
        assert (204, "GET, HEAD, OPTIONS") == (options.status, options.headers["Allow"])
        refused = sidecar.ask("/ready", method="POST")
        assert (405, "GET, HEAD, OPTIONS") == (refused.status, refused.headers["Allow"])
        assert 404 == sidecar.ask("/status").status, "the probe listener does not tell the whole state"
        assert 404 == sidecar.ask("/metrics", listener="admin").status
        text = sidecar.ask("/status", listener="admin").body
        assert text.startswith("ready since ")
        assert "realtime" in text
        plain = sidecar.ask("/metrics")
        assert plain.headers["Content-Type"].startswith("text/plain")
        assert "schema_preflight_ready 1.0" in plain.body
        assert 'schema_preflight_http_requests_total{code="404",listener="probe",method="GET",path="other"} 1.0' in (
            plain.body
        )
        openmetrics = sidecar.ask("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text")
        assert openmetrics.body.endswith("# EOF\n")


def test_the_admin_listener_answers_no_other_site(realtime: Database, tmp_path: Path) -> None:
    """A page in the browser of whoever forwarded the port can neither read the state nor make a check."""
    with running(tmp_path, environ_for(realtime.url, write_contract(tmp_path))) as sidecar:
        sidecar.wait_for("ready")
        port = sidecar.address("admin")[1]

        def asked(path: str, method: str, **headers: str) -> int:
            return sidecar.ask(path, method=method, listener="admin", headers=headers).status

        for host in ("evil.example", f"evil.example:{port}", f"localhost.evil.example:{port}", "10.0.0.7", "", ":9633"):
            assert (403, 403) == (asked("/status", "GET", Host=host), asked("/check", "POST", Host=host)), host
        for origin in ("http://evil.example", "null", f"http://localhost:{port + 1}", "http://localhost"):
            assert 403 == asked("/check", "POST", Host=f"localhost:{port}", Origin=origin), origin
        lines = sidecar.ask("/metrics").body.splitlines()
        assert {"0.0"} == {line.split()[-1] for line in lines if line.startswith("schema_preflight_drift_checks_total")}
        for host in (f"localhost:{port}", f"LOCALHOST:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "127.8.8.8"):
            assert 200 == asked("/status", "GET", Host=host), host
        assert 200 == asked("/check", "POST", Host=f"localhost:{port}", Origin=f"http://localhost:{port}")
        assert 200 == sidecar.ask("/ready", headers={"Host": "10.0.0.7:9632"}).status


def test_probe_command_tells_ready_from_not_ready(realtime: Database, tmp_path: Path) -> None:
    """probe exits 0 for 200 and 1 for anything else, over IPv4 and IPv6."""
    contract = write_contract(tmp_path)
    with running(tmp_path, environ_for(realtime.url, contract)) as sidecar:
        sidecar.wait_for("ready")
        port = sidecar.address("probe")[1]
        for listen in (f":{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
            done = command("probe", environ={"SIDECAR_LISTEN": listen})
            assert (0, "ready\n") == (done.returncode, done.stdout)
        assert 0 == command("probe", "live", "--listen", f":{port}").returncode
    with running(tmp_path, environ_for("postgresql://app@127.0.0.1:1/app", contract)) as sidecar:
        sidecar.wait_for("attempt failed")
        port = sidecar.address("probe")[1]
        done = command("probe", "--listen", f":{port}")
        assert 1 == done.returncode
        assert done.stdout.startswith("checking: ")
    assert 1 == command("probe", "--listen", f":{port}", "--timeout-s", "0.5").returncode


def test_port_in_use_exits_2_naming_it(tmp_path: Path) -> None:
    """A taken port is a misconfiguration, told with the variable and the port."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environ = environ_for("postgresql://app@127.0.0.1:1/app", write_contract(tmp_path))
        with running(tmp_path, environ | {"SIDECAR_LISTEN": f":{port}"}) as sidecar:
            assert 2 == sidecar.wait()
    assert "SIDECAR_LISTEN" in sidecar.lines[-1]["reason"]
    assert f"{port}: the port is already in use" in sidecar.lines[-1]["reason"]


def test_no_secret_in_anything_written(realtime: Database, tmp_path: Path) -> None:
    """Whatever fails, the password stands nowhere: log, pages, metrics, termination message, command output."""
    contract = write_contract(tmp_path)
    urls = [
        realtime.url,
        realtime.server.url("nowhere", realtime.role, PASSWORD),
        realtime.server.url(realtime.name, "nobody", PASSWORD),
        f"postgresql://app:{PASSWORD}@127.0.0.1:1/app",
        f"postgresql://app:{PASSWORD}@no.such.host.invalid/app",
        f"postgresql://app:{PASSWORD}@127.0.0.1:port/app",
        f"postgresql://app:{PASSWORD}/x@127.0.0.1/app",
        f"postgresql://app:{PASSWORD}#x@127.0.0.1/app",
        f"postgresql://app:{PASSWORD}@127.0.0.1/app?unknown={PASSWORD}",
        f"mysql://app:{PASSWORD}@127.0.0.1/app",
        f"host=127.0.0.1 password={PASSWORD} port",
    ]
    for url in urls:
        environ = environ_for(url, contract, SIDECAR_MAX_ATTEMPTS="2", SIDECAR_LOG_LEVEL="debug")
        with running(tmp_path, environ) as sidecar:
            if url == realtime.url:
                sidecar.wait_for("ready")
                pages = [sidecar.ask("/metrics").body, sidecar.ask("/status?format=json", listener="admin").body]
                assert PASSWORD not in "".join(pages)
                sidecar.signal(signal.SIGTERM)
            sidecar.wait()
        assert PASSWORD not in sidecar.everything_written(), url
        assert "Traceback" not in sidecar.everything_written(), url
        checked = command("check", environ=environ)
        assert PASSWORD not in checked.stdout + checked.stderr, url
        assert "Traceback" not in checked.stdout + checked.stderr, url


def test_one_check_at_a_time_and_none_during_the_preflight(realtime: Database, tmp_path: Path) -> None:
    """POST /check is refused while an attempt is under way, in words."""
    release, locked = threading.Event(), threading.Event()
    environ = environ_for(
        realtime.url, write_contract(tmp_path), SIDECAR_LOCK_TIMEOUT_S="20", SIDECAR_STATEMENT_TIMEOUT_S="30"
    )
    with running(tmp_path, environ) as sidecar:
        sidecar.wait_for("ready")
        holder = threading.Thread(target=_hold_lock, args=(realtime, locked, release))
        holder.start()
        answers: list[Answer] = []
        first = threading.Thread(target=lambda: answers.append(sidecar.ask("/check", method="POST", listener="admin")))
        try:
            assert locked.wait(20)
            first.start()
            deadline = time.monotonic() + 20
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename <> current_user"
            while not realtime.value(waiting):
                assert time.monotonic() < deadline
            second = sidecar.ask("/check", method="POST", listener="admin")
            assert (409, "another check is under way\n") == (second.status, second.body)
        finally:
            release.set()
            holder.join()
            first.join()
        assert 200 == answers[0].status
        assert 200 == sidecar.ask("/ready").status
    with running(tmp_path, environ_for("postgresql://app@127.0.0.1:1/app", write_contract(tmp_path))) as sidecar:
        sidecar.wait_for("attempt failed")
        refused = sidecar.ask("/check", method="POST", listener="admin")
        assert (409, "the preflight is under way; see /status\n") == (refused.status, refused.body)


def test_bug_exits_1_without_a_traceback(realtime: Database, tmp_path: Path) -> None:
    """An error that nobody expected is told with its place, and its text, which could hold anything, is not."""
    script = (
        "import sys, sidecar.attempt\n"
        "def broken(*_):\n    raise RuntimeError('canary-in-a-bug')\n"
        "sidecar.attempt.compare = broken\n"
        "from sidecar.cli import main\nsys.exit(main(['serve']))"
    )
    environ = environ_for(realtime.url, write_contract(tmp_path))
    with running(tmp_path, environ, ("-c", script)) as sidecar:
        assert 1 == sidecar.wait()
    assert "bug: RuntimeError in __main__:3; please report it" == sidecar.lines[-1]["reason"]
    assert sidecar.termination_log.read_text().startswith("bug: RuntimeError")
    assert "canary-in-a-bug" not in sidecar.everything_written()
    assert "Traceback" not in sidecar.everything_written()


def test_closed_log_changes_nothing(realtime: Database, tmp_path: Path) -> None:
    """Nobody reads the log any more: the daemon becomes ready, stays so and ends with 0 all the same."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    environ = environ_for(realtime.url, write_contract(tmp_path), SIDECAR_LISTEN=f"127.0.0.1:{port}")
    with running(tmp_path, environ, read=False) as sidecar:
        assert sidecar.process.stderr is not None
        sidecar.process.stderr.close()
        deadline = time.monotonic() + 20
        while command("probe", "--listen", f":{port}").returncode != 0:
            assert time.monotonic() < deadline
        sidecar.signal(signal.SIGTERM)
        assert 0 == sidecar.process.wait(20)
