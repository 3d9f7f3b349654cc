"""check, the command line, and bad input: every mistake is told with its place and exit code 2."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PASSWORD, Database
from tests.integration.process import WITHIN_S, command, heed_interrupts, running
from tests.integration.schemas import CONTRACT, SCHEMA, write_contract

URL = f"postgresql://app:{PASSWORD}@127.0.0.1:1/app"


@pytest.fixture
def realtime(database: Database) -> Database:
    database.execute(SCHEMA.format(role=database.role))
    return database


def test_check_passes_with_0_and_reads_well(realtime: Database, tmp_path: Path) -> None:
    """A pass is one short text on standard output, without colour when nobody looks."""
    done = command("check", environ={"DATABASE_URL": realtime.url, "SIDECAR_CONTRACT": write_contract(tmp_path)})
    assert 0 == done.returncode
    assert re.fullmatch(r"attempt 1: \d+\.\d{3} s, verdict\n", done.stderr)
    assert done.stdout.startswith("compatible: the database carries everything that contract realtime names\n")
    assert "\x1b" not in done.stdout


def test_check_shows_a_line_an_attempt(tmp_path: Path) -> None:
    """Failed attempts go to standard error as they happen; the result says what it was in the end."""
    environ = {"DATABASE_URL": URL, "SIDECAR_CONTRACT": write_contract(tmp_path), "SIDECAR_BACKOFF_BASE_S": "0.05"}
    done = command("check", "--max-attempts", "3", environ=environ)
    assert 4 == done.returncode
    lines = done.stderr.splitlines()
    assert 3 == len(lines)
    assert re.match(r"attempt 1: \d+\.\d{3} s, connection refused", lines[0])
    assert "next in" in lines[0]
    assert "next in" not in lines[2]
    assert done.stdout.startswith("no verdict: connection refused")


def test_check_json_is_one_document_whatever_happens(realtime: Database, tmp_path: Path) -> None:
    """Pipelines can parse standard output for a pass, no verdict and a misconfiguration alike."""
    contract = write_contract(tmp_path)
    cases = [
        ({"DATABASE_URL": realtime.url, "SIDECAR_CONTRACT": contract}, 0, "compatible"),
        ({"DATABASE_URL": URL, "SIDECAR_CONTRACT": contract, "SIDECAR_MAX_ATTEMPTS": "1"}, 4, "no verdict"),
        ({"DATABASE_URL": URL, "SIDECAR_CONTRACT": contract, "SIDECAR_STRICT": "perhaps"}, 2, "misconfigured"),
    ]
    for environ, code, outcome in cases:
        done = command("check", "--output", "json", environ=environ)
        result = json.loads(done.stdout)
        assert (code, code, outcome) == (done.returncode, result["exit_code"], result["outcome"])


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("1", False), ("", True)])
def test_colour_on_a_terminal_unless_no_color(
    realtime: Database, tmp_path: Path, no_color: str | None, coloured: bool
) -> None:
    """A terminal gets colour; NO_COLOR with any value turns it off (no-color.org)."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SIDECAR_", "NO_COLOR"))}
    environ |= {"DATABASE_URL": realtime.url, "SIDECAR_CONTRACT": write_contract(tmp_path)}
    if no_color is not None:
        environ["NO_COLOR"] = no_color
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sidecar", "check"], env=environ, stdout=theirs, timeout=WITHIN_S, check=False
        )
        output = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert 0 == done.returncode
    assert coloured == ("\x1b[32m" in output)


def test_bug_in_check_exits_1_without_a_traceback(realtime: Database, tmp_path: Path) -> None:
    """An error that nobody expected is told with its place alone, by check as by serve."""
    script = (
        "import sys, sidecar.attempt\n"
        "def broken(*_):\n    raise RuntimeError('canary-in-a-bug')\n"
        "sidecar.attempt.compare = broken\n"
        "from sidecar.cli import main\nsys.exit(main(['check']))"
    )
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SIDECAR_")}
    environ |= {"DATABASE_URL": realtime.url, "SIDECAR_CONTRACT": write_contract(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert (1, "") == (done.returncode, done.stdout)
    assert "bug: RuntimeError in __main__:3; please report it\n" == done.stderr


def test_ignored_keys_of_the_url_get_a_debug_line(realtime: Database, tmp_path: Path) -> None:
    """What another client's tuning keys were dropped can be seen where somebody looks for it."""
    environ = {"DATABASE_URL": f"{realtime.url}?pgbouncer=true&connection_limit=5", "SIDECAR_LOG_LEVEL": "debug"}
    with running(tmp_path, environ | {"SIDECAR_CONTRACT": write_contract(tmp_path)}) as sidecar:
        line = sidecar.wait_for("keys of the database URL ignored")
    assert ("debug", ["pgbouncer", "connection_limit"]) == (line["level"], line["keys"])


def test_check_into_a_closed_pipe_keeps_its_exit_code(tmp_path: Path) -> None:
    """Nobody reads the result to its end: the exit code still tells it, and there is no traceback."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SIDECAR_")}
    environ |= {"DATABASE_URL": URL, "SIDECAR_CONTRACT": write_contract(tmp_path), "SIDECAR_MAX_ATTEMPTS": "1"}
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sidecar", "check"],
            env=environ,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
    finally:
        os.close(writing)
    assert 4 == done.returncode
    assert ["attempt 1"] == [line.partition(":")[0] for line in done.stderr.splitlines()]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_check_can_be_interrupted(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """A signal ends check at once, with the shell's exit code and no traceback."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SIDECAR_")}
    environ |= {"DATABASE_URL": URL, "SIDECAR_CONTRACT": write_contract(tmp_path), "SIDECAR_BACKOFF_BASE_S": "5"}
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "sidecar", "check"], env=environ, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("attempt 1")
        process.send_signal(number)
        began = time.monotonic()
        rest = process.stderr.read()
        assert code == process.wait(WITHIN_S)
        assert time.monotonic() - began < 5
    assert "interrupted before a verdict\n" == rest


BAD_CONTRACTS = {
    "broken YAML": ("contract: 1\nrelations: {a: b: c}\n", "line 2: not valid YAML"),
    "unknown key": ("contract: 1\nrelation: {}\n", "line 2: relation: unknown key; did you mean relations?"),
    "wrong type": ("contract: 1\nrelations:\n  w: {columns: 5}\n", "line 3: relations.w.columns: expected a mapping"),
    "unsupported version": ("contract: 2\n", "line 1: contract: version '2' is not supported"),
    "empty file": ("", "the file is empty"),
    "empty contract": ("contract: 1\n", "the contract is empty"),
    "duplicate relation": (
        "contract: 1\nrelations:\n  w: {columns: {a: int}}\n  w: {columns: {b: int}}\n",
        "line 4: relations.w: this key stands there twice",
    ),
    "duplicate relation in JSON": (
        '{"contract": 1,\n "relations": {"w": {},\n "w": {}}}',
        "line 3: relations.w: this key stands there twice",
    ),
    "two statements": (
        "contract: 1\nqueries:\n  q: SELECT 1; DROP TABLE w\n",
        "line 3: queries.q: there is more than one statement",
    ),
}


@pytest.mark.parametrize(("text", "words"), BAD_CONTRACTS.values(), ids=BAD_CONTRACTS.keys())
def test_bad_contract_exits_2_naming_the_place(tmp_path: Path, text: str, words: str) -> None:
    """serve and check refuse a bad contract alike, with its path, line and key."""
    path = write_contract(tmp_path, text)
    environ = {"DATABASE_URL": URL, "SIDECAR_CONTRACT": path}
    done = command("check", environ=environ)
    assert 2 == done.returncode
    assert f"{path}: " in done.stdout
    assert words in done.stdout
    with running(tmp_path, environ) as sidecar:
        assert 2 == sidecar.wait()
    assert words in " ".join(sidecar.lines[-1]["problems"])
    assert words in sidecar.termination_log.read_text()


BAD_SETTINGS = {
    "no contract": ({"SIDECAR_CONTRACT": ""}, "SIDECAR_CONTRACT: no contract"),
    "contract missing": ({"SIDECAR_CONTRACT": "/nowhere/contract.yaml"}, "/nowhere/contract.yaml: there is no such"),
    "contract is a directory": ({"SIDECAR_CONTRACT": "/"}, "/: this is a directory"),
    "no database": ({"DATABASE_URL": ""}, "no database: set DATABASE_URL"),
    "unparsable URL": ({"DATABASE_URL": "postgresql://u:p@ss/word@h/db"}, "percent-encode it"),
    "unknown URL key": ({"DATABASE_URL": f"{URL}?sslmod=require"}, "the unknown key 'sslmod'"),
    "URL and file": ({"DATABASE_URL_FILE": "/x"}, "DATABASE_URL and DATABASE_URL_FILE are both set"),
    "URL file missing": (
        {"DATABASE_URL": "", "DATABASE_URL_FILE": "/nowhere/url"},
        "DATABASE_URL_FILE: /nowhere/url: no such file",
    ),
    "bad duration": ({"SIDECAR_DEADLINE_S": "2m"}, "SIDECAR_DEADLINE_S: '2m' is not a number of seconds"),
    "bad address": ({"SIDECAR_LISTEN": "everywhere"}, "SIDECAR_LISTEN: 'everywhere' is not an address"),
    "admin beyond loopback": ({"SIDECAR_ADMIN_LISTEN": ":9633"}, "SIDECAR_ADMIN_LISTEN: must be a loopback address"),
}


@pytest.mark.parametrize(("change", "words"), BAD_SETTINGS.values(), ids=BAD_SETTINGS.keys())
def test_bad_setting_exits_2_naming_it(tmp_path: Path, change: dict[str, str], words: str) -> None:
    """serve refuses each bad setting by name, in the last log line and the termination message."""
    environ = {"DATABASE_URL": URL, "SIDECAR_CONTRACT": write_contract(tmp_path)} | change
    with running(tmp_path, environ) as sidecar:
        assert 2 == sidecar.wait()
    assert words in " ".join(sidecar.lines[-1]["problems"])
    assert words in sidecar.termination_log.read_text()


def test_unreadable_contract_exits_2(tmp_path: Path) -> None:
    """A contract that this user may not read is told as that."""
    path = Path(write_contract(tmp_path, CONTRACT))
    path.chmod(0)
    tmp_path.chmod(0o755)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SIDECAR_")}
    environ |= {"DATABASE_URL": URL, "SIDECAR_CONTRACT": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    script = (
        "import os, sys\nfrom sidecar.commands import check, shared\nfrom sidecar.cli import main\n"
        "if os.geteuid() == 0:\n    os.setgid(65534); os.setuid(65534)\nsys.exit(main(['check']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert 2 == done.returncode, done.stderr
    assert "may not be read by this user" in done.stdout


def test_several_wrong_settings_are_all_told_at_once(tmp_path: Path) -> None:
    """One run shows every mistake, whether in a variable or a flag."""
    environ = {
        "SIDECAR_DEADLINE_S": "-1",
        "SIDECAR_MAX_ATTEMPTS": "many",
        "SIDECAR_LOG_LEVEL": "loud",
        "DATABASE_URL": "nonsense",
    }
    done = command("serve", "--lock-timeout-s", "soon", environ=environ)
    assert 2 == done.returncode
    problems = json.loads(done.stderr)["problems"]
    named = " ".join(problems)
    for name in (*environ, "--lock-timeout-s", "SIDECAR_CONTRACT"):
        assert name in named
    assert 6 == len(problems)


def test_mistyped_variable_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    """SIDECAR_DEADLIN_S would otherwise go unnoticed; Kubernetes' own SIDECAR_SERVICE_HOST is left alone."""
    environ = {
        "DATABASE_URL": URL,
        "SIDECAR_CONTRACT": write_contract(tmp_path),
        "SIDECAR_MAX_ATTEMPTS": "1",
        "SIDECAR_DEADLIN_S": "5",
        "SIDECAR_SERVICE_HOST": "10.0.0.1",
        "SIDECAR_PORT_9632_TCP": "tcp://10.0.0.1:9632",
    }
    with running(tmp_path, environ) as sidecar:
        sidecar.wait()
    ignored = [line["variable"] for line in sidecar.events("unknown variable ignored")]
    assert ["SIDECAR_DEADLIN_S (did you mean SIDECAR_DEADLINE_S?)"] == ignored


@pytest.mark.parametrize("arguments", [(), ("bogus",), ("serve", "--bogus"), ("probe", "elsewhere")])
def test_wrong_usage_exits_2_without_a_traceback(arguments: tuple[str, ...]) -> None:
    """A wrong command line is answered with the usage."""
    done = command(*arguments)
    assert 2 == done.returncode
    assert "usage: sidecar" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_and_version_name_what_there_is() -> None:
    """--help lists the commands; serve --help every setting with its variable."""
    assert "sidecar 0." in command("--version").stdout
    listed = command("--help").stdout
    for name in ("serve", "check", "probe", "demo"):
        assert name in listed
    assert "SIDECAR_DEADLINE_S" in command("serve", "--help").stdout


def test_demo_replays_the_incident() -> None:
    """The demo ends with 0 only if the old pod stayed ready and the new one was refused for workflow.color."""
    done = command("demo")
    assert 0 == done.returncode, done.stderr
    for words in ("HTTP/1.1 503", "connection refused", "HTTP/1.1 200 OK", "exit code 3", "column color of relation"):
        assert words in done.stdout


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder near the root: a Unix socket's path has at most 107 bytes, and pytest's folders lie deep."""
    with tempfile.TemporaryDirectory() as text:
        Path(text).chmod(0o755)
        yield Path(text)


def test_demo_cleans_up_when_interrupted(short_path: Path) -> None:
    """Ctrl-C leaves neither a server nor files behind."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SIDECAR_")} | {"TMPDIR": str(short_path)}
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "sidecar", "demo"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - no thread runs here
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("HTTP/1.1 200"):
                break
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=WITHIN_S)
    assert (130, "\ninterrupted; everything is cleaned up\n") == (process.returncode, complaint)
    assert [] == list(short_path.iterdir())
    remaining = subprocess.run(["pgrep", "-f", str(short_path)], capture_output=True, text=True, check=False)
    assert "" == remaining.stdout
