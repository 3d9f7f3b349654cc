import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model import Disposition, Failure, Finding
from sidecar.readiness import (
    ATTEMPTS_KEPT,
    AttemptEnded,
    AttemptStarted,
    Concluded,
    DrainStarted,
    DriftChecked,
    Event,
    PassRestored,
    Phase,
    State,
    advance,
)
from sidecar.report import Outcome
from tests.unit import builders

PASSED = Concluded(at=9.0, conclusion=builders.conclusion(Outcome.COMPATIBLE))
FAILURES = st.sampled_from([builders.failure(disposition) for disposition in Disposition])
TIMES = st.floats(-1e9, 1e12)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(AttemptStarted, at=TIMES, number=st.integers(1, 99)),
    st.builds(
        AttemptEnded,
        at=TIMES,
        number=st.integers(1, 99),
        duration_s=st.floats(0, 99),
        failure=FAILURES | st.none(),
        retry_in_s=st.floats(0, 99) | st.none(),
    ),
    st.builds(
        AttemptEnded,
        at=TIMES,
        number=st.integers(1, 99),
        duration_s=st.floats(0, 99),
        report=st.just(builders.report(builders.finding())),
        retry_in_s=st.floats(0, 99) | st.none(),
    ),
    st.builds(
        Concluded,
        at=TIMES,
        conclusion=st.sampled_from([builders.conclusion(outcome, builders.finding()) for outcome in Outcome]),
    ),
)
CHECKS = st.builds(
    DriftChecked,
    at=TIMES,
    duration_s=st.floats(0, 99),
    report=st.just(builders.report(builders.finding())) | st.just(builders.report()) | st.none(),
    failure=FAILURES,
)
EVENTS |= CHECKS
RESTORED = PassRestored(at=9.0, verdict_at=3.0, report=builders.report(builders.warning()))
DRAINS = st.builds(DrainStarted, at=TIMES, signal=st.sampled_from(["SIGTERM", "SIGINT"]))


def after(*events: Event) -> State:
    state = State()
    for event in events:
        state = advance(state, event)
    return state


def failed_attempt(number: int, failure: Failure | None = None) -> AttemptEnded:
    return AttemptEnded(
        at=float(number), number=number, duration_s=0.1, failure=failure or builders.failure(), retry_in_s=1.0
    )


@given(before=st.lists(EVENTS, max_size=5).filter(lambda es: not any(isinstance(e, Concluded) for e in es)),
       later=st.lists(EVENTS, max_size=12))  # fmt: skip
def test_ready_is_a_latch(before: list[Event], later: list[Event]) -> None:
    """Once the preflight passed, nothing that happens short of a shutdown changes readiness."""
    state = after(*before, PASSED)
    for event in later:
        state = advance(state, event)
        assert state.is_ready


@given(events=st.lists(EVENTS | DRAINS, max_size=8), later=st.lists(EVENTS | DRAINS, max_size=8), drain=DRAINS)
def test_a_drain_always_closes(events: list[Event], later: list[Event], drain: DrainStarted) -> None:
    """Once told to stop, the sidecar is not ready, whatever came before and comes after."""
    state = after(*events, drain)
    assert not state.is_ready
    for event in later:
        state = advance(state, event)
        assert not state.is_ready


@given(st.lists(EVENTS, max_size=15))
def test_nothing_but_a_passed_preflight_opens(events: list[Event]) -> None:
    """Ready means that the first conclusion was a passed preflight."""
    first = next((e.conclusion.outcome for e in events if isinstance(e, Concluded)), None)
    assert (first is Outcome.COMPATIBLE) == after(*events).is_ready


@given(st.lists(EVENTS, max_size=10), st.lists(EVENTS, max_size=10))
def test_what_failed_stays_failed(before: list[Event], later: list[Event]) -> None:
    """After a preflight that did not pass, no later event makes the sidecar ready."""
    failed = Concluded(at=1.0, conclusion=builders.conclusion(Outcome.NO_VERDICT))
    events = [event for event in before if not isinstance(event, Concluded)]
    assert not after(*events, failed, *later).is_ready


@pytest.mark.parametrize(
    ("events", "line"),
    [
        ((), "starting"),
        ((AttemptStarted(at=1.0, number=1),), "checking: attempt 1"),
        ((AttemptStarted(at=1.0, number=1), failed_attempt(1)), "checking: attempt 1, connection refused"),
        (
            (AttemptStarted(at=1.0, number=1), failed_attempt(1), AttemptStarted(at=2.0, number=2)),
            "checking: attempt 2, connection refused",
        ),
        ((PASSED,), "ready"),
        (
            (Concluded(at=1.0, conclusion=builders.conclusion(Outcome.INCOMPATIBLE, builders.finding())),),
            "incompatible: column color of relation public.workflow does not exist (42703)",
        ),
        ((Concluded(at=1.0, conclusion=builders.conclusion(Outcome.NO_VERDICT)),), "no verdict: connection refused"),
        ((Concluded(at=1.0, conclusion=builders.conclusion(Outcome.REFUSED)),), "refused: connection refused"),
        ((DrainStarted(at=1.0, signal="SIGTERM"),), "draining"),
        ((PASSED, DrainStarted(at=1.0, signal="SIGTERM")), "draining"),
    ],
)
def test_every_phase_has_its_line(events: tuple[Event, ...], line: str) -> None:
    """What /ready says tells where the sidecar is, and why it is not ready."""
    assert line == after(*events).line


@given(st.lists(EVENTS | DRAINS, max_size=10))
def test_the_line_is_one_line(events: list[Event]) -> None:
    """Whatever happened, there is one line to say."""
    line = after(*events).line
    assert line
    assert "\n" not in line


def test_a_phase_begins_once() -> None:
    """A second attempt does not restart the phase's clock, a change of phase does."""
    first = after(AttemptStarted(at=5.0, number=1))
    second = advance(advance(first, failed_attempt(1)), AttemptStarted(at=8.0, number=2))
    assert (Phase.CHECKING, 5.0) == (second.phase, second.since)
    assert (Phase.READY, 9.0) == (advance(second, PASSED).phase, advance(second, PASSED).since)


def test_attempts_are_remembered_up_to_a_bound() -> None:
    """A long preflight does not grow in memory: the newest attempts are kept."""
    state = after(*(failed_attempt(number) for number in range(1, ATTEMPTS_KEPT + 21)))
    assert ATTEMPTS_KEPT == len(state.attempts)
    assert (21, ATTEMPTS_KEPT + 20) == (state.attempts[0].number, state.attempts[-1].number)


def test_an_attempt_with_a_verdict_clears_the_reason() -> None:
    """A reason of an earlier attempt is not told once an attempt got through."""
    state = after(failed_attempt(1), AttemptEnded(at=2.0, number=2, duration_s=0.1, report=builders.report()))
    assert state.last_failure is None


def test_a_state_is_never_changed() -> None:
    """Advancing gives a new state and leaves the old one as it was."""
    state = State()
    advance(state, PASSED)
    assert State() == state


def test_a_drain_keeps_what_was_found() -> None:
    """While draining, the status still tells the verdict."""
    state = after(PASSED, DrainStarted(at=10.0, signal="SIGTERM"))
    assert PASSED.conclusion == state.conclusion
    assert PASSED.conclusion.report == state.report


GATING = builders.report(builders.finding())
BLOCKED = AttemptEnded(at=3.0, number=1, duration_s=0.1, report=GATING, retry_in_s=5.0)


def test_a_mismatch_that_is_checked_again_blocks() -> None:
    """While the grace for a migration runs, the sidecar says what it waits for, and is not ready."""
    state = after(AttemptStarted(at=1.0, number=1), BLOCKED)
    assert (Phase.BLOCKED, 3.0, GATING, GATING) == (state.phase, state.since, state.blocked_by, state.report)
    assert not state.is_ready
    assert "blocked: column color of relation public.workflow does not exist (42703)" == state.line
    assert (5.0, None) == (state.attempts[0].retry_in_s, state.attempts[0].failure)


def test_a_further_attempt_stays_blocked() -> None:
    """The next look goes on under the same phase, which began with the first mismatch."""
    state = after(AttemptStarted(at=1.0, number=1), BLOCKED, AttemptStarted(at=8.0, number=2))
    assert (Phase.BLOCKED, 3.0, 2, GATING) == (state.phase, state.since, state.attempt, state.blocked_by)
    again = advance(state, AttemptEnded(at=9.0, number=2, duration_s=0.1, report=GATING, retry_in_s=5.0))
    assert (Phase.BLOCKED, 3.0) == (again.phase, again.since)


def test_a_newer_mismatch_replaces_the_older() -> None:
    """What blocks is what the last look found: a migration that is half done has mended half."""
    newer = builders.report(builders.finding("another"))
    state = after(BLOCKED, AttemptEnded(at=9.0, number=2, duration_s=0.1, report=newer, retry_in_s=5.0))
    assert "blocked: another (42703)" == state.line


def test_a_lost_connection_while_blocked_is_told() -> None:
    """Where the look itself failed, that is what the sidecar is busy with."""
    state = after(BLOCKED, AttemptStarted(at=8.0, number=2), failed_attempt(9))
    assert (Phase.CHECKING, 9.0, None) == (state.phase, state.since, state.blocked_by)
    assert "checking: attempt 2, connection refused" == state.line
    assert state.report is None


def test_a_verdict_that_stands_blocks_no_more() -> None:
    """The last look's verdict is announced without a wait, and the conclusion follows."""
    last = AttemptEnded(at=9.0, number=2, duration_s=0.1, report=GATING)
    failed = Concluded(at=9.0, conclusion=builders.conclusion(Outcome.INCOMPATIBLE, builders.finding()))
    state = after(BLOCKED, last, failed)
    assert (Phase.FAILED, None) == (state.phase, state.blocked_by)
    assert failed.conclusion.report == state.report
    assert state.line.startswith("incompatible: ")


def test_a_migration_that_ran_opens() -> None:
    """A compatible verdict within the grace opens like any other."""
    state = after(BLOCKED, AttemptEnded(at=9.0, number=2, duration_s=0.1, report=builders.report()), PASSED)
    assert (Phase.READY, True, None) == (state.phase, state.is_ready, state.blocked_by)


def test_a_drain_while_blocked_keeps_the_reason() -> None:
    """Whoever stops a blocked sidecar can still read what blocked it."""
    state = after(BLOCKED, DrainStarted(at=10.0, signal="SIGTERM"))
    assert (Phase.DRAINING, "draining", GATING) == (state.phase, state.line, state.report)


def test_a_strict_mismatch_blocks_with_the_warning() -> None:
    """Where warnings gate, a warning is what blocks."""
    report = builders.report(builders.warning(), strict=True)
    state = after(AttemptEnded(at=3.0, number=1, duration_s=0.1, report=report, retry_in_s=5.0))
    assert "blocked: column public.workflow.name may hold NULL" == state.line


def checked(at: float, *findings: Finding, failure: Failure | None = None) -> DriftChecked:
    return DriftChecked(at=at, duration_s=0.1, report=None if failure else builders.report(*findings), failure=failure)


@given(later=st.lists(EVENTS | st.just(RESTORED), max_size=12))
def test_a_restored_pass_is_a_latch_like_any_other(later: list[Event]) -> None:
    """Ready by the state file is ready: nothing short of a shutdown takes it back."""
    assert after(RESTORED, *later).is_ready


def test_a_restored_pass_tells_where_it_came_from() -> None:
    """The verdict is the old one, with its time and its findings; this process made no attempt."""
    state = after(RESTORED)
    assert (Phase.READY, 9.0, 3.0, RESTORED.report, ()) == (
        state.phase,
        state.since,
        state.restored_from,
        state.report,
        state.attempts,
    )


@given(st.lists(CHECKS, min_size=1, max_size=6))
def test_no_check_opens_anything(events: list[Event]) -> None:
    """Before the preflight has passed, a check is nobody's business."""
    assert State() == after(*events)


def test_drift_is_what_was_not_there_when_ready_opened() -> None:
    """A warning of the verdict that opened is known; what came after it is told, with the time it was first seen."""
    state = after(RESTORED, checked(20.0, builders.warning()), checked(30.0, builders.warning(), builders.finding()))
    assert state.drift is not None
    assert ((builders.finding(),), 30.0, 2, True) == (
        state.drift.findings,
        state.drift.since,
        state.drift.checks,
        state.drift.is_news,
    )
    again = advance(state, checked(40.0, builders.finding("the same in other words")))
    assert again.drift is not None
    assert (30.0, 40.0, False) == (again.drift.since, again.drift.at, again.drift.is_news)


def test_what_the_contract_accepts_is_no_drift() -> None:
    """An accepted finding is known, by definition."""
    state = after(PASSED, checked(20.0, builders.finding(accepted="we know")))
    assert state.drift is not None
    assert () == state.drift.findings


def test_drift_that_was_mended_is_news_once() -> None:
    """When the findings are gone, that is told once."""
    state = after(PASSED, checked(20.0, builders.finding()), checked(30.0))
    assert state.drift is not None
    assert ((), 30.0, True) == (state.drift.findings, state.drift.since, state.drift.is_news)
    again = advance(state, checked(40.0))
    assert again.drift is not None
    assert (30.0, False) == (again.drift.since, again.drift.is_news)


def test_a_check_that_failed_forgets_nothing() -> None:
    """While the database is away, the last verdict and its findings stay, and since when nothing is known is told."""
    found = checked(20.0, builders.finding())
    state = after(PASSED, found, checked(30.0, failure=builders.failure()), checked(40.0, failure=builders.failure()))
    assert state.drift is not None
    assert (found.report, (builders.finding(),), 20.0) == (state.drift.report, state.drift.findings, state.drift.since)
    assert (30.0, 40.0, False) == (state.drift.failing_since, state.drift.at, state.drift.is_news)
    back = advance(state, checked(50.0, builders.finding()))
    assert back.drift is not None
    assert (None, None, True) == (back.drift.failing_since, back.drift.failure, back.drift.is_news)


def test_a_name_cannot_break_the_line() -> None:
    """A column whose name has a line break stays in one line of /ready."""
    report = builders.report(builders.finding("column co\nlor\u202e does not exist"))
    state = after(AttemptEnded(at=3.0, number=1, duration_s=0.1, report=report, retry_in_s=5.0))
    assert r"blocked: column co\nlor\u202e does not exist (42703)" == state.line
