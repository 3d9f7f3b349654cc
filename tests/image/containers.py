"""Containers for the tests of the image: podman, and what a test asks of a running container."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
WAIT_S = 30.0
POLL_S = 0.02


class Container:
    """A container that was started. Made by ``started``."""

    def __init__(self, id_: str, host: str, port: int, termination_log: Path) -> None:
        self.id = id_
        self.termination_log = termination_log
        self._url = f"http://{host}:{port}"

    def state(self) -> dict[str, Any]:
        """Return what podman knows of it."""
        state: dict[str, Any] = inspect("container", self.id)["State"]
        return state

    def get(self, path: str) -> tuple[int, str]:
        """Ask it for a page; (0, reason) where nobody answers."""
        try:
            with urllib.request.urlopen(f"{self._url}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode().strip()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode().strip()
        except OSError as error:
            return 0, str(error)

    def wait_for(self, path: str, status: int, words: str) -> str:
        """Ask until the answer has that status and those words, and return its text."""
        answer = until(lambda: self.get(path), lambda answer: answer[0] == status and words in answer[1])
        return answer[1]

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return the log's lines of that event, through all its starts."""
        lines = (json.loads(line) for line in podman("logs", self.id).stderr.splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event]

    def process(self) -> dict[str, str]:
        """Return the fields of its process's ``/proc/PID/status``."""
        lines = Path(f"/proc/{self.state()['Pid']}/status").read_text().splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def signal(self, name: str) -> tuple[int, float]:
        """Send a signal that ends it, and return the exit code and the seconds until the process was gone."""
        process = os.pidfd_open(self.state()["Pid"])
        try:
            began = time.monotonic()
            podman("kill", "--signal", name, self.id)
            ended = select.poll()
            ended.register(process, select.POLLIN)
            assert ended.poll(WAIT_S * 1000), "the process does not end"
            took_s = time.monotonic() - began
        finally:
            os.close(process)
        return self.wait(), took_s

    def wait(self) -> int:
        """Return the exit code, once it has ended."""
        return int(podman("wait", self.id).stdout)

    def start(self) -> None:
        """Start the same container once more, as the kubelet restarts a container of a pod that stays."""
        podman("start", self.id)


@contextlib.contextmanager
def started(
    image: str, options: list[str], command: list[str], *, address: tuple[str, int], termination_log: Path
) -> Iterator[Container]:
    """Start a container as the kubelet does, and remove it afterwards; where a promise is broken, show its log."""
    # The kubelet makes this file, empty and writable by any user, before it starts a container.
    termination_log.touch()
    termination_log.chmod(0o666)
    mount = ["-v", f"{termination_log}:/dev/termination-log"]
    id_ = podman("create", *options, *mount, image, *command).stdout.strip()
    try:
        podman("start", id_)
        yield Container(id_, *address, termination_log)
    except Exception:
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
    """Return what podman knows of a container, an image, a pod or a network."""
    found = json.loads(podman(kind, "inspect", name).stdout)
    return dict(found[0] if isinstance(found, list) else found)


def until(ask: Callable[[], T], is_it: Callable[[T], bool]) -> T:
    """Ask until the answer is what it should be, and return it."""
    deadline = time.monotonic() + WAIT_S
    while True:
        answer = ask()
        if is_it(answer):
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {WAIT_S:.0f} s"
        time.sleep(POLL_S)


def moment(text: str) -> datetime:
    """Read RFC 3339, of which Python 3.11 takes no more than six digits of a second."""
    whole, _, rest = text.partition(".")
    digits = rest.rstrip("Z").partition("+")[0].partition("-")[0]
    zone = rest[len(digits) :].replace("Z", "+00:00")
    return datetime.fromisoformat(f"{whole}.{digits[:6]:0<6}{zone}")


def passed(promise: str, detail: str = "") -> None:
    """Tell that a promise holds."""
    print(f"ok: {promise}{f' ({detail})' if detail else ''}", flush=True)
