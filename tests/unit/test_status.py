import html
import json
import re

import msgspec
import pytest

from sidecar.compatibility.migrations import sentence
from sidecar.model import MigrationPosition, Side
from sidecar.readiness import (
    AttemptEnded,
    AttemptStarted,
    Concluded,
    DrainStarted,
    DriftChecked,
    PassRestored,
    State,
    advance,
)
from sidecar.report import Outcome
from sidecar.status import About, status_to_json, status_to_page, status_to_text, timestamp
from sidecar.status.overview import duration, overview
from tests.unit import builders

NOW = 90_000.0
ABOUT = About(
    version="1.2.3",
    python="3.13.0",
    contract=builders.report().contract,
    contract_file="/etc/schema-readiness/contract.json",
    contract_written_at=3_600.0,
    drift_interval_s=300.0,
    settings=(("SIDECAR_DEADLINE_S", "120"), ("SIDECAR_POD_UID", ""), ("database", "from DATABASE_URL")),
    notes=("state file not used: /var/lib/pass.json: of another pod",),
)


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


def drifted() -> State:
    position = MigrationPosition(side=Side.DATABASE_AHEAD, count=1)
    report = msgspec.structs.replace(builders.report(builders.finding(), builders.warning()), migrations=position)
    passed = Concluded(at=86_400.0, conclusion=builders.conclusion(Outcome.COMPATIBLE, builders.warning()))
    return advance(advance(checking(), passed), DriftChecked(at=89_000.0, duration_s=0.01, report=report))


def restored() -> State:
    return advance(State(), PassRestored(at=88_000.0, verdict_at=80_000.0, report=builders.report()))


def unverified() -> State:
    return advance(restored(), DriftChecked(at=88_001.0, duration_s=0.01, failure=builders.failure()))


STATES = {
    "starting": State(),
    "checking": checking(),
    "blocked": blocked(),
    "draining while blocked": advance(blocked(), DrainStarted(at=8.0, signal="SIGTERM")),
    "ready": concluded(Outcome.COMPATIBLE),
    "drifted": drifted(),
    "restored": restored(),
    "unverified": unverified(),
    "failed": concluded(Outcome.INCOMPATIBLE),
    "no verdict": concluded(Outcome.NO_VERDICT),
    "draining": advance(concluded(Outcome.COMPATIBLE), DrainStarted(at=5.0, signal="SIGTERM")),
}


@pytest.mark.parametrize("state", STATES.values(), ids=list(STATES))
def test_the_json_form_is_json_in_every_phase(state: State) -> None:
    """Programs can read the status whatever the phase, and it agrees with what /ready says."""
    value = json.loads(json.dumps(status_to_json(state, ABOUT), allow_nan=False))
    assert (state.is_ready, state.line, state.phase.value) == (value["ready"], value["line"], value["phase"])
    assert (state.conclusion is None) == (value["conclusion"] is None)


@pytest.mark.parametrize("state", STATES.values(), ids=list(STATES))
def test_the_text_begins_with_readiness(state: State) -> None:
    """A person sees first whether it is ready, and why not if it is not."""
    text = status_to_text(state, ABOUT, NOW)
    assert text.startswith("ready since " if state.is_ready else "not ready since ")
    assert text.endswith("\n")
    if not state.is_ready:
        assert state.line in words(text)


def test_the_text_tells_findings_and_attempts() -> None:
    """The report's findings and every attempt with its failure and its wait stand in the text."""
    text = status_to_text(STATES["failed"], ABOUT, NOW)
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
    (attempt,) = status_to_json(checking(), ABOUT)["attempts"]
    assert (0.123, 0.988, "1970-01-01T00:00:01Z") == (attempt["duration_s"], attempt["retry_in_s"], attempt["at"])


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "1970-01-01T00:00:00Z"), (1_700_000_000.9, "2023-11-14T22:13:20Z")]
)
def test_times_are_rfc_3339(seconds: float, text: str) -> None:
    """Times are told in UTC, to the second."""
    assert text == timestamp(seconds)


def test_a_blocked_state_tells_the_whole_report() -> None:
    """Programs find the mismatch that is being waited for, with its database and its side."""
    value = json.loads(json.dumps(status_to_json(blocked(), ABOUT), allow_nan=False))
    assert (False, "blocked", None) == (value["ready"], value["phase"], value["conclusion"])
    assert value["line"].startswith("blocked: column color of relation public.workflow does not exist")
    assert ["column-missing", "column-nullable"] == [finding["code"] for finding in value["blocked_by"]["findings"]]
    assert "app" == value["blocked_by"]["database"]["name"]
    assert "database behind" == value["blocked_by"]["migrations"]["side"]
    assert (4.0, None) == (value["attempts"][-1]["retry_in_s"], value["attempts"][-1]["failure"])


@pytest.mark.parametrize("name", [name for name in STATES if "blocked" not in name])
def test_no_other_state_is_blocked_by_anything(name: str) -> None:
    """The key is there in every phase, empty where nothing blocks."""
    assert status_to_json(STATES[name], ABOUT)["blocked_by"] is None


def words(text: str) -> str:
    """The text without its layout."""
    return " ".join(text.split())


def test_the_text_of_a_blocked_state_reads_from_the_top() -> None:
    """A person sees that it is blocked, by what, which side is behind, and when the next look is."""
    text = status_to_text(blocked(), ABOUT, NOW)
    lines = text.splitlines()
    assert "not ready since 1970-01-01T00:00:07Z (1 d 59 min ago)" == lines[0]
    assert lines[1].startswith("  why       blocked: column color of relation")
    position = blocked().report
    assert position is not None and position.migrations is not None
    assert words(f"do {sentence(position.migrations)} note") in words(text)
    assert any("column-missing: column color" in line for line in lines)
    assert "verdict; next in 4.0 s" in text


@pytest.mark.parametrize("state", STATES.values(), ids=list(STATES))
def test_the_text_fits_a_terminal(state: State) -> None:
    """No line is wider than 80 columns, whatever the phase."""
    assert [] == [line for line in status_to_text(state, ABOUT, NOW).splitlines() if len(line) > 80]


def test_a_long_name_is_not_cut() -> None:
    """A name that is wider than the terminal stays whole, for whoever copies it."""
    name = "public." + "w" * 63 + "." + "c" * 63
    conclusion = builders.conclusion(Outcome.INCOMPATIBLE, builders.finding(f"column {name} does not exist"))
    assert name in status_to_text(advance(State(), Concluded(at=1.0, conclusion=conclusion)), ABOUT, NOW)


def test_drift_is_told_first_and_what_to_do() -> None:
    """Drift, since when, what to do, and the finding that was not there before: the known warning stays below."""
    text = status_to_text(drifted(), ABOUT, NOW)
    assert text.startswith("ready since")
    assert "drift 1 finding since 1970-01-02T00:43:20Z (16 min 40 s ago); /ready stays open" in words(text)
    assert "do the database is 1 migration ahead of this image" in words(text)
    assert text.index("drift, found after ready") < text.index("column-missing") < text.index("findings of the verdict")
    value = status_to_json(drifted(), ABOUT)
    assert (True, "incompatible", ["column-missing"]) == (
        value["ready"],
        value["drift"]["verdict"],
        [finding["code"] for finding in value["drift"]["findings"]],
    )
    assert value["advice"].startswith("the database is 1 migration ahead")


def test_a_restored_pass_says_so() -> None:
    """Whoever reads the status knows that this process has proved nothing yet, and since when it tries in vain."""
    assert "reached 1970-01-01T22:13:20Z before this container restarted" in words(
        status_to_text(restored(), ABOUT, NOW)
    )
    assert "drift not known: the first check of this process is under way" in words(
        status_to_text(restored(), ABOUT, NOW)
    )
    assert "drift not known for 33 min 19 s: connection refused; 1 check" in words(
        status_to_text(unverified(), ABOUT, NOW)
    )
    assert "1970-01-01T22:13:20Z" == status_to_json(restored(), ABOUT)["restored_from"]


@pytest.mark.parametrize(
    ("interval_s", "text"),
    [(0.0, "not looked for (SIDECAR_DRIFT_INTERVAL_S)"), (300.0, "not looked for yet; every 300 s or so")],
)
def test_drift_that_nobody_looked_for_is_told_as_that(interval_s: float, text: str) -> None:
    """No drift and not looked for are different things."""
    about = msgspec.structs.replace(ABOUT, drift_interval_s=interval_s)
    assert f"drift {text}" in words(status_to_text(STATES["ready"], about, NOW))


@pytest.mark.parametrize("state", STATES.values(), ids=list(STATES))
def test_process_contract_and_settings_are_told_in_every_phase(state: State) -> None:
    """Contract with its age, versions, settings in force and what went wrong beside: also before any verdict."""
    text = words(status_to_text(state, ABOUT, NOW))
    for part in (
        "contract app, 1 relation, 2 columns, from drizzle 0227_natural_mentor, sha256:000000000000, file written"
        " 1970-01-01T01:00:00Z (1 d ago)",
        "versions sidecar 1.2.3, Python 3.13.0",
        "SIDECAR_DEADLINE_S 120",
        "SIDECAR_POD_UID not set",
        "database from DATABASE_URL",
        "note state file not used: /var/lib/pass.json: of another pod",
    ):
        assert part in text
    value = status_to_json(state, ABOUT)
    assert ("app", "1970-01-01T01:00:00Z") == (value["contract"]["name"], value["contract"]["written_at"])
    assert dict(ABOUT.settings) == value["settings"]


def test_the_database_is_told_with_its_role_in_replication() -> None:
    """Host, port, name, role, version, and whether it is a primary."""
    text = words(status_to_text(STATES["ready"], ABOUT, NOW))
    assert "database app on db.internal:5432 as app_role, PostgreSQL 16.4, primary" in text
    standby = msgspec.structs.replace(builders.report(), database=builders.database(is_standby=True))
    state = advance(State(), PassRestored(at=1.0, verdict_at=1.0, report=standby))
    assert "PostgreSQL 16.4, standby" in words(status_to_text(state, ABOUT, NOW))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3_661, "1 h 1 min"), (90_000, "1 d 1 h"), (-5, "0 s")],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    """Two units are what a person takes in; a clock that was set back makes no negative age."""
    assert text == duration(seconds)


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "&lt;b&gt;",
    "\u202egnp.exe\u202c",
    "\x1b[31mred\nline",
)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", ["object", "message", "help", "code", "accepted", "sqlstate"])
def test_hostile_names_stay_text_in_the_page(name: str, place: str) -> None:
    """Whatever a table is called, it is shown and never obeyed; what would turn the line around is written out."""
    finding = builders.finding(**{place: name}) if place != "message" else builders.finding(name)
    conclusion = builders.conclusion(Outcome.COMPATIBLE, finding)
    page = status_to_page(advance(State(), Concluded(at=1.0, conclusion=conclusion)), ABOUT, NOW)
    for forbidden in ("<script", "<img", "<b>", "\u202e", "\x1b"):
        assert forbidden not in page


@pytest.mark.parametrize("state", STATES.values(), ids=list(STATES))
def test_the_page_tells_what_the_text_tells(state: State) -> None:
    """Headline, facts and attempts are the same in a browser; it asks again by itself only while that has a use."""
    seen, page = overview(state, ABOUT, NOW), status_to_page(state, ABOUT, NOW)
    text = words(html.unescape(re.sub(r"<[^>]+>", " ", page)))
    for part in (seen.headline, *(part for fact in seen.facts for part in fact)):
        assert words(part) in text
        assert words(part) in words(status_to_text(state, ABOUT, NOW))
    assert seen.is_waiting == ('http-equiv="refresh"' in page)


def test_the_text_obeys_no_name() -> None:
    """A name with an escape sequence or a line break is written out in the terminal."""
    conclusion = builders.conclusion(Outcome.INCOMPATIBLE, builders.finding("column \x1b[31mred\nline does not exist"))
    text = status_to_text(advance(State(), Concluded(at=1.0, conclusion=conclusion)), ABOUT, NOW)
    assert r"\x1b[31mred\nline" in text
    assert "\x1b" not in text
