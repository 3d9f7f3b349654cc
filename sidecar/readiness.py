"""The readiness state and the only function that changes it. Pure: events in, state out.

Ready is a latch: once open, nothing but the sidecar's own shutdown closes it. Kubernetes counts a sidecar's
readiness for the whole pod, so a latch that a database outage could close would empty the fleet.
"""

from enum import StrEnum

import msgspec

from sidecar.model import Failure
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


class DrainStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The sidecar was told to stop."""

    at: float
    signal: str


Event = AttemptStarted | AttemptEnded | Concluded | DrainStarted


def advance(state: State, event: Event) -> State:
    """Return the state after ``event``."""
    match event:
        case DrainStarted():
            return msgspec.structs.replace(state, phase=Phase.DRAINING, since=event.at)
        case _ if state.phase in (Phase.READY, Phase.FAILED, Phase.DRAINING):
            return state  # the latch: whatever happens now is told elsewhere and changes nothing here
        case AttemptStarted():
            if state.phase in (Phase.CHECKING, Phase.BLOCKED):
                return msgspec.structs.replace(state, attempt=event.number)
            return msgspec.structs.replace(state, phase=Phase.CHECKING, since=event.at, attempt=event.number)
        case AttemptEnded():
            record = AttemptRecord(
                number=event.number,
                at=event.at,
                duration_s=event.duration_s,
                failure=event.failure,
                retry_in_s=event.retry_in_s,
            )
            kept = (*state.attempts, record)[-ATTEMPTS_KEPT:]
            is_blocked = event.report is not None and event.retry_in_s is not None
            phase = Phase.BLOCKED if is_blocked else Phase.CHECKING
            return msgspec.structs.replace(
                state,
                phase=phase,
                since=state.since if state.phase is phase else event.at,
                attempts=kept,
                last_failure=event.failure,
                blocked_by=event.report if is_blocked else None,
            )
        case Concluded():
            passed = event.conclusion.outcome is Outcome.COMPATIBLE
            phase = Phase.READY if passed else Phase.FAILED
            return msgspec.structs.replace(state, phase=phase, since=event.at, conclusion=event.conclusion)
