"""What an attempt finds out, or why it could not."""

from enum import StrEnum

import msgspec


class Side(StrEnum):
    """Which side of a mismatch is older, as far as the migration tool's table can tell."""

    SAME = "same"
    DATABASE_BEHIND = "database behind"
    DATABASE_AHEAD = "database ahead"
    DIVERGED = "diverged"
    UNKNOWN = "unknown"


class MigrationPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Where the database's migrations stand, seen from the image."""

    side: Side
    count: int | None = None
    """By how many migrations the sides are apart, where the tool's table can tell."""
    image_head: str = ""
    database_head: str = ""
    detail: str = ""
    """What else a person needs: a migration that failed half-way, why nothing can be told."""


class Severity(StrEnum):
    """Whether a finding gates."""

    ERROR = "error"
    WARNING = "warning"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One mismatch between contract and catalog."""

    code: str
    """Stable kebab-case name of the kind of mismatch."""
    severity: Severity
    object: str
    """The object as PostgreSQL would write it, qualified."""
    message: str
    help: str
    sqlstate: str | None = None
    """What the application's statements would fail with; None where none of them fails for it."""
    accepted: str | None = None
    """The reason for which the contract accepts it; it gates no more then."""

    def gates(self, *, strict: bool) -> bool:
        """True if the finding makes the database incompatible."""
        return self.accepted is None and (strict or self.severity is Severity.ERROR)


class Phase(StrEnum):
    """Where in an attempt something failed: the same SQLSTATE means different things in different phases."""

    TARGET = "target"
    CONNECT = "connect"
    CATALOG = "catalog"
    PROBE = "probe"


CONNECTION_LOST = "connection lost"
"""The reason of a failure that says least: whatever ended the connection had no time to say why."""


class Disposition(StrEnum):
    """What a failure means for the preflight."""

    RETRY = "retry"
    INCOMPATIBLE = "incompatible"
    MISCONFIGURED = "misconfigured"
    REFUSED = "refused"
    UNDETERMINED = "undetermined"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt could not find out. Carries no credential: messages are scrubbed where they are made."""

    phase: Phase
    disposition: Disposition
    reason: str
    """A few stable words for a person: ``connection refused``."""
    message: str = ""
    """The innermost message of the driver, the server or the operating system."""
    sqlstate: str | None = None
    help: str = ""
    findings: tuple[Finding, ...] = ()
    """What was found that may pass by itself."""

    def __str__(self) -> str:
        """Return one line: the reason, the message where it adds to it, and the SQLSTATE."""
        text = self.reason
        if self.message and self.message.lower() != self.reason.lower():
            text += f": {self.message}"
        return f"{text} (SQLSTATE {self.sqlstate})" if self.sqlstate else text
