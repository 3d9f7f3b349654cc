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
    is_view: bool = False
    """The relation is a view."""
    target: str = ""
    """For an upsert: the relation with what its ON CONFLICT clause names."""


_CODES = {
    ProbeKind.READ: codes.READ_REFUSED,
    ProbeKind.WRITE: codes.WRITE_REFUSED,
    ProbeKind.CALL: codes.CALL_REFUSED,
    ProbeKind.QUERY: codes.QUERY_REFUSED,
}

_HELP: dict[str, str] = {
    "42501": "Grant the application's role what the message names.",
    "42725": "Drop the overload that makes the call ambiguous, or deploy an image that casts its arguments.",
    "42702": "Deploy an image that qualifies the column's name.",
}


def finding_of(refusal: Refusal) -> Finding:
    """Return the finding for a refused statement: in the rules' own words where they have some."""
    if refusal.target and refusal.sqlstate == codes.UPSERT_TARGET_MISSING.sqlstate:
        clause = refusal.target.removeprefix(f"{refusal.object} ")
        return codes.UPSERT_TARGET_MISSING.at(
            refusal.target,
            f"ON CONFLICT {clause} on {refusal.object}: no unique index or constraint matches",
            f"CREATE UNIQUE INDEX CONCURRENTLY ON {refusal.object} {clause};",
        )
    if refusal.is_view and refusal.kind is ProbeKind.WRITE and refusal.sqlstate == codes.VIEW_NOT_UPDATABLE.sqlstate:
        return codes.VIEW_NOT_UPDATABLE.at(
            refusal.object,
            f"view {refusal.object} takes no {refusal.action}: {refusal.message}",
            "Make the view simple again, or give it an INSTEAD OF trigger.",
        )
    return _CODES[refusal.kind].at(
        refusal.object,
        f"PostgreSQL refuses {refusal.action} on {refusal.object}: {refusal.message}"
        if refusal.kind is not ProbeKind.QUERY
        else f"PostgreSQL refuses {refusal.object}: {refusal.message}",
        _HELP.get(refusal.sqlstate, BEHIND_OR_REMOVED),
        sqlstate=refusal.sqlstate,
    )
