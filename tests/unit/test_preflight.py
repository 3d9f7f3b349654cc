from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.backoff import Backoff
from sidecar.model import CONNECTION_LOST, Disposition, Failure
from sidecar.preflight import PATIENCE, Policy, preflight
from sidecar.readiness import AttemptEnded, AttemptStarted, Concluded, Event
from sidecar.report import Conclusion, Outcome, Report
from tests.unit import builders

Result = Report | Failure
RETRY = builders.failure(Disposition.RETRY)
COMPATIBLE = builders.report()
INCOMPATIBLE = builders.report(builders.finding())


class World:
    """A fake clock, a fake sleep and a scripted database; everything that happens is noted."""

    def __init__(
        self,
        results: Iterable[Result],
        *,
        took_s: float = 0.1,
        jitter: float = 0.5,
        overslept_s: float = 0.0,
        wall_clock: Callable[[], float] = lambda: 1_700_000_000.0,
    ) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []
        self.budgets: list[float] = []
        self.timeouts: list[int] = []
        self.events: list[Event] = []
        self._results = list(results)
        self._took_s = took_s
        self._jitter = jitter
        self._overslept_s = overslept_s
        self._wall_clock = wall_clock

    async def attempt(self, budget_s: float, timeouts: int) -> Result:
        self.budgets.append(budget_s)
        self.timeouts.append(timeouts)
        self.now += min(self._took_s, budget_s)
        return self._results.pop(0) if len(self._results) > 1 else self._results[0]

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds + self._overslept_s

    async def run(self, policy: Policy) -> Conclusion:
        return await preflight(
            self.attempt,
            policy,
            clock=lambda: self.now,
            wall_clock=self._wall_clock,
            sleep=self.sleep,
            jitter=lambda: self._jitter,
            notify=self.events.append,
        )

    @property
    def elapsed_s(self) -> float:
        return self.now - 1000.0


async def test_a_verdict_at_once_needs_one_attempt() -> None:
    """A fitting schema is told after a single attempt and no wait."""
    world = World([COMPATIBLE])
    conclusion = await world.run(Policy())
    assert (Outcome.COMPATIBLE, 1, COMPATIBLE) == (conclusion.outcome, conclusion.attempts, conclusion.report)
    assert [] == world.sleeps


async def test_a_mismatch_is_never_tried_again() -> None:
    """A schema that does not fit fails fast: one attempt, no wait."""
    world = World([INCOMPATIBLE, COMPATIBLE])
    conclusion = await world.run(Policy())
    assert (Outcome.INCOMPATIBLE, 1, INCOMPATIBLE) == (conclusion.outcome, conclusion.attempts, conclusion.report)
    assert [] == world.sleeps


async def test_strict_makes_a_warning_a_mismatch() -> None:
    """In a strict report a warning gates."""
    assert (
        Outcome.INCOMPATIBLE is (await World([builders.report(builders.warning(), strict=True)]).run(Policy())).outcome
    )
    assert Outcome.COMPATIBLE is (await World([builders.report(builders.warning())]).run(Policy())).outcome


@pytest.mark.parametrize("failures", [1, 2, 5, 12])
async def test_a_database_that_comes_back_is_found(failures: int) -> None:
    """After any number of failures before the deadline, a verdict counts as if it had come at once."""
    world = World([RETRY] * failures + [COMPATIBLE])
    conclusion = await world.run(Policy(deadline_s=1000.0))
    assert (Outcome.COMPATIBLE, failures + 1) == (conclusion.outcome, conclusion.attempts)
    assert failures == len(world.sleeps)
    assert conclusion.failure is None


async def test_a_mismatch_after_failures_is_a_mismatch() -> None:
    """Failures before it do not soften a verdict."""
    assert Outcome.INCOMPATIBLE is (await World([RETRY, RETRY, INCOMPATIBLE]).run(Policy())).outcome


async def test_waits_grow_up_to_the_bound() -> None:
    """Waits double from one attempt to the next until they reach the maximum."""
    world = World([RETRY], jitter=0.0)
    await world.run(Policy(deadline_s=60.0, backoff=Backoff(base_s=0.5, max_s=10.0)))
    assert [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0] == world.sleeps[:7]


async def test_waits_are_jittered() -> None:
    """Two sidecars with different luck wait differently long."""
    one, two = World([RETRY], jitter=0.1), World([RETRY], jitter=0.9)
    await one.run(Policy())
    await two.run(Policy())
    assert all(a < b for a, b in zip(one.sleeps, two.sleeps, strict=False))


async def test_there_is_no_wait_after_the_last_attempt_before_the_deadline() -> None:
    """When no time is left for a wait and an attempt, the end is told at once."""
    world = World([RETRY], took_s=1.0)
    conclusion = await world.run(Policy(deadline_s=20.0))
    assert (Outcome.NO_VERDICT, RETRY) == (conclusion.outcome, conclusion.failure)
    assert len(world.sleeps) == conclusion.attempts - 1
    assert conclusion.elapsed_s == pytest.approx(world.elapsed_s)


@pytest.mark.parametrize("attempts", [1, 2, 7])
async def test_there_is_no_wait_after_max_attempts(attempts: int) -> None:
    """The bound on attempts ends the preflight right after the last of them."""
    world = World([RETRY])
    conclusion = await world.run(Policy(deadline_s=10_000.0, max_attempts=attempts))
    assert (Outcome.NO_VERDICT, attempts) == (conclusion.outcome, conclusion.attempts)
    assert attempts - 1 == len(world.sleeps)


@pytest.mark.parametrize(
    ("disposition", "attempts", "outcome"),
    [
        (Disposition.REFUSED, 3, Outcome.REFUSED),
        (Disposition.MISCONFIGURED, 3, Outcome.MISCONFIGURED),
        (Disposition.UNDETERMINED, 5, Outcome.NO_VERDICT),
    ],
)
async def test_patience_ends_without_a_wait(disposition: Disposition, attempts: int, outcome: Outcome) -> None:
    """What does not heal by waiting is given a few attempts, and then told without a further wait."""
    world = World([builders.failure(disposition)])
    conclusion = await world.run(Policy(deadline_s=10_000.0))
    assert (outcome, attempts) == (conclusion.outcome, conclusion.attempts)
    assert attempts - 1 == len(world.sleeps)


async def test_patience_counts_failures_in_a_row() -> None:
    """A refusal with an outage in between starts its count again: a secret may be being rotated."""
    refused = builders.failure(Disposition.REFUSED)
    world = World([refused, refused, RETRY, refused, refused, COMPATIBLE])
    assert Outcome.COMPATIBLE is (await world.run(Policy())).outcome


async def test_a_lost_connection_does_not_start_the_count_again() -> None:
    """In TLS 1.3 a refusal can look like a lost connection, at any attempt: the refusals that are seen add up."""
    refused = builders.failure(Disposition.REFUSED)
    lost = builders.failure(reason=CONNECTION_LOST)
    conclusion = await World([refused, lost, lost, refused, lost, refused, COMPATIBLE]).run(Policy())
    assert (Outcome.REFUSED, 6) == (conclusion.outcome, conclusion.attempts)


async def test_an_outage_is_tried_until_the_deadline() -> None:
    """A database that is away has the whole deadline to come back."""
    world = World([RETRY])
    conclusion = await world.run(Policy(deadline_s=600.0))
    assert conclusion.attempts > 50
    assert 585.0 < world.elapsed_s <= 600.0


async def test_an_attempts_bound_never_goes_beyond_the_deadline() -> None:
    """Each attempt is told how long it may take: its own bound or what is left, whichever is less."""
    world = World([RETRY], took_s=30.0)
    await world.run(Policy(deadline_s=100.0, attempt_timeout_s=60.0))
    assert 60.0 == world.budgets[0]
    assert world.budgets[-1] < 60.0
    assert world.elapsed_s <= 100.0


async def test_statement_timeouts_are_counted_and_passed_on() -> None:
    """An attempt learns how many before it ran into the statement timeout, other failures not counted."""
    timeout = builders.failure(sqlstate="57014")
    world = World([timeout, RETRY, timeout, builders.failure(sqlstate="55P03"), COMPATIBLE])
    await world.run(Policy())
    assert [0, 1, 1, 2, 2] == world.timeouts


async def test_jumps_of_the_wall_clock_change_nothing() -> None:
    """The deadline is measured by the monotonic clock: a corrected system time neither ends nor prolongs it."""
    jumps = iter([0.0, 1e9, -1e9, 5e9] * 1000)
    jumping, steady = World([RETRY], wall_clock=lambda: next(jumps)), World([RETRY])
    assert await steady.run(Policy()) == await jumping.run(Policy())
    assert steady.sleeps == jumping.sleeps


async def test_everything_is_told_in_order() -> None:
    """Each attempt's begin and end is told with its number, the conclusion once and last."""
    world = World([RETRY, RETRY, COMPATIBLE], jitter=0.0)
    conclusion = await world.run(Policy())
    kinds = [(type(event), getattr(event, "number", None)) for event in world.events]
    assert [
        *((kind, number) for number in (1, 2, 3) for kind in (AttemptStarted, AttemptEnded)),
        (Concluded, None),
    ] == kinds
    ended = [event for event in world.events if isinstance(event, AttemptEnded)]
    assert [0.25, 0.5, None] == [event.retry_in_s for event in ended]
    assert [RETRY, RETRY, None] == [event.failure for event in ended]
    assert [pytest.approx(0.1)] * 3 == [event.duration_s for event in ended]
    last = world.events[-1]
    assert isinstance(last, Concluded)
    assert conclusion is last.conclusion


async def test_the_last_failed_attempt_announces_no_wait() -> None:
    """Where no attempt follows, none is announced."""
    world = World([RETRY])
    await world.run(Policy(max_attempts=2))
    ended = [event for event in world.events if isinstance(event, AttemptEnded)]
    assert [False, True] == [event.retry_in_s is None for event in ended]


async def test_a_wait_that_took_too_long_leaves_no_negative_bound() -> None:
    """A machine that slept through the deadline does not hand an attempt less than no time."""
    world = World([RETRY], overslept_s=500.0)
    conclusion = await world.run(Policy(deadline_s=100.0))
    assert Outcome.NO_VERDICT is conclusion.outcome
    assert all(budget_s > 0 for budget_s in world.budgets)


@pytest.mark.parametrize("disposition", Disposition)
def test_every_disposition_has_its_patience(disposition: Disposition) -> None:
    """No kind of failure is without a rule."""
    assert disposition in PATIENCE


@given(
    results=st.lists(
        st.sampled_from([*(builders.failure(d) for d in Disposition), COMPATIBLE, INCOMPATIBLE]), min_size=1
    ),
    deadline_s=st.floats(0.1, 1000),
    max_attempts=st.integers(1, 30) | st.none(),
    took_s=st.floats(0.01, 50),
    base_s=st.floats(0.05, 10),
    max_s=st.floats(0.05, 60),
    jitter=st.floats(0, 1, exclude_max=True),
)
async def test_the_bounds_hold_for_any_course_of_events(
    *,
    results: list[Result],
    deadline_s: float,
    max_attempts: int | None,
    took_s: float,
    base_s: float,
    max_s: float,
    jitter: float,
) -> None:
    """Whatever happens: the deadline and the number of attempts hold, and no wait follows the last attempt."""
    world = World(results, took_s=took_s, jitter=jitter)
    policy = Policy(
        deadline_s=deadline_s,
        max_attempts=max_attempts,
        attempt_timeout_s=20.0,
        backoff=Backoff(base_s=base_s, max_s=max_s),
    )
    conclusion = await world.run(policy)
    assert world.elapsed_s <= deadline_s + 1e-6
    assert conclusion.attempts <= (max_attempts or conclusion.attempts)
    assert conclusion.attempts - 1 == len(world.sleeps)
    assert all(0 < budget_s <= 20.0 for budget_s in world.budgets)
    assert (conclusion.report is None) != (conclusion.failure is None)
    assert isinstance(world.events[-1], Concluded)


QUICK = Backoff(base_s=1.0, max_s=8.0)


def shown(world: World) -> list[float | None]:
    """Return the waits that were announced, attempt by attempt."""
    return [event.retry_in_s for event in world.events if isinstance(event, AttemptEnded)]


async def test_a_mismatch_within_its_grace_is_checked_again() -> None:
    """While a migration may still be running, an incompatible verdict is repeated; a compatible one opens at once."""
    world = World([INCOMPATIBLE, INCOMPATIBLE, COMPATIBLE], jitter=0.0)
    conclusion = await world.run(Policy(mismatch_grace_s=60.0, backoff=QUICK))
    assert (Outcome.COMPATIBLE, 3, COMPATIBLE) == (conclusion.outcome, conclusion.attempts, conclusion.report)
    assert [0.5, 1.0] == world.sleeps
    assert [0.5, 1.0, None] == shown(world)


async def test_the_last_look_is_exactly_at_the_end_of_the_grace() -> None:
    """The waits grow as the back-off says, the last is cut to what is left, and after it there is none."""
    world = World([INCOMPATIBLE], took_s=0.0, jitter=0.0)
    conclusion = await world.run(Policy(deadline_s=1000.0, mismatch_grace_s=20.0, backoff=QUICK))
    assert (Outcome.INCOMPATIBLE, INCOMPATIBLE) == (conclusion.outcome, conclusion.report)
    assert [0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0] == world.sleeps[:7]
    assert [pytest.approx(0.5)] == world.sleeps[7:]
    assert [pytest.approx(20.0), 9] == [world.elapsed_s, conclusion.attempts]
    assert shown(world)[-1] is None


async def test_the_grace_counts_from_the_first_verdict() -> None:
    """Neither the time before the first verdict nor a later verdict moves the end."""
    world = World([RETRY] * 4 + [INCOMPATIBLE], took_s=0.5, jitter=0.0)
    await world.run(Policy(deadline_s=1000.0, mismatch_grace_s=30.0, backoff=QUICK))
    first = next(n for n, event in enumerate(ended for ended in world.events if isinstance(ended, AttemptEnded)
                                             ) if event.report is not None)  # fmt: skip
    before = sum(world.sleeps[:first]) + 0.5 * (first + 1)
    assert before + 30.0 <= world.elapsed_s <= before + 30.0 + 0.5 + 1e-6


@pytest.mark.parametrize("base_s", [0.01, 0.05, 0.08])
async def test_a_short_back_off_does_not_end_the_grace(base_s: float) -> None:
    """A wait that is shorter than an attempt is still a wait: the grace lasts as long as it says."""
    world = World([INCOMPATIBLE] * 5 + [COMPATIBLE], jitter=0.0)
    policy = Policy(mismatch_grace_s=60.0, backoff=Backoff(base_s=base_s, max_s=base_s))
    assert Outcome.COMPATIBLE is (await world.run(policy)).outcome


async def test_without_a_grace_a_mismatch_stands() -> None:
    """A grace of no time is none: one attempt, no wait."""
    world = World([INCOMPATIBLE, COMPATIBLE])
    assert Outcome.INCOMPATIBLE is (await world.run(Policy(mismatch_grace_s=0.0))).outcome
    assert [] == world.sleeps


@pytest.mark.parametrize("attempts", [1, 2, 5])
async def test_the_number_of_attempts_bounds_the_grace(attempts: int) -> None:
    """The last attempt's verdict stands, however much of the grace is left, and no wait follows it."""
    world = World([INCOMPATIBLE])
    conclusion = await world.run(Policy(max_attempts=attempts, mismatch_grace_s=1e6, deadline_s=10.0))
    assert (Outcome.INCOMPATIBLE, attempts, attempts - 1) == (
        conclusion.outcome,
        conclusion.attempts,
        len(world.sleeps),
    )
    assert shown(world)[-1] is None


async def test_a_lost_connection_within_the_grace_is_tried_again() -> None:
    """A server that restarts while the migration runs does not end the grace, though the deadline has passed."""
    world = World([INCOMPATIBLE] + [RETRY] * 12 + [COMPATIBLE], jitter=0.0)
    conclusion = await world.run(Policy(deadline_s=5.0, mismatch_grace_s=120.0, backoff=QUICK))
    assert Outcome.COMPATIBLE is conclusion.outcome
    assert world.elapsed_s > 5.0


@pytest.mark.parametrize(("deadline_s", "grace_s"), [(5.0, 60.0), (60.0, 5.0)])
async def test_a_connection_that_stays_lost_is_tried_until_both_ends(deadline_s: float, grace_s: float) -> None:
    """The later of deadline and grace counts for failures, and then the failure is what is told."""
    world = World([INCOMPATIBLE, RETRY], jitter=0.0)
    conclusion = await world.run(Policy(deadline_s=deadline_s, mismatch_grace_s=grace_s, backoff=QUICK))
    assert (Outcome.NO_VERDICT, RETRY) == (conclusion.outcome, conclusion.failure)
    assert 55.0 < world.elapsed_s <= 60.2


async def test_patience_within_the_grace_is_what_it_is_elsewhere() -> None:
    """A refusal that repeats ends the preflight, and a verdict in between starts its count again."""
    refused = builders.failure(Disposition.REFUSED)
    again = World([INCOMPATIBLE, refused, refused, INCOMPATIBLE, refused, refused, COMPATIBLE])
    assert Outcome.COMPATIBLE is (await again.run(Policy(mismatch_grace_s=100.0))).outcome
    ending = World([INCOMPATIBLE, refused])
    assert Outcome.REFUSED is (await ending.run(Policy(mismatch_grace_s=100.0))).outcome


class Hasty(World):
    """A database whose attempts fail where they are given less time than they take, as a real one's do."""

    async def attempt(self, budget_s: float, timeouts: int) -> Result:
        result = await super().attempt(budget_s, timeouts)
        return result if budget_s >= self._took_s else builders.failure(reason="attempt timed out")


@pytest.mark.parametrize(("deadline_s", "grace_s"), [(10.0, 60.0), (10.0, 10.0), (60.0, 10.0), (10.0, 9.0)])
async def test_the_last_look_has_time_to_look(deadline_s: float, grace_s: float) -> None:
    """At the end of a grace that outlives the deadline, the attempt still gets the time that an attempt takes."""
    world = Hasty([INCOMPATIBLE], took_s=0.5, jitter=0.0)
    conclusion = await world.run(Policy(deadline_s=deadline_s, mismatch_grace_s=grace_s, backoff=QUICK))
    assert Outcome.INCOMPATIBLE is conclusion.outcome
    assert all(budget_s >= 0.5 for budget_s in world.budgets)


async def test_a_migration_that_ends_with_the_grace_opens() -> None:
    """What became compatible by the last look is compatible."""
    world = Hasty([*[INCOMPATIBLE] * 7, COMPATIBLE], took_s=0.01, jitter=0.0)
    conclusion = await world.run(Policy(deadline_s=5.0, mismatch_grace_s=20.0, backoff=QUICK))
    assert (Outcome.COMPATIBLE, 8) == (conclusion.outcome, conclusion.attempts)


async def test_a_machine_that_slept_through_the_grace_looks_once_more() -> None:
    """A wait that took far too long is followed by a look with time to it, never by one without."""
    world = Hasty([INCOMPATIBLE], took_s=0.5, overslept_s=500.0)
    conclusion = await world.run(Policy(deadline_s=10.0, mismatch_grace_s=30.0))
    assert (Outcome.INCOMPATIBLE, 2) == (conclusion.outcome, conclusion.attempts)
    assert all(budget_s > 0 for budget_s in world.budgets)


async def test_waits_within_the_grace_are_jittered() -> None:
    """A fleet that met the same mismatch does not come back in the same moment."""
    one, two = World([INCOMPATIBLE], jitter=0.1), World([INCOMPATIBLE], jitter=0.9)
    for world in (one, two):
        await world.run(Policy(mismatch_grace_s=60.0))
    assert all(a < b for a, b in zip(one.sleeps[:-1], two.sleeps[:-1], strict=False))


@given(
    results=st.lists(
        st.sampled_from([*(builders.failure(d) for d in Disposition), COMPATIBLE, INCOMPATIBLE]), min_size=1
    ),
    deadline_s=st.floats(0.1, 300),
    grace_s=st.floats(0, 300),
    max_attempts=st.integers(1, 30) | st.none(),
    took_s=st.floats(0.01, 50),
    base_s=st.floats(0.05, 10),
    jitter=st.floats(0, 1, exclude_max=True),
)
async def test_the_bounds_hold_with_a_grace_too(
    *,
    results: list[Result],
    deadline_s: float,
    grace_s: float,
    max_attempts: int | None,
    took_s: float,
    base_s: float,
    jitter: float,
) -> None:
    """Whatever happens: the grace prolongs by no more than itself and one attempt, and no wait follows the last."""
    world = World(results, took_s=took_s, jitter=jitter)
    policy = Policy(
        deadline_s=deadline_s,
        mismatch_grace_s=grace_s,
        max_attempts=max_attempts,
        attempt_timeout_s=20.0,
        backoff=Backoff(base_s=base_s, max_s=10.0),
    )
    conclusion = await world.run(policy)
    assert world.elapsed_s <= deadline_s + grace_s + 20.0 + 1e-6
    assert conclusion.attempts <= (max_attempts or conclusion.attempts)
    assert conclusion.attempts - 1 == len(world.sleeps)
    assert all(0 < budget_s <= 20.0 for budget_s in world.budgets)
    assert all(seconds > 0 for seconds in world.sleeps)
    assert shown(world)[-1] is None
    assert world.sleeps == shown(world)[:-1]
    if COMPATIBLE in results[: conclusion.attempts]:
        assert Outcome.COMPATIBLE is conclusion.outcome
