"""The state file: a pass that survives a restart of the sidecar's container while its neighbours serve on.

Kubernetes restarts one container of a pod by itself (out of memory, node pressure). A fresh preflight would take a
serving pod out of Ready if the database is away at that moment, and pod by pod the whole fleet. So a pass is left in
a file on an ``emptyDir``, which lives as long as its pod.

The file is believed only where everything that the pass was about is still the same: see ``Key``. Anything else, and
anything that cannot be read to its last byte, means an ordinary preflight.
"""

import contextlib
import hashlib
import os
import socket
import stat
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from sidecar.postgres.target import Target
from sidecar.report import Report

MAX_BYTES = 16 * 1024 * 1024
"""Thousands of warnings take less; past this the file is something else."""

_HEADING = "schema-readiness pass 1 sha256:"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_END_OF_TIME = 253_402_300_799.0


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What a pass was about. A pass counts for an equal key alone."""

    contract: str
    """Digest of the contract."""
    pod: str
    """The pod's UID, or its host's name: a volume that outlives its pod must not vouch for the next one."""
    boot: str
    """The kernel's boot id (random(4)): after a reboot of the node nothing in the pod is serving, so nothing is lost
    by a preflight. Empty where the system has none."""
    database: str
    """Hosts, ports and name of the database. Not the role: a secret that rotates its user is the same database."""


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """A compatible verdict."""

    key: Key
    verdict_at: Annotated[float, Meta(ge=0, le=_END_OF_TIME)]
    """When it was reached, in seconds since the epoch."""
    report: Report


class StateFileError(Exception):
    """A state file that cannot be used. The message says why."""


def key_of(contract_digest: str, pod_uid: str, target: Target) -> Key:
    """Return the key for this process.

    Args:
        contract_digest: of the contract in force.
        pod_uid: from the downward API; empty: the host's name, which in a pod is the pod's.
        target: the database.
    """
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        boot = ""
    hosts = ",".join(f"{host}:{port}" for host, port in target.hosts)
    return Key(
        contract=contract_digest,
        pod=pod_uid or socket.gethostname(),
        boot=boot,
        database=f"{hosts}/{target.database}",
    )


def read_pass(path: str, key: Key) -> Pass | None:
    """Return the pass in the file at ``path``, or None where there is no file.

    Raises:
        StateFileError: there is one, and it is no pass for ``key``.
    """
    try:
        data = _read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateFileError((error.strerror or "unreadable").lower()) from error
    heading, newline, payload = data.partition(b"\n")
    if heading + newline != _heading(payload):
        raise StateFileError("not a whole state file of this version")
    try:
        found = msgspec.json.decode(payload, type=Pass)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StateFileError("not a whole state file of this version") from error
    for name in Key.__struct_fields__:
        if getattr(found.key, name) != getattr(key, name):
            raise StateFileError(f"of another {name}")
    if not found.report.is_compatible:
        raise StateFileError("its verdict is not a pass")
    return found


def write_pass(path: str, found: Pass) -> None:
    """Leave a pass for the next process of this pod, whole or not at all.

    It is not synced to disk: a file is needed after the death of a process, and void after that of a node.

    Raises:
        OSError: it could not be written; what was there before still is.
    """
    payload = msgspec.json.encode(found)
    temporary = Path(f"{path}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(_heading(payload) + payload)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _heading(payload: bytes) -> bytes:
    return f"{_HEADING}{hashlib.sha256(payload).hexdigest()}\n".encode()


def _read(path: str) -> bytes:
    # Neither a link nor a pipe: whoever else has the volume could point the one anywhere, and hang us with the other.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise StateFileError("not a regular file")
        if status.st_uid != os.geteuid():
            raise StateFileError("of another user")
        if status.st_size > MAX_BYTES:
            raise StateFileError(f"larger than {MAX_BYTES >> 20} MiB")
        return file.read(MAX_BYTES + 1)
