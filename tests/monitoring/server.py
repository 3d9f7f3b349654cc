"""A real Prometheus, and what stands in for kube-state-metrics: an endpoint that says what the test found out."""

import contextlib
import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

WITHIN_S = 20.0
POLL_S = 0.2

Result = list[dict[str, Any]]


class Prometheus:
    """A running server, asked through its HTTP API."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"

    def query(self, expression: str) -> Result:
        """Evaluate an expression now; an error of the expression is one of the test."""
        return self._api("query", query=expression)["result"]  # type: ignore[no-any-return] # JSON

    def wait_for(self, expression: str, wanted: Callable[[Result], bool] = bool) -> Result:
        """Evaluate an expression until its result is as wanted: by default, until there is one."""
        return self._until(lambda: self.query(expression), wanted, expression)

    def label_values(self, label: str, series: str) -> list[str]:
        """The values of a label of these series."""
        found: list[str] = self._api(f"label/{label}/values", **{"match[]": series})
        return found

    def rules(self) -> Result:
        """Every rule that is loaded, with its health."""
        return [rule for group in self._api("rules")["groups"] for rule in group["rules"]]

    def wait_for_alerts(self, wanted: Callable[[Result], bool]) -> Result:
        """Pending and firing alerts, once they are as wanted."""
        return self._until(lambda: self._api("alerts")["alerts"], wanted, "alerts")

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            with urllib.request.urlopen(f"{self._base}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _until(self, ask: Callable[[], Result], wanted: Callable[[Result], bool], what: str) -> Result:
        deadline = time.monotonic() + WITHIN_S
        while not wanted(found := ask()):
            assert time.monotonic() < deadline, f"{what}: still {found}"
            time.sleep(POLL_S)
        return found

    def _api(self, path: str, **parameters: str) -> Any:
        url = f"{self._base}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error


@contextlib.contextmanager
def prometheus(directory: Path, config: dict[str, Any]) -> Iterator[Prometheus]:
    """Run a server with this configuration and its storage in ``directory``; end it afterwards."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed")
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(config))
    port = free_port()
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={directory / 'prometheus.yaml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        server = Prometheus(port)
        deadline = time.monotonic() + WITHIN_S
        while not server.is_up():
            assert process.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < deadline, "prometheus does not answer"
            time.sleep(POLL_S)
        yield server
    finally:
        process.terminate()
        process.wait(WITHIN_S)


class Exposition:
    """An endpoint that exposes series as they are set."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.series: dict[str, float] = {}


@contextlib.contextmanager
def exposition() -> Iterator[Exposition]:
    """Serve series in Prometheus' text format."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = "".join(f"{name} {value:g}\n" for name, value in served.series.items()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Exposition(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": POLL_S})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
