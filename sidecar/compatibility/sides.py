"""Mends that depend on which side is behind, once the migration tool's table has told."""

from collections.abc import Iterable

import msgspec

from sidecar.compatibility.relations import BEHIND_OR_REMOVED
from sidecar.model import Finding, MigrationPosition, Side

_HELP: dict[Side, str] = {
    Side.DATABASE_BEHIND: "Run the migrations: the database is behind this image.",
    Side.DATABASE_AHEAD: "Roll the image forward: a newer migration changed it.",
}


def with_side(findings: Iterable[Finding], position: MigrationPosition | None) -> tuple[Finding, ...]:
    """Return the findings, those whose help left it open with the mend for the side that is behind."""
    help_ = None if position is None else _HELP.get(position.side)
    return tuple(
        msgspec.structs.replace(finding, help=help_) if help_ and finding.help == BEHIND_OR_REMOVED else finding
        for finding in findings
    )
