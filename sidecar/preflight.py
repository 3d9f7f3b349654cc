"""The preflight: attempts until there is a verdict, the deadline passes, or trying on makes no sense.

Clock, sleep and jitter are arguments, so that a test lives through two minutes in a millisecond.
"""

from collections.abc import Awaitable, Callable

import msgspec

from sidecar.backoff import Backoff
from sidecar.model import CONNECTION_LOST, Disposition, Failure
from sidecar.readiness import AttemptEnded, AttemptStarted, Concluded, Event
from sidecar.report import Conclusion, Outcome, Report

PATIENCE: dict[Disposition, int | None] = {
    # How many attempts in a row may fail in this way before the preflight gives up; None: until the deadline. A lost
    # connection does not end a row: it can be all that is seen of a refusal, as in TLS 1.3, where the server's alert
    # races with the end of its connection.
    Disposition.RETRY: None,
    Disposition.INCOMPATIBLE: None,
    # A secret being rotated and a database being created look like this for a moment; a wrong password does not heal.
    Disposition.REFUSED: 3,
    Disposition.MISCONFIGURED: 3,
    Disposition.UNDETERMINED: 5,
}
OUTCOMES: dict[Disposition, Outcome] = {
    # How a preflight ends whose last attempt failed in this way.
    Disposition.RETRY: Outcome.NO_VERDICT,
    Disposition.INCOMPATIBLE: Outcome.NO_VERDICT,
    Disposition.REFUSED: Outcome.REFUSED,
    Disposition.MISCONFIGURED: Outcome.MISCONFIGURED,
    Disposition.UNDETERMINED: Outcome.NO_VERDICT,
}
_STATEMENT_TIMEOUT = "57014"
SHORTEST_ATTEMPT_S = 0.05
"""Less than this before the deadline, an attempt could only time out, and hide what really was wrong."""

Attempt = Callable[[float, int], Awaitable[Report | Failure]]
"""(outer bound in seconds, statement timeouts so far) → verdict, or why there is none."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How long to try, and how often."""

    deadline_s: float = 120.0
    """From the first attempt to giving up."""
    max_attempts: int | None = None
    mismatch_grace_s: float = 0.0
    """How long after the first incompatible verdict to check again; 0: that verdict stands."""
    attempt_timeout_s: float = 60.0
    """Outer bound of a single attempt."""
    backoff: Backoff = Backoff()


async def preflight(
    attempt: Attempt,
    policy: Policy,
    *,
    clock: Callable[[], float],
    wall_clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
    jitter: Callable[[], float],
    notify: Callable[[Event], None],
) -> Conclusion:
    """Attempt until there is a verdict or no use in trying on.

    Args:
        attempt: makes one attempt.
        policy: the bounds.
        clock: monotonic seconds; every duration and the deadline are measured by it.
        wall_clock: seconds since the epoch, for showing only.
        sleep: waits that many seconds.
        jitter: a draw from [0, 1).
        notify: told of everything that happens, the conclusion last.
    """
    started = clock()
    number = timeouts = in_a_row = mismatches = 0
    previous: Disposition | None = None
    was_verdict = False
    ends_at = started + policy.deadline_s
    grace_ends_at: float | None = None

    def conclude(outcome: Outcome, report: Report | None, failure: Failure | None) -> Conclusion:
        conclusion = Conclusion(
            outcome=outcome, attempts=number, elapsed_s=clock() - started, report=report, failure=failure
        )
        notify(Concluded(at=wall_clock(), conclusion=conclusion))
        return conclusion

    while True:
        number += 1
        notify(AttemptStarted(at=wall_clock(), number=number))
        began = clock()
        left_s = ends_at - began
        if grace_ends_at is not None:  # the look at the end of the grace takes its time, too
            left_s = max(left_s, policy.attempt_timeout_s if was_verdict else 0.0)
        result = await attempt(min(policy.attempt_timeout_s, left_s), timeouts)
        duration_s = clock() - began
        was_verdict = isinstance(result, Report)
        if isinstance(result, Report):
            previous = None
            mismatches += 1
            if not result.is_compatible and grace_ends_at is None:
                grace_ends_at = clock() + policy.mismatch_grace_s
                ends_at = max(ends_at, grace_ends_at)  # a lost connection inside the grace is tried again, too
            left_s = 0.0 if result.is_compatible or grace_ends_at is None else grace_ends_at - clock()
            if left_s < SHORTEST_ATTEMPT_S or number == policy.max_attempts:
                notify(AttemptEnded(at=wall_clock(), number=number, duration_s=duration_s, report=result))
                return conclude(Outcome.COMPATIBLE if result.is_compatible else Outcome.INCOMPATIBLE, result, None)
            # The last look is at the very end of the grace, not a wait before it.
            again_in_s = min(policy.backoff.delay_s(mismatches, jitter()), left_s)
            notify(
                AttemptEnded(
                    at=wall_clock(), number=number, duration_s=duration_s, report=result, retry_in_s=again_in_s
                )
            )
            await sleep(again_in_s)
            continue
        timeouts += result.sqlstate == _STATEMENT_TIMEOUT
        if result.reason != CONNECTION_LOST:
            in_a_row = in_a_row + 1 if result.disposition is previous else 1
            previous = result.disposition
        wait_s = policy.backoff.delay_s(number, jitter())
        is_late = clock() + wait_s + SHORTEST_ATTEMPT_S > ends_at
        is_last = is_late or _is_last(policy, number, in_a_row, result.disposition)
        notify(
            AttemptEnded(
                at=wall_clock(),
                number=number,
                duration_s=duration_s,
                failure=result,
                retry_in_s=None if is_last else wait_s,
            )
        )
        if is_last:
            return conclude(OUTCOMES[result.disposition], None, result)
        await sleep(wait_s)
        if clock() + SHORTEST_ATTEMPT_S > ends_at:  # a machine that was suspended, or overloaded
            return conclude(OUTCOMES[result.disposition], None, result)


def _is_last(policy: Policy, number: int, in_a_row: int, disposition: Disposition) -> bool:
    patience = PATIENCE[disposition]
    return (policy.max_attempts is not None and number >= policy.max_attempts) or (
        patience is not None and in_a_row >= patience
    )
