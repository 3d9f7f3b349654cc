"""Proves what the image promises, with real containers and a real PostgreSQL. Started by run.sh, which builds it."""

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from sidecar.commands.demo import SCHEMA
from sidecar.embedded import EmbeddedPostgres, embedded_postgres
from sidecar.report import TERMINATION_MESSAGE_BYTES, ExitCode

CONTRACT = Path(__file__).parents[2] / "k8s" / "base" / "contract.yaml"
WAIT_S = 30.0
STOP_WITHIN_S = 1.0
USER = 65532

HARDENED = (
    # What Pod Security "restricted" and the manifests ask for; there a read-only root has no writable /tmp either.
    *("--read-only", "--read-only-tmpfs=false", "--user", f"{USER}:{USER}", "--cap-drop=ALL"),
    *("--security-opt", "no-new-privileges", "--memory", "64m", "--pids-limit", "64", "--network", "host"),
)

INVENTORY = """
INSTALLERS = ("pip", "ensurepip", "setuptools", "pkg_resources", "wheel")
TOOLS = ("pip", "pip3", "cc", "gcc", "c++", "g++", "clang", "tcc", "ld", "as", "make")

import importlib.util, json, os, shutil, stat, sys
import sidecar.daemon
from sidecar.commands import check, probe, serve

def writable(root):
    device = os.stat(root).st_dev
    for directory, names, files in os.walk(root):
        # A directory of another device is a mount, such as /proc. World-writable and sticky are /tmp and its like.
        names[:] = [name for name in names if os.lstat(os.path.join(directory, name)).st_dev == device]
        for name in (*names, *files):
            path = os.path.join(directory, name)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode) or stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
                continue
            if os.access(path, os.W_OK) or status.st_uid == os.getuid():
                yield path

compiled = [path for module in list(sys.modules.values()) if (path := getattr(module, "__cached__", None))]
print(json.dumps({
    "user": os.getuid(),
    "installers": [n for n in INSTALLERS if importlib.util.find_spec(n)],
    "tools": [n for n in TOOLS if shutil.which(n)],
    "leftovers": [p for p in ("/build", "/etc/pip.conf") if os.path.exists(p)],
    "writable": sorted(writable("/")),
    "uncompiled": [path for path in compiled if not os.path.exists(path)],
}))
"""


def main(image: str) -> None:
    """Prove everything, one line each; an AssertionError tells what does not hold."""
    the_image_says_how_it_runs(image)
    the_image_holds_no_more_than_it_needs(image)
    with tempfile.TemporaryDirectory(prefix="sidecar-image-") as text, embedded_postgres() as server:
        Path(text).chmod(0o755)
        waits_for_a_database_and_stops_when_told(image, Path(text), server)
        server.start()
        password = server.password[::-1]
        execute(server, SCHEMA.format(password=password))
        with running(image, Path(text), server, "ready") as container:
            becomes_ready(container)
            answers_probes(container)
            execute(server, "ALTER TABLE workflow DROP COLUMN color")
            stays_ready_and_stops_cleanly(container)
        refuses_a_schema_that_lacks_a_column(image, Path(text), server)
    size = int(inspect("image", image)["Size"])
    layers = len(inspect("image", image)["RootFS"]["Layers"])
    print(f"image size: {size / 1e6:.0f} MB in {layers} layers")


def the_image_says_how_it_runs(image: str) -> None:
    described = inspect("image", image)
    config, health_check = described["Config"], described["Healthcheck"]
    assert config["User"] == f"{USER}:{USER}", config["User"]
    assert config["Entrypoint"] == ["python3", "-m", "sidecar"], config["Entrypoint"]
    assert config["Cmd"] == ["serve"], config["Cmd"]
    assert health_check["Test"] == ["CMD", "python3", "-m", "sidecar", "probe"], health_check
    assert list(config["ExposedPorts"]) == ["9632/tcp"], config["ExposedPorts"]
    version = podman("run", "--rm", "--no-healthcheck", "--network", "none", image, "--version").stdout.strip()
    assert version == f"sidecar {config['Labels']['org.opencontainers.image.version']}", version
    passed("user, entry point, health check, port and label are set", version)


def the_image_holds_no_more_than_it_needs(image: str) -> None:
    looking = ("run", "--rm", "--no-healthcheck", "--network", "none", "--entrypoint", "python3", image)
    found = json.loads(podman(*looking, "-c", INVENTORY).stdout)
    expected = {"user": USER, "installers": [], "tools": [], "leftovers": [], "writable": [], "uncompiled": []}
    assert found == expected, json.dumps(found, indent=2)
    passed("no installer, no compiler, no file the user may write, and byte-code for every module")


def waits_for_a_database_and_stops_when_told(image: str, directory: Path, server: EmbeddedPostgres) -> None:
    with running(image, directory, server, "waiting") as container:
        line = container.wait_for("/ready", 503, "connection refused")
        assert container.get("/live") == (200, "live")
        assert podman("healthcheck", "run", container.id, check=False).returncode != 0
        code, took_s = container.stop()
    assert code == ExitCode.TERMINATED, code
    assert took_s < STOP_WITHIN_S, took_s
    passed("answers while the database is away; SIGTERM ends it", f"{line}; exit {code} after {took_s * 1000:.0f} ms")


def becomes_ready(container: "Container") -> None:
    container.wait_for("/ready", 200, "ready")
    process = container.process()
    assert process["Uid"].split()[0] == str(USER), process["Uid"]
    assert int(process["CapEff"], 16) == 0, process["CapEff"]
    assert process["NoNewPrivs"] == "1", process["NoNewPrivs"]
    after_ms, rss_mib = container.ready_after_s() * 1000, int(process["VmRSS"].split()[0]) / 1024
    passed("becomes ready, hardened and in 64 MiB", f"{after_ms:.0f} ms after its start, RSS {rss_mib:.1f} MiB")


def answers_probes(container: "Container") -> None:
    podman("healthcheck", "run", container.id)
    for probe in (("probe",), ("probe", "live")):
        assert podman("exec", container.id, "python3", "-m", "sidecar", *probe).stdout.strip() in ("ready", "live")
    checked = podman("exec", container.id, "python3", "-m", "sidecar", "check").stdout
    assert checked.startswith("compatible"), checked
    passed("the health check, and probe and check in the running container, pass")


def stays_ready_and_stops_cleanly(container: "Container") -> None:
    assert container.get("/ready") == (200, "ready")
    code, took_s = container.stop()
    assert code == ExitCode.OK, code
    assert took_s < STOP_WITHIN_S, took_s
    assert not container.state()["OOMKilled"]
    passed("a later migration does not take ready back; SIGTERM ends it", f"exit {code} after {took_s * 1000:.0f} ms")


def refuses_a_schema_that_lacks_a_column(image: str, directory: Path, server: EmbeddedPostgres) -> None:
    with running(image, directory, server, "dropped") as container:
        code = int(podman("wait", container.id).stdout)
        message = container.termination_log.read_text()
    assert code == ExitCode.INCOMPATIBLE, code
    first = message.splitlines()[0]
    assert first.startswith("incompatible: "), message
    assert "workflow" in first, message
    assert "color" in first, message
    assert len(message.encode()) <= TERMINATION_MESSAGE_BYTES
    passed("a dropped column is refused, and named in the termination message", f"exit {code}; {first}")


class Container:
    """A container that was started. Made by ``running``."""

    def __init__(self, id_: str, port: int, termination_log: Path) -> None:
        self.id = id_
        self.termination_log = termination_log
        self._port = port

    def state(self) -> dict[str, Any]:
        """Return what podman knows of it."""
        state: dict[str, Any] = inspect("container", self.id)["State"]
        return state

    def get(self, path: str) -> tuple[int, str]:
        """Ask its probe listener; (0, reason) where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode().strip()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode().strip()
        except OSError as error:
            return 0, str(error)

    def wait_for(self, path: str, status: int, words: str) -> str:
        """Ask until the answer has that status and those words, and return its text."""
        deadline = time.monotonic() + WAIT_S
        while True:
            answer = self.get(path)
            if answer[0] == status and words in answer[1]:
                return answer[1]
            assert time.monotonic() < deadline, f"still {answer} after {WAIT_S:.0f} s"
            time.sleep(0.02)

    def process(self) -> dict[str, str]:
        """Return the fields of its process's ``/proc/PID/status``."""
        lines = Path(f"/proc/{self.state()['Pid']}/status").read_text().splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def ready_after_s(self) -> float:
        """Return how long after the start of its process it logged that it is ready."""
        lines = [json.loads(line) for line in podman("logs", self.id).stderr.splitlines()]
        (ready,) = (line["timestamp"] for line in lines if line["event"] == "ready")
        return (moment(ready) - moment(self.state()["StartedAt"])).total_seconds()

    def stop(self) -> tuple[int, float]:
        """Send SIGTERM and return the exit code and the seconds until the process was gone."""
        process = os.pidfd_open(self.state()["Pid"])
        try:
            began = time.monotonic()
            podman("kill", "--signal", "TERM", self.id)
            ended = select.poll()
            ended.register(process, select.POLLIN)
            assert ended.poll(WAIT_S * 1000), "the process does not end"
            took_s = time.monotonic() - began
        finally:
            os.close(process)
        return int(podman("wait", self.id).stdout), took_s


@contextlib.contextmanager
def running(image: str, directory: Path, server: EmbeddedPostgres, name: str) -> Iterator[Container]:
    """Start the sidecar as a pod would, and remove it afterwards; where a promise is broken, show its log."""
    contract = directory / "contract.yaml"
    contract.write_bytes(CONTRACT.read_bytes())
    contract.chmod(0o644)
    # The kubelet makes this file, empty and writable by any user, before it starts a container.
    termination_log = directory / f"{name}.termination-log"
    termination_log.touch()
    termination_log.chmod(0o666)
    port, admin_port = free_ports(2)
    mounts = ("-v", f"{contract}:/etc/sidecar/contract.yaml:ro", "-v", f"{termination_log}:/dev/termination-log")
    environment = {
        "DATABASE_URL": server.url(user="realtime", password=server.password[::-1]),
        "SIDECAR_CONTRACT": "/etc/sidecar/contract.yaml",
        "SIDECAR_LISTEN": f":{port}",
        "SIDECAR_ADMIN_LISTEN": f"127.0.0.1:{admin_port}",
    }
    variables = [word for key, value in environment.items() for word in ("-e", f"{key}={value}")]
    id_ = podman("create", *HARDENED, *mounts, *variables, image, "serve").stdout.strip()
    try:
        podman("start", id_)
        yield Container(id_, port, termination_log)
    except BaseException:
        print(podman("logs", id_, check=False).stderr, file=sys.stderr)
        raise
    finally:
        podman("rm", "--force", "--time", "0", id_)


def podman(*arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run podman; without systemd it complains of health check timers on standard error, which is kept for failures."""
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False)
    told = f"podman {arguments[0]}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    assert not check or done.returncode == 0, told
    return done


def inspect(kind: str, name: str) -> dict[str, Any]:
    """Return what podman knows of a container or an image."""
    (found,) = json.loads(podman(kind, "inspect", name).stdout)
    return dict(found)


def execute(server: EmbeddedPostgres, script: str) -> None:
    """Run SQL as the superuser."""

    async def run() -> None:
        connection = await asyncpg.connect(server.url())
        try:
            await connection.execute(script)
        finally:
            await connection.close()

    asyncio.run(run())


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def moment(text: str) -> datetime:
    """Read RFC 3339, of which Python 3.11 takes no more than six digits of a second."""
    whole, _, rest = text.partition(".")
    digits = rest.rstrip("Z").partition("+")[0].partition("-")[0]
    zone = rest[len(digits) :].replace("Z", "+00:00")
    return datetime.fromisoformat(f"{whole}.{digits[:6]:0<6}{zone}")


def passed(promise: str, detail: str = "") -> None:
    """Tell that a promise holds."""
    print(f"ok: {promise}{f' ({detail})' if detail else ''}", flush=True)


if __name__ == "__main__":
    # An interrupted run cleans up too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    main(sys.argv[1])
