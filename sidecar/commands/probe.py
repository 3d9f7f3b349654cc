"""``sidecar probe``: asks the sidecar in the same pod, for images that have no curl. Imports nothing heavy."""

import argparse
import os
import socket
import sys

DEFAULT_TIMEOUT_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags to ``parser``."""
    parser.add_argument("path", nargs="?", choices=("ready", "live"), default="ready", help="what to ask; ready")
    parser.add_argument("--listen", help="the sidecar's probe listener; default SIDECAR_LISTEN or :9632")
    parser.add_argument("--timeout-s", type=float, default=DEFAULT_TIMEOUT_S, help="bound on the answer, in seconds")
    parser.add_argument("--quiet", action="store_true", help="print nothing")


def run(arguments: argparse.Namespace) -> int:
    """Ask, print the one line that came back, and return 0 for 200, else 1; 2 for an unusable address."""
    listen = arguments.listen or os.environ.get("SIDECAR_LISTEN") or ":9632"
    host, _, port = listen.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        print(f"probe: {listen!r} is not an address, such as :9632", file=sys.stderr)
        return 2
    hosts = [host.strip("[]")] if host.strip("[]") not in ("", "0.0.0.0", "::") else ["127.0.0.1", "::1"]  # noqa: S104
    line = "no address to ask"
    for candidate in hosts:
        try:
            status, line = ask(candidate, int(port), f"/{arguments.path}", arguments.timeout_s)
        except (OSError, ValueError) as error:
            line = f"{getattr(error, 'strerror', None) or error or 'timed out'}".lower()
            continue
        if not arguments.quiet:
            print(line)
        return 0 if status == 200 else 1
    if not arguments.quiet:
        print(f"probe: no answer from {listen}: {line}", file=sys.stderr)
    return 1


def ask(host: str, port: int, path: str, timeout_s: float) -> tuple[int, str]:
    """Return the status code and the first line of the body.

    Raises:
        OSError: no connection, or no answer in time.
        ValueError: the answer is not HTTP.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(request.encode())
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
            if len(answer) > 65536:
                break
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if not answer.startswith(b"HTTP/1.") or len(words) < 2 or not words[1].isdigit():
        raise ValueError("the answer is not HTTP")
    return int(words[1]), body.decode(errors="replace").partition("\n")[0]
