import asyncio
import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.backoff import Backoff
from sidecar.drift import Schedule, watch
from sidecar.model import Failure
from sidecar.report import Report
from tests.unit import builders

FAILED, PASSED = builders.failure(), builders.report()


class EnoughError(Exception):
    """The test has seen what it wanted."""


def lived(results: list[Report | Failure], schedule: Schedule, *, is_restored: bool = False) -> list[str | float]:
    """Return what a watch does, checks and waits in order, until the results run out."""
    told: list[str | float] = []
    left: Iterator[Report | Failure] = iter(results)

    async def check() -> Report | Failure:
        result = next(left, None)
        if result is None:
            raise EnoughError
        told.append("failed" if isinstance(result, Failure) else "verdict")
        return result

    async def sleep(seconds: float) -> None:
        told.append(seconds)

    async def watched() -> None:
        await watch(check, schedule, is_restored=is_restored, sleep=sleep, jitter=lambda: 0.5)

    try:
        asyncio.run(watched())
    except EnoughError:
        told.append("still watching")
    return told


def test_without_an_interval_nothing_is_checked() -> None:
    """The default: one preflight at boot and no connection ever after."""
    assert [] == lived([PASSED], Schedule())


def test_checks_go_on_whatever_they_find() -> None:
    """A failure and a mismatch are followed by the next check after an interval, like a pass."""
    found = builders.report(builders.finding())
    expected = [60.0, "verdict", 60.0, "failed", 60.0, "verdict", 60.0, "still watching"]
    assert expected == lived([PASSED, FAILED, found], Schedule(interval_s=60.0))


def test_a_restored_pass_is_verified_at_once_and_until_there_is_a_verdict() -> None:
    """A process that has proved nothing itself does not wait for an interval, with drift checks off even."""
    schedule = Schedule(backoff=Backoff(base_s=2.0, max_s=6.0))
    assert ["failed", 1.5, "failed", 3.0, "failed", 4.5, "verdict"] == lived(
        [FAILED, FAILED, FAILED, PASSED, PASSED], schedule, is_restored=True
    )


def test_after_the_verification_the_interval_counts() -> None:
    """With drift checks on, the verification is the first of them."""
    schedule = Schedule(interval_s=60.0)
    assert ["verdict", 60.0, "verdict", 60.0, "still watching"] == lived([PASSED, PASSED], schedule, is_restored=True)


@given(st.floats(0, 1, exclude_max=True), st.floats(0.1, 86_400.0))
def test_waits_lie_between_half_and_one_and_a_half_of_the_interval(jitter: float, interval_s: float) -> None:
    """No two pods keep step for long, and the load on the database is that of the interval."""
    assert 0.5 * interval_s <= Schedule(interval_s=interval_s).wait_s(jitter) <= 1.5 * interval_s


@pytest.mark.parametrize("pods", [100])
def test_a_fleet_that_started_in_step_is_spread_by_its_first_wait(pods: int) -> None:
    """The first checks of pods that became ready in one second fill the whole interval."""
    waits = sorted(Schedule(interval_s=300.0).wait_s(number / pods) for number in range(pods))
    assert max(b - a for a, b in itertools.pairwise(waits)) < 4.0
    assert (150.0, 447.0) == (waits[0], waits[-1])
