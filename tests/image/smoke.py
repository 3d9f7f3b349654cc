"""Proves what the image promises, with real containers, a real PostgreSQL and no shell. Started by run.sh."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from sidecar import logs
from sidecar.commands.demo import SCHEMA
from sidecar.embedded import EmbeddedPostgres, embedded_postgres
from sidecar.report import TERMINATION_MESSAGE_BYTES, ExitCode
from tests.image.containers import Container, inspect, moment, passed, podman, started

CONTRACT = Path(__file__).parents[2] / "k8s" / "example" / "realtime" / "contract.json"
STOP_WITHIN_S = 1.0
USER = 65532
CANNOT_RUN, NOT_FOUND = 126, 127

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

SHELLS = """
import json, os, shutil
found = map(shutil.which, ("sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox", "toybox"))
print(json.dumps(sorted({os.path.realpath(shell) for shell in found if shell})))
"""


class Bench:
    """What every container here has in common."""

    def __init__(self, image: str, directory: Path, server: EmbeddedPostgres) -> None:
        self.directory = directory
        self.server = server
        self.password = server.password[::-1]
        self.shells: list[str] = json.loads(look_into(image, SHELLS))
        self._image = image
        self._contract = directory / "contract.json"
        self._contract.write_bytes(CONTRACT.read_bytes())
        self._contract.chmod(0o644)
        self._nothing = directory / "nothing"
        self._nothing.touch(mode=0o644)

    @contextlib.contextmanager
    def running(self, name: str) -> Iterator[Container]:
        """Start the sidecar as a pod would, but for the shells: an empty file that nobody may run hides each."""
        port, admin_port = free_ports(2)
        environment = {
            "DATABASE_URL": self.server.url(user="realtime", password=self.password),
            "SIDECAR_CONTRACT": "/etc/sidecar/contract.json",
            "SIDECAR_LISTEN": f":{port}",
            "SIDECAR_ADMIN_LISTEN": f"127.0.0.1:{admin_port}",
        }
        mounts = [f"{self._contract}:/etc/sidecar/contract.json:ro"]
        mounts += [f"{self._nothing}:{shell}:ro" for shell in self.shells]
        options = [*HARDENED, *(word for key, value in environment.items() for word in ("-e", f"{key}={value}"))]
        options += [word for mount in mounts for word in ("-v", mount)]
        log = self.directory / f"{name}.termination-log"
        with started(self._image, options, ["serve"], address=("127.0.0.1", port), termination_log=log) as container:
            yield container


def main(image: str) -> None:
    """Prove everything, one line each; an AssertionError tells what does not hold."""
    the_image_says_how_it_runs(image)
    the_image_holds_no_more_than_it_needs(image)
    with tempfile.TemporaryDirectory(prefix="sidecar-image-") as text, embedded_postgres() as server:
        Path(text).chmod(0o755)
        bench = Bench(image, Path(text), server)
        waits_for_a_database_and_stops_when_told(bench)
        server.start()
        execute(server, SCHEMA.format(password=bench.password))
        with bench.running("ready") as container:
            no_shell_can_run(container, bench.shells)
            becomes_ready(container)
            answers_probes(container)
            execute(server, "ALTER TABLE workflow DROP COLUMN color")
            stays_ready_and_stops_cleanly(container)
        refuses_a_schema_that_lacks_a_column(bench)


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
    found = json.loads(look_into(image, INVENTORY))
    expected = {"user": USER, "installers": [], "tools": [], "leftovers": [], "writable": [], "uncompiled": []}
    assert found == expected, json.dumps(found, indent=2)
    passed("no installer, no compiler, no file the user may write, and byte-code for every module")


def waits_for_a_database_and_stops_when_told(bench: Bench) -> None:
    with bench.running("waiting") as container:
        line = container.wait_for("/ready", 503, "connection refused")
        assert container.get("/live") == (200, "live")
        assert podman("healthcheck", "run", container.id, check=False).returncode != 0
        code, took_s = container.signal("TERM")
    assert code == ExitCode.TERMINATED, code
    assert took_s < STOP_WITHIN_S, took_s
    passed("answers while the database is away; SIGTERM ends it", f"{line}; exit {code} after {took_s * 1000:.0f} ms")


def no_shell_can_run(container: Container, shells: list[str]) -> None:
    for shell in ("sh", *shells):
        done = podman("exec", container.id, shell, "-c", ":", check=False)
        assert done.returncode in (CANNOT_RUN, NOT_FOUND), (shell, done)
    passed("no shell can run in any container here, so none is needed for what follows", f"{' '.join(shells)} hidden")


def becomes_ready(container: Container) -> None:
    container.wait_for("/ready", 200, "ready")
    process = container.process()
    assert process["Uid"].split()[0] == str(USER), process["Uid"]
    assert int(process["CapEff"], 16) == 0, process["CapEff"]
    assert process["NoNewPrivs"] == "1", process["NoNewPrivs"]
    (ready,) = container.events(logs.READY)
    after_ms = (moment(ready["timestamp"]) - moment(container.state()["StartedAt"])).total_seconds() * 1000
    rss_mib = int(process["VmRSS"].split()[0]) / 1024
    passed("becomes ready, hardened and in 64 MiB", f"{after_ms:.0f} ms after its start, RSS {rss_mib:.1f} MiB")


def answers_probes(container: Container) -> None:
    podman("healthcheck", "run", container.id)
    for probe in (("probe",), ("probe", "live")):
        assert podman("exec", container.id, "python3", "-m", "sidecar", *probe).stdout.strip() in ("ready", "live")
    checked = podman("exec", container.id, "python3", "-m", "sidecar", "check").stdout
    assert checked.startswith("compatible"), checked
    passed("the health check, and probe and check in the running container, pass")


def stays_ready_and_stops_cleanly(container: Container) -> None:
    assert container.get("/ready") == (200, "ready")
    code, took_s = container.signal("TERM")
    assert code == ExitCode.OK, code
    assert took_s < STOP_WITHIN_S, took_s
    assert not container.state()["OOMKilled"]
    passed("a later migration does not take ready back; SIGTERM ends it", f"exit {code} after {took_s * 1000:.0f} ms")


def refuses_a_schema_that_lacks_a_column(bench: Bench) -> None:
    with bench.running("dropped") as container:
        code = container.wait()
        message = container.termination_log.read_text()
    assert code == ExitCode.INCOMPATIBLE, code
    first = message.splitlines()[0]
    assert first.startswith("incompatible: "), message
    assert "workflow" in first, message
    assert "color" in first, message
    assert len(message.encode()) <= TERMINATION_MESSAGE_BYTES
    passed("a dropped column is refused, and named in the termination message", f"exit {code}; {first}")


def look_into(image: str, script: str) -> str:
    """Run a script in the image with its own Python, and return what it prints."""
    looking = ("run", "--rm", "--no-healthcheck", "--network", "none", "--entrypoint", "python3", image)
    return podman(*looking, "-c", script).stdout


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


if __name__ == "__main__":
    # An interrupted run cleans up too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    main(sys.argv[1])
