import argparse
import socket
import threading
from collections.abc import Iterator

import pytest

from sidecar.commands import probe


@pytest.fixture
def answer() -> Iterator[dict[str, bytes]]:
    """A listener on the loopback that says what the test puts into ``answer`` and notes the request."""
    box: dict[str, bytes] = {}
    listener = socket.create_server(("127.0.0.1", 0))
    box["port"] = str(listener.getsockname()[1]).encode()

    def serve() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            box["request"] = connection.recv(4096)
            connection.sendall(box["answer"])

    thread = threading.Thread(target=serve)
    thread.start()
    yield box
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    probe.add_arguments(parser)
    return probe.run(parser.parse_args(arguments))


@pytest.mark.parametrize(
    ("status", "line", "code"),
    [
        ("200 OK", "ready", 0),
        ("503 Service Unavailable", "checking: attempt 3, connection refused", 1),
        ("404 Not Found", "", 1),
    ],
)
def test_the_exit_code_tells_the_answer(
    answer: dict[str, bytes], status: str, line: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only 200 is success, and the reason is printed."""
    answer["answer"] = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n\r\n{line}\nmore".encode()
    assert code == run("ready", "--listen", f"127.0.0.1:{answer['port'].decode()}")
    assert f"{line}\n" == capsys.readouterr().out
    assert answer["request"].startswith(b"GET /ready HTTP/1.1\r\n")


def test_quiet_prints_nothing(answer: dict[str, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    """With --quiet only the exit code speaks."""
    answer["answer"] = b"HTTP/1.1 200 OK\r\n\r\nready"
    assert 0 == run("live", "--quiet", "--listen", f"127.0.0.1:{answer['port'].decode()}")
    assert ("", "") == capsys.readouterr()


@pytest.mark.parametrize("text", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"], ids=repr)
def test_what_is_not_http_is_no_success(
    answer: dict[str, bytes], text: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another program behind the port is told as that."""
    answer["answer"] = text
    assert 1 == run("--listen", f"127.0.0.1:{answer['port'].decode()}")
    assert "not http" in capsys.readouterr().err


def test_nobody_there_is_no_success(answer: dict[str, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    """A port that nobody listens on is told and is no success."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    answer["answer"] = b""
    assert 1 == run("--listen", f"127.0.0.1:{port}")
    assert "connection refused" in capsys.readouterr().err


@pytest.mark.parametrize("listen", ["x", ":0", ":65536", "127.0.0.1", "127.0.0.1:", ":²"])
def test_an_unusable_address_is_a_usage_error(listen: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An address that cannot be asked is told as a mistake in the call."""
    assert 2 == run("--listen", listen)
    assert "is not an address" in capsys.readouterr().err
