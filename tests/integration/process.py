"""Runs the real program: the daemon as a process that is asked, signalled and killed, and the other commands."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

WITHIN_S = 30.0
"""Generous: the bound is there so that a test ends, not to measure."""


class Answer:
    """An HTTP answer."""

    def __init__(self, status: int, headers: Mapping[str, str], body: str) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Sidecar:
    """A running ``sidecar serve``."""

    def __init__(self, process: "subprocess.Popen[str]", termination_log: Path, *, read: bool = True) -> None:
        self.process = process
        self.termination_log = termination_log
        self.lines: list[dict[str, Any]] = []
        self.output: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        if read:
            self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for text in self.process.stderr:
            with self._news:
                self.output.append(text)
                self.lines.append(json.loads(text) if text.startswith("{") else {"event": text})
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def events(self, event: str) -> list[dict[str, Any]]:
        """All log lines of that event so far."""
        return [line for line in self.lines if line["event"] == event]

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        """The count-th log line of that event, waiting for it."""
        deadline = time.monotonic() + WITHIN_S
        with self._news:
            while len(self.events(event)) < count:
                left = deadline - time.monotonic()
                ended = not self._reader.is_alive()
                assert not ended, f"ended before {event!r}: {''.join(self.output)}"
                assert left > 0, f"no {event!r} in time: {''.join(self.output)}"
                self._news.wait(min(left, 0.5))
            return self.events(event)[count - 1]

    def wait(self) -> int:
        """The exit code, once the process has ended and everything it wrote is read."""
        code = self.process.wait(WITHIN_S)
        self._reader.join(WITHIN_S)
        return code

    def close(self) -> None:
        """Read what is left and let go of the pipes of a process that has ended."""
        if self._reader.is_alive():
            self._reader.join(WITHIN_S)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def address(self, listener: str) -> tuple[str, int]:
        """Where a listener can be reached over loopback."""
        text = str(self.wait_for("listening")[listener])
        host, _, port = text.rpartition(":")
        return ("127.0.0.1" if host in ("[::]", "0.0.0.0") else host.strip("[]")), int(port)

    def ask(
        self, path: str, *, method: str = "GET", listener: str = "probe", headers: Mapping[str, str] | None = None
    ) -> Answer:
        host, port = self.address(listener)
        with contextlib.closing(http.client.HTTPConnection(host, port, timeout=10)) as connection:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())

    def everything_written(self) -> str:
        """Log and termination message: what must never hold a secret."""
        last = self.termination_log.read_text() if self.termination_log.is_file() else ""
        return "".join(self.output) + last


@contextlib.contextmanager
def running(
    tmp_path: Path,
    environ: Mapping[str, str],
    program: tuple[str, ...] = ("-m", "sidecar", "serve"),
    *,
    read: bool = True,
    wrapper: tuple[str, ...] = (),
) -> Iterator[Sidecar]:
    """Run the daemon on free ports, as the last words of ``wrapper``; kill it afterwards if it still runs."""
    termination_log = tmp_path / "termination-log"
    process = subprocess.Popen(
        [*wrapper, sys.executable, "-W", "error", "-X", "dev", *program],
        env=_clean_environ()
        | {
            "SIDECAR_LISTEN": ":0",
            "SIDECAR_ADMIN_LISTEN": "127.0.0.1:0",
            "SIDECAR_TERMINATION_LOG": str(termination_log),
            "SIDECAR_BACKOFF_BASE_S": "0.05",
            "SIDECAR_BACKOFF_MAX_S": "0.2",
        }
        | dict(environ),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    sidecar = Sidecar(process, termination_log, read=read)
    try:
        yield sidecar
    finally:
        process.kill()
        process.wait()
        sidecar.close()


def let_in(path: Path) -> None:
    """Let another user reach ``path``: pytest's folders for temporary files are their owner's alone."""
    top = Path(tempfile.gettempdir())
    for directory in (path, *path.parents):
        if directory == top or top not in directory.parents:
            break
        directory.chmod(0o755)


def heed_interrupts() -> None:
    """For a child that is to get SIGINT: what a shell starts in the background ignores it, with its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def command(*arguments: str, environ: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run any command of the program to its end."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-m", "sidecar", *arguments],
        env=_clean_environ() | {"SIDECAR_TERMINATION_LOG": "off"} | dict(environ or {}),
        capture_output=True,
        text=True,
        timeout=WITHIN_S * 2,
        check=False,
    )


def _clean_environ() -> dict[str, str]:
    """The environment without anything that would set the sidecar up."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("SIDECAR_", "PG", "DATABASE_URL", "NO_COLOR"))}
