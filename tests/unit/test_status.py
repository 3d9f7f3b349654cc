import json

import msgspec
import pytest

from sidecar.compatibility.migrations import sentence
from sidecar.model import MigrationPosition, Side
from sidecar.readiness import AttemptEnded, AttemptStarted, Concluded, DrainStarted, State, advance
from sidecar.report import Outcome
from sidecar.status import status_to_json, status_to_text, timestamp
from tests.unit import builders


def checking() -> State:
    state = advance(State(), AttemptStarted(at=0.0, number=1))
    ended = AttemptEnded(at=1.0, number=1, duration_s=0.12345, failure=builders.failure(), retry_in_s=0.98765)
    return advance(state, ended)


def concluded(outcome: Outcome) -> State:
    conclusion = builders.conclusion(outcome, builders.finding(), builders.warning())
    return advance(checking(), Concluded(at=86_400.0, conclusion=conclusion))


def blocked() -> State:
    position = MigrationPosition(side=Side.DATABASE_BEHIND, count=2)
    report = msgspec.structs.replace(builders.report(builders.finding(), builders.warning()), migrations=position)
    return advance(checking(), AttemptEnded(at=7.0, number=2, duration_s=0.5, report=report, retry_in_s=4.0))


STATES = {
    "starting": State(),
    "checking": checking(),
    "blocked": blocked(),
    "draining while blocked": advance(blocked(), DrainStarted(at=8.0, signal="SIGTERM")),
    "ready": concluded(Outcome.COMPATIBLE),
    "failed": concluded(Outcome.INCOMPATIBLE),
    "no verdict": concluded(Outcome.NO_VERDICT),
    "draining": advance(concluded(Outcome.COMPATIBLE), DrainStarted(at=5.0, signal="SIGTERM")),
}


@pytest.mark.parametrize("state", STATES.values(), ids=list(STATES))
def test_the_json_form_is_json_in_every_phase(state: State) -> None:
    """Programs can read the status whatever the phase, and it agrees with what /ready says."""
    value = json.loads(json.dumps(status_to_json(state), allow_nan=False))
    assert (state.is_ready, state.line, state.phase.value) == (value["ready"], value["line"], value["phase"])
    assert (state.conclusion is None) == (value["conclusion"] is None)


@pytest.mark.parametrize("state", STATES.values(), ids=list(STATES))
def test_the_text_begins_with_readiness(state: State) -> None:
    """A person sees first whether it is ready, and why not if it is not."""
    text = status_to_text(state)
    assert text.startswith("ready since " if state.is_ready else "not ready since ")
    assert text.endswith("\n")
    if not state.is_ready:
        assert state.line in text


def test_the_text_tells_findings_and_attempts() -> None:
    """The report's findings and every attempt with its failure and its wait stand in the text."""
    text = status_to_text(STATES["failed"])
    for part in (
        "column color of relation",
        "may hold NULL",
        "connection refused",
        "next in 1.0 s",
        "db.internal:5432",
    ):
        assert part in text


def test_attempts_are_rounded_for_programs() -> None:
    """Durations come in milliseconds' precision."""
    (attempt,) = status_to_json(checking())["attempts"]
    assert (0.123, 0.988, "1970-01-01T00:00:01Z") == (attempt["duration_s"], attempt["retry_in_s"], attempt["at"])


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "1970-01-01T00:00:00Z"), (1_700_000_000.9, "2023-11-14T22:13:20Z")]
)
def test_times_are_rfc_3339(seconds: float, text: str) -> None:
    """Times are told in UTC, to the second."""
    assert text == timestamp(seconds)


def test_a_blocked_state_tells_the_whole_report() -> None:
    """Programs find the mismatch that is being waited for, with its database and its side."""
    value = json.loads(json.dumps(status_to_json(blocked()), allow_nan=False))
    assert (False, "blocked", None) == (value["ready"], value["phase"], value["conclusion"])
    assert value["line"].startswith("blocked: column color of relation public.workflow does not exist")
    assert ["column-missing", "column-nullable"] == [finding["code"] for finding in value["blocked_by"]["findings"]]
    assert "app" == value["blocked_by"]["database"]["name"]
    assert "database behind" == value["blocked_by"]["migrations"]["side"]
    assert (4.0, None) == (value["attempts"][-1]["retry_in_s"], value["attempts"][-1]["failure"])


@pytest.mark.parametrize("name", [name for name in STATES if "blocked" not in name])
def test_no_other_state_is_blocked_by_anything(name: str) -> None:
    """The key is there in every phase, empty where nothing blocks."""
    assert status_to_json(STATES[name])["blocked_by"] is None


def test_the_text_of_a_blocked_state_reads_from_the_top() -> None:
    """A person sees that it is blocked, by what, which side is behind, and when the next look is."""
    lines = status_to_text(blocked()).splitlines()
    assert "not ready since 1970-01-01T00:00:07Z" == lines[0]
    assert lines[1].startswith("  blocked: column color of relation")
    position = blocked().report
    assert position is not None and position.migrations is not None
    assert f"  {sentence(position.migrations)}" == lines[2]
    assert any("column-missing: column color" in line for line in lines)
    assert lines[-1].endswith("verdict; next in 4.0 s")
