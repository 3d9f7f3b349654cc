"""What the server's own refusal of a probe statement means as a finding."""

from enum import StrEnum

import msgspec

from sidecar.compatibility import codes
from sidecar.compatibility.relations import BEHIND_OR_REMOVED
from sidecar.model import Finding


class ProbeKind(StrEnum):
    """What a probe statement stands for."""

    READ = "read"
    WRITE = "write"
    CALL = "call"
    QUERY = "query"


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A probe statement that the server refused for a reason of the schema's."""

    kind: ProbeKind
    object: str
    """The relation, function or query that the statement stands for, as PostgreSQL would show it."""
    action: str
    """What the image does with it: ``SELECT``, ``INSERT``, ``call`` …"""
    sqlstate: str
    message: str
    """The server's words."""


_CODES = {
    ProbeKind.READ: codes.READ_REFUSED,
    ProbeKind.WRITE: codes.WRITE_REFUSED,
    ProbeKind.CALL: codes.CALL_REFUSED,
    ProbeKind.QUERY: codes.QUERY_REFUSED,
}


def finding_of(refusal: Refusal) -> Finding:
    """Return the finding for a refused statement; a privilege is told as a privilege."""
    help_ = BEHIND_OR_REMOVED
    if refusal.sqlstate == "42501":
        help_ = "Grant the application's role what the message names."
    return Finding(
        code=_CODES[refusal.kind].code,
        severity=_CODES[refusal.kind].severity,
        object=refusal.object,
        message=f"PostgreSQL refuses {refusal.action} on {refusal.object}: {refusal.message}"
        if refusal.kind is not ProbeKind.QUERY
        else f"PostgreSQL refuses {refusal.object}: {refusal.message}",
        help=help_,
        sqlstate=refusal.sqlstate,
    )
