import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model import Disposition, Failure
from sidecar.readiness import (
    ATTEMPTS_KEPT,
    AttemptEnded,
    AttemptStarted,
    Concluded,
    DrainStarted,
    Event,
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
        Concluded,
        at=TIMES,
        conclusion=st.sampled_from([builders.conclusion(outcome, builders.finding()) for outcome in Outcome]),
    ),
)
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
