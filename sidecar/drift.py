"""When to check again after ready. What is found is told and never acted on: readiness is not this module's affair.

Sleep and jitter are arguments, so that a test lives through a day in a millisecond.
"""

from collections.abc import Awaitable, Callable

import msgspec

from sidecar.backoff import Backoff
from sidecar.model import Failure
from sidecar.report import Report

VERIFY_MAX_S = 300.0
"""Longest wait between attempts to verify a restored pass, in seconds: one for a database that is away for a day."""

Check = Callable[[], Awaitable[Report | Failure]]


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """How often to check."""

    interval_s: float = 0.0
    """Mean wait between checks, in seconds; 0: none but those that verify a restored pass."""
    backoff: Backoff = Backoff()
    """Waits between attempts to verify a restored pass."""

    def wait_s(self, jitter: float) -> float:
        """Return the wait before the next check, from half to one and a half of the interval.

        A fleet whose pods started in the same second spreads over the interval with the first wait.

        Args:
            jitter: a draw from [0, 1).
        """
        return self.interval_s * (0.5 + jitter)


async def watch(
    check: Check,
    schedule: Schedule,
    *,
    is_restored: bool,
    sleep: Callable[[float], Awaitable[None]],
    jitter: Callable[[], float],
) -> None:
    """Check again for as long as there is something to learn; for ever where there is an interval.

    Args:
        check: makes one check and tells its result to whoever wants to know.
        schedule: how often.
        is_restored: nothing was proved by this process yet, so the first check comes at once, and is made again with
            growing waits until it reaches a verdict.
        sleep: waits that many seconds.
        jitter: a draw from [0, 1).
    """
    failures = 0
    while is_restored and isinstance(await check(), Failure):
        failures += 1
        await sleep(schedule.backoff.delay_s(failures, jitter()))
    while schedule.interval_s:
        await sleep(schedule.wait_s(jitter()))
        await check()
