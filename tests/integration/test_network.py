"""Hosts with one kind of address only, in network namespaces of the tests' own."""

import contextlib
import errno
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.listen import bind, shown
from sidecar.settings import ListenAddress
from tests.integration.process import WITHIN_S
from tests.integration.schemas import write_contract

needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None,
    reason="network namespaces need root, unshare and ip",
)

_SCRIPT = """
set -e
{setup}
"$1" -m sidecar serve >/dev/null 2>"$2" &
pid=$!
for _ in $(seq 200); do grep -q '"attempt failed"' "$2" && break; sleep 0.05; done
"$1" -m sidecar probe live --listen ":$3"
"$1" -m sidecar probe ready --listen ":$3" || true
kill -TERM $pid
wait $pid || echo "exit $?"
"""
_NO_IPV6 = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up"
_NO_IPV4 = "ip link set lo up; ip -4 addr flush dev lo"


@needs_namespaces
@pytest.mark.parametrize("setup", [_NO_IPV6, _NO_IPV4], ids=["IPv4 only", "IPv6 only"])
def test_listens_where_only_one_family_is(tmp_path: Path, setup: str) -> None:
    """A host with IPv4 alone and one with IPv6 alone are both listened on, and probe finds the daemon there."""
    log = tmp_path / "log"
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SIDECAR_", "PG"))} | {
        "DATABASE_URL": "postgresql://app@127.0.0.1:1/app",
        "SIDECAR_CONTRACT": write_contract(tmp_path),
        "SIDECAR_TERMINATION_LOG": "off",
        # 127.0.0.1 is gone with the IPv4 addresses, and with it the default admin listener.
        "SIDECAR_ADMIN_LISTEN": "off",
    }
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", _SCRIPT.format(setup=setup), "sh", sys.executable, str(log), "9632"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert 0 == done.returncode, done.stderr + log.read_text()
    lines = done.stdout.splitlines()
    assert "live" == lines[0]
    assert lines[1].startswith("checking: ")
    assert "exit 143" == lines[2]


def test_kernel_without_ipv6_gets_an_ipv4_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel knows no IPv6 at all, all interfaces means those of IPv4."""
    made = socket.socket

    def without_ipv6(family: int, kind: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return made(family, kind)

    monkeypatch.setattr("sidecar.listen.socket.socket", without_ipv6)
    with contextlib.closing(bind(ListenAddress(host=None, port=0))) as listener:
        assert shown(listener).startswith("0.0.0.0:")


_SILENT_RESOLVER = """
set -e
ip link set lo up
mount --bind "$3" /etc/resolv.conf
"$1" -c "
import socket, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
    resolver.bind(('127.0.0.53', 53))
    time.sleep(60)" &
resolver=$!
trap "kill $resolver" EXIT
"$1" -W error -X dev -m sidecar {command} 2>"$2" &
pid=$!
for _ in $(seq 200); do grep -q '{until}' "$2" && break; sleep 0.05; done
began=$(date +%s)
{stop}
code=0
wait $pid || code=$?
echo "$code $(($(date +%s) - began))"
"""
_ENDS = {
    "serve, told to stop": ("serve", "contract loaded", "sleep 1; kill -TERM $pid", 143),
    "serve, at its deadline": ("serve --deadline-s 1", "contract loaded", "", 4),
    "check, at its deadline": ("check --deadline-s 1", "attempt", "", 4),
}


@needs_namespaces
@pytest.mark.parametrize(("command", "until", "stop", "code"), _ENDS.values(), ids=_ENDS.keys())
def test_a_resolver_that_does_not_answer_holds_no_end_up(
    tmp_path: Path, command: str, until: str, stop: str, code: int
) -> None:
    """A look-up hangs for many seconds, and its thread with it: the process ends in time, with its own exit code."""
    resolv, log = tmp_path / "resolv.conf", tmp_path / "log"
    resolv.write_text("nameserver 127.0.0.53\nsearch a.example b.example c.example\noptions ndots:5\n")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SIDECAR_", "PG"))} | {
        "DATABASE_URL": "postgresql://app@db.example/app",
        "SIDECAR_CONTRACT": write_contract(tmp_path),
        "SIDECAR_TERMINATION_LOG": str(tmp_path / "last words"),
        "SIDECAR_CONNECT_TIMEOUT_S": "0.5",
        "SIDECAR_LOG_FORMAT": "json",
    }
    script = _SILENT_RESOLVER.format(command=command, until=until, stop=stop)
    done = subprocess.run(
        ["unshare", "--net", "--mount", "bash", "-c", script, "bash", sys.executable, str(log), str(resolv)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=WITHIN_S * 2,
        check=True,
    )
    ended, took_s = map(int, done.stdout.splitlines()[-1].split())
    assert (code, True) == (ended, took_s < 6), log.read_text()
    assert "Traceback" not in log.read_text()
    assert (tmp_path / "last words").read_text()
