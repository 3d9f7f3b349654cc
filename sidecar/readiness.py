"""The readiness state and the only function that changes it. Pure: events in, state out.

Ready is a latch: once open, nothing but the sidecar's own shutdown closes it. Kubernetes counts a sidecar's
readiness for the whole pod, so a latch that a database outage could close would empty the fleet.
What checks find after it has opened is drift: remembered for people and metrics, and acted on by nobody.
"""

from enum import StrEnum
from typing import Any, assert_never

import msgspec

from sidecar.identifiers import printable
from sidecar.model import Failure, Finding, Severity
from sidecar.report import Conclusion, Outcome, Report

ATTEMPTS_KEPT = 50
"""How many attempts the state remembers, newest last: a bound on memory, not on attempts."""


class Phase(StrEnum):
    """Where the sidecar is in its life."""

    STARTING = "starting"
    CHECKING = "checking"
    BLOCKED = "blocked"
    READY = "ready"
    FAILED = "failed"
    DRAINING = "draining"


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One finished attempt."""

    number: int
    at: float
    """When it ended, in seconds since the epoch."""
    duration_s: float
    failure: Failure | None
    """None where the attempt brought a verdict."""
    retry_in_s: float | None
    """The wait that followed, None after the last attempt."""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """What checks have found since ``/ready`` opened."""

    checks: int
    """How many checks have ended."""
    at: float
    """When the last one ended, in seconds since the epoch."""
    duration_s: float
    """How long the last one took."""
    failure: Failure | None = None
    """Why the last one reached no verdict; None where it did."""
    failing_since: float | None = None
    """When checks began to end without a verdict; None while they reach one."""
    report: Report | None = None
    """The newest verdict; None before the first."""
    report_at: float | None = None
    findings: tuple[Finding, ...] = ()
    """What that verdict has and the one that opened ``/ready`` had not."""
    since: float | None = None
    """When ``findings`` last became other ones; None if there never were any."""
    is_news: bool = False
    """The last check changed what is known: other findings, no verdict any more, or a verdict again."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the endpoints tell; replaced as a whole, never changed."""

    phase: Phase = Phase.STARTING
    since: float = 0.0
    """When the phase began, in seconds since the epoch."""
    attempt: int = 0
    """The attempt under way or last made; 0 before the first."""
    attempts: tuple[AttemptRecord, ...] = ()
    last_failure: Failure | None = None
    conclusion: Conclusion | None = None
    blocked_by: Report | None = None
    """The incompatible verdict that is checked again, while the grace for a migration runs."""
    restored_from: float | None = None
    """When the verdict was reached that another process of this pod left in the state file, in seconds since the
    epoch; None where this process reached its own."""
    drift: Drift | None = None
    """What checks after ready have found; None before the first."""

    @property
    def is_ready(self) -> bool:
        """What ``/ready`` answers."""
        return self.phase is Phase.READY

    @property
    def report(self) -> Report | None:
        """The verdict, if there is one: the final one, or the one that is checked again."""
        return self.blocked_by if self.conclusion is None else self.conclusion.report

    @property
    def line(self) -> str:
        """The one line that ``/ready`` says."""
        return printable(self._words)

    @property
    def _words(self) -> str:
        match self.phase:
            case Phase.STARTING | Phase.READY | Phase.DRAINING:
                return self.phase.value
            case Phase.CHECKING:
                reason = f", {self.last_failure.reason}" if self.last_failure else ""
                return f"checking: attempt {self.attempt}{reason}"
            case Phase.BLOCKED:
                return f"blocked: {self.blocked_by.headline}" if self.blocked_by else "blocked"
            case Phase.FAILED:
                return self.conclusion.headline if self.conclusion else "failed"


class AttemptStarted(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt has begun."""

    at: float
    number: int


class AttemptEnded(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt has ended, with a verdict or with a failure.

    A report with ``retry_in_s`` is an incompatible one that will be checked again.
    """

    at: float
    number: int
    duration_s: float
    report: Report | None = None
    failure: Failure | None = None
    retry_in_s: float | None = None


class Concluded(msgspec.Struct, frozen=True, kw_only=True):
    """The preflight is over."""

    at: float
    conclusion: Conclusion


class PassRestored(msgspec.Struct, frozen=True, kw_only=True):
    """The state file has a pass of this very pod, contract and database."""

    at: float
    verdict_at: float
    """When that pass was reached, in seconds since the epoch."""
    report: Report


class DriftChecked(msgspec.Struct, frozen=True, kw_only=True):
    """A check after ready has ended, with a verdict or with a failure."""

    at: float
    duration_s: float
    report: Report | None = None
    failure: Failure | None = None


class DrainStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The sidecar was told to stop."""

    at: float
    signal: str


Event = AttemptStarted | AttemptEnded | Concluded | PassRestored | DriftChecked | DrainStarted


def advance(state: State, event: Event) -> State:
    """Return the state after ``event``."""
    return msgspec.structs.replace(state, **_changes(state, event))


def _changes(state: State, event: Event) -> dict[str, Any]:
    """Return what ``event`` changes of the state."""
    match event:
        case DrainStarted():
            changes = {"phase": Phase.DRAINING, "since": event.at}
        case DriftChecked():
            changes = {"drift": _drift_after(state, event)} if state.is_ready else {}
        case _ if state.phase in (Phase.READY, Phase.FAILED, Phase.DRAINING):
            changes = {}  # the latch: whatever happens now is told elsewhere and changes nothing here
        case AttemptStarted():
            changes = {"attempt": event.number}
            if state.phase not in (Phase.CHECKING, Phase.BLOCKED):
                changes |= {"phase": Phase.CHECKING, "since": event.at}
        case AttemptEnded():
            is_blocked = event.report is not None and event.retry_in_s is not None
            phase = Phase.BLOCKED if is_blocked else Phase.CHECKING
            changes = {
                "phase": phase,
                "since": state.since if state.phase is phase else event.at,
                "attempts": (*state.attempts, _record_of(event))[-ATTEMPTS_KEPT:],
                "last_failure": event.failure,
                "blocked_by": event.report if is_blocked else None,
            }
        case Concluded():
            passed = event.conclusion.outcome is Outcome.COMPATIBLE
            phase = Phase.READY if passed else Phase.FAILED
            changes = {"phase": phase, "since": event.at, "conclusion": event.conclusion}
        case PassRestored():
            conclusion = Conclusion(outcome=Outcome.COMPATIBLE, attempts=0, elapsed_s=0.0, report=event.report)
            changes = {"phase": Phase.READY, "since": event.at, "conclusion": conclusion}
            changes |= {"restored_from": event.verdict_at}
        case _:
            assert_never(event)
    return changes


def _record_of(event: AttemptEnded) -> AttemptRecord:
    return AttemptRecord(
        number=event.number,
        at=event.at,
        duration_s=event.duration_s,
        failure=event.failure,
        retry_in_s=event.retry_in_s,
    )


def _drift_after(state: State, event: DriftChecked) -> Drift:
    before = state.drift or Drift(checks=0, at=event.at, duration_s=0.0)
    after = msgspec.structs.replace(
        before, checks=before.checks + 1, at=event.at, duration_s=event.duration_s, failure=event.failure
    )
    if event.report is None:
        is_news = before.failing_since is None
        return msgspec.structs.replace(
            after, failing_since=event.at if is_news else before.failing_since, is_news=is_news
        )
    known = _kinds(state.report.findings if state.report else ())
    findings = tuple(f for f in event.report.findings if f.accepted is None and not _kinds((f,)) <= known)
    are_others = _kinds(findings) != _kinds(before.findings)
    return msgspec.structs.replace(
        after,
        failing_since=None,
        report=event.report,
        report_at=event.at,
        findings=findings,
        since=event.at if are_others else before.since,
        is_news=are_others or before.report is None or before.failing_since is not None,
    )


def _kinds(findings: tuple[Finding, ...]) -> frozenset[tuple[str, str, Severity]]:
    """Return what tells findings apart: a message may change its words where nothing has changed."""
    return frozenset((finding.code, finding.object, finding.severity) for finding in findings)
