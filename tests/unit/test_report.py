import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.compatibility.migrations import sentence
from sidecar.model import ContractSource, MigrationPosition, Severity, Side
from sidecar.report import (
    EXIT_CODES,
    TERMINATION_MESSAGE_BYTES,
    ContractSummary,
    Coverage,
    ExitCode,
    Outcome,
    termination_message,
    to_json,
    to_text,
)
from tests.unit import builders

FINDING = builders.finding()
WARNING = builders.warning()


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.COMPATIBLE, 0),
        (Outcome.MISCONFIGURED, 2),
        (Outcome.INCOMPATIBLE, 3),
        (Outcome.NO_VERDICT, 4),
        (Outcome.REFUSED, 5),
    ],
)
def test_every_outcome_has_its_exit_code(outcome: Outcome, code: int) -> None:
    """The numbers are part of the interface."""
    assert code == builders.conclusion(outcome).exit_code


def test_no_outcome_is_without_an_exit_code() -> None:
    """Every way for a preflight to end is told by a number of its own, and only success by 0."""
    assert set(Outcome) == set(EXIT_CODES)
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)


@pytest.mark.parametrize(
    ("name", "code"), [("BUG", 1), ("MISCONFIGURED", 2), ("INTERRUPTED", 130), ("TERMINATED", 143)]
)
def test_exit_codes_outside_of_the_preflight(name: str, code: int) -> None:
    """A bug and an interruption have the numbers that shells expect."""
    assert code == ExitCode[name]


@pytest.mark.parametrize(
    ("findings", "strict", "compatible"),
    [
        ((), False, True),
        ((WARNING,), False, True),
        ((WARNING,), True, False),
        ((FINDING,), False, False),
        ((FINDING, WARNING), True, False),
        ((), True, True),
    ],
)
def test_what_gates(findings: tuple[Any, ...], strict: bool, compatible: bool) -> None:
    """Errors gate always, warnings where strictness is asked for."""
    assert compatible is builders.report(*findings, strict=strict).is_compatible


@pytest.mark.parametrize(
    ("conclusion", "headline"),
    [
        (
            builders.conclusion(Outcome.COMPATIBLE),
            "compatible: the database carries everything that contract app names",
        ),
        (builders.conclusion(Outcome.COMPATIBLE, WARNING), "compatible: 0 errors, 1 warning"),
        (
            builders.conclusion(Outcome.INCOMPATIBLE, FINDING),
            "incompatible: column color of relation public.workflow does not exist (42703)",
        ),
        (
            builders.conclusion(Outcome.INCOMPATIBLE, FINDING, FINDING, WARNING),
            "incompatible: column color of relation public.workflow does not exist (42703) (and 1 more)",
        ),
        (builders.conclusion(Outcome.NO_VERDICT), "no verdict: connection refused"),
        (
            builders.conclusion(Outcome.MISCONFIGURED, failure=None, problems=("SIDECAR_LISTEN: bad", "x", "y")),
            "misconfigured: SIDECAR_LISTEN: bad (and 2 more)",
        ),
    ],
)
def test_the_headline_says_the_outcome_and_the_first_reason(conclusion: Any, headline: str) -> None:
    """One line tells how it ended and why, and how much more there is."""
    assert headline == conclusion.headline


def test_a_strict_headline_names_the_warning() -> None:
    """Where warnings gate, the first of them is the reason."""
    report = builders.report(WARNING, strict=True)
    conclusion = builders.conclusion(Outcome.INCOMPATIBLE, report=report)
    assert "incompatible: column public.workflow.name may hold NULL" == conclusion.headline


@pytest.mark.parametrize(
    "conclusion",
    [builders.conclusion(outcome, FINDING, WARNING) for outcome in Outcome]
    + [builders.conclusion(Outcome.MISCONFIGURED, failure=None, problems=("a", "b"))],
    ids=lambda conclusion: conclusion.outcome,
)
def test_the_json_form_is_json(conclusion: Any) -> None:
    """Every outcome can be written as JSON by the standard library and says the same in the same keys."""
    value = json.loads(json.dumps(to_json(conclusion), allow_nan=False))
    assert (conclusion.outcome.value, int(conclusion.exit_code), conclusion.headline) == (
        value["outcome"],
        value["exit_code"],
        value["headline"],
    )
    assert (value["verdict"] is None) == (conclusion.report is None)
    assert {
        "verdict", "outcome", "exit_code", "headline", "attempts", "elapsed_s", "findings", "failure", "problems",
        "coverage", "migrations",
        "contract", "database",
    } == set(value)  # fmt: skip


def test_the_json_form_carries_whole_findings() -> None:
    """Programs find each finding's code, severity, object, message, help and SQLSTATE."""
    (value,) = to_json(builders.conclusion(Outcome.INCOMPATIBLE, FINDING))["findings"]
    assert msgspec.to_builtins(FINDING) == value
    assert {"code", "severity", "object", "message", "help", "sqlstate", "accepted"} == set(value)


def test_the_text_tells_everything_at_once() -> None:
    """Every finding with its mend, the contract and the database stand in the text."""
    text = to_text(builders.conclusion(Outcome.INCOMPATIBLE, FINDING, WARNING))
    for part in (
        FINDING.message, FINDING.help, WARNING.message, "column-missing", "1 error, 1 warning", "app_role",
        "db.internal:5432", "PostgreSQL 16.4", "0227_natural_mentor", "1 relations, 2 columns",
    ):  # fmt: skip
        assert part in text
    assert text.endswith("\n")


def test_the_text_tells_every_problem_and_the_help_of_a_failure() -> None:
    """A misconfiguration shows all of its problems, a failure what to do."""
    text = to_text(builders.conclusion(Outcome.MISCONFIGURED, failure=None, problems=("one", "two", "three")))
    assert all(word in text for word in ("one", "two", "three"))
    refused = builders.conclusion(Outcome.REFUSED, failure=builders.failure(help="Check the password."))
    assert "Check the password." in to_text(refused)


@pytest.mark.parametrize("outcome", Outcome)
def test_colours_appear_only_when_asked_for(outcome: Outcome) -> None:
    """Plain text has no escape sequence, coloured text the same words."""
    conclusion = builders.conclusion(outcome, FINDING)
    plain, coloured = to_text(conclusion), to_text(conclusion, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    assert plain.splitlines()[1:] == coloured.splitlines()[1:]


def test_a_short_termination_message_is_whole() -> None:
    """What fits is told in full, the exit code last."""
    conclusion = builders.conclusion(Outcome.INCOMPATIBLE, FINDING)
    assert f"{to_text(conclusion)}exit code 3\n" == termination_message(conclusion).decode()


@pytest.mark.parametrize("text", ["ä", "漢字", "🙂", "a\u0301", "é🙂漢"])
@pytest.mark.parametrize("shift", range(4))
def test_a_long_termination_message_is_cut_to_what_kubernetes_keeps(text: str, shift: int) -> None:
    """Thousands of long findings leave at most 4,096 bytes of valid UTF-8 that begin with verdict and first finding."""
    findings = [builders.finding(f"{'x' * shift}{text * 40} {number}") for number in range(3000)]
    data = termination_message(builders.conclusion(Outcome.INCOMPATIBLE, *findings))
    assert 4096 == TERMINATION_MESSAGE_BYTES
    assert 4000 < len(data) <= TERMINATION_MESSAGE_BYTES
    decoded = data.decode()
    assert decoded.startswith(f"incompatible: {findings[0].message} (42703) (and 2999 more)")
    assert decoded.endswith("the container's log has all of it\nexit code 3\n")
    assert "\ufffd" not in decoded


def test_a_single_endless_finding_is_cut_too() -> None:
    """One finding that is longer than everything Kubernetes keeps still leaves the verdict and the exit code."""
    data = termination_message(builders.conclusion(Outcome.INCOMPATIBLE, builders.finding("漢" * 100_000)))
    assert len(data) <= TERMINATION_MESSAGE_BYTES
    assert data.decode().startswith("incompatible: 漢")
    assert data.decode().endswith("exit code 3\n")


@pytest.mark.parametrize("length", range(3500, 4200, 7))
def test_the_cut_is_exact_at_every_length(length: int) -> None:
    """Around the bound a message is either whole or cut, never longer than the bound."""
    conclusion = builders.conclusion(Outcome.MISCONFIGURED, failure=None, problems=("x" * length,))
    assert len(termination_message(conclusion)) <= TERMINATION_MESSAGE_BYTES


def test_half_a_character_does_not_stop_the_last_words() -> None:
    """A path that is no UTF-8 reaches messages as a surrogate, and the last words come out all the same."""
    conclusion = builders.conclusion(
        Outcome.MISCONFIGURED, failure=None, problems=("DATABASE_URL_FILE: /secrets/\udcff: no such file",)
    )
    assert termination_message(conclusion).decode().startswith("misconfigured: DATABASE_URL_FILE: /secrets/")


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=300), max_size=30))
def test_any_problems_make_a_valid_message(problems: list[str]) -> None:
    """Whatever the problems say, the message is valid UTF-8 within the bound and begins with the outcome."""
    conclusion = builders.conclusion(
        Outcome.MISCONFIGURED, problems=tuple(problems), failure=None if problems else builders.failure()
    )
    data = termination_message(conclusion)
    assert len(data) <= TERMINATION_MESSAGE_BYTES
    assert data.decode().startswith("misconfigured: ")


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (None, None),
        (ContractSource(kind="drizzle"), "drizzle"),
        (ContractSource(kind="drizzle", migration="0227"), "drizzle 0227"),
    ],
)
def test_a_summary_names_the_contract(source: ContractSource | None, shown: str | None) -> None:
    """A summary counts relations and columns and says where the contract came from."""
    contract = builders.contract(
        builders.relation("a", builders.column("x"), builders.column("y")), builders.relation("b"), source=source
    )
    assert ContractSummary.of(contract) == ContractSummary(
        name="app", digest=contract.digest, source=shown, relations=2, columns=2
    )


def test_severities_are_told_apart_in_the_text() -> None:
    """Each finding's line begins with its severity."""
    lines = to_text(builders.conclusion(Outcome.INCOMPATIBLE, FINDING, WARNING)).splitlines()
    for severity in Severity:
        assert 1 == sum(line.strip().startswith(f"{severity} ") for line in lines)


ACCEPTED = builders.finding(accepted="the importer is gone next week")


def concluded(outcome: Outcome, *findings: Any, strict: bool = False, **changes: Any) -> Any:
    report = msgspec.structs.replace(builders.report(*findings, strict=strict), **changes)
    return builders.conclusion(outcome, report=report)


@pytest.mark.parametrize(
    ("coverage", "line"),
    [
        (Coverage(), "0 relations read, 0 statements planned and not run"),
        (
            Coverage(relations_read=1, queries_run=1, statements_planned=1),
            "1 relation read, 1 query run, 1 statement planned and not run",
        ),
        (
            Coverage(relations_read=12, queries_run=2, statements_planned=30),
            "12 relations read, 2 queries run, 30 statements planned and not run",
        ),
    ],
)
def test_the_text_says_how_the_statements_were_judged(coverage: Coverage, line: str) -> None:
    """One line tells what was run and what only planned, in every text of a verdict."""
    for outcome in (Outcome.COMPATIBLE, Outcome.INCOMPATIBLE):
        conclusion = concluded(outcome, coverage=coverage)
        assert f"  checked   {line}" in to_text(conclusion).splitlines()
        assert msgspec.to_builtins(coverage) == to_json(conclusion)["coverage"]


@pytest.mark.parametrize("side", Side)
def test_which_side_is_behind_stands_directly_after_the_headline(side: Side) -> None:
    """A person reads the reason and then at once whether to migrate or to roll forward."""
    position = MigrationPosition(side=side, count=2, image_head="0227", database_head="0229")
    conclusion = concluded(Outcome.INCOMPATIBLE, FINDING, migrations=position)
    lines = to_text(conclusion).splitlines()
    assert [conclusion.headline, f"  {sentence(position)}"] == lines[:2]
    assert sentence(position) == to_json(conclusion)["migrations"]["sentence"]
    assert side.value == to_json(conclusion)["migrations"]["side"]
    assert sentence(position) in termination_message(conclusion).decode().splitlines()[1]


def test_where_nobody_asked_no_side_is_told() -> None:
    """Without a position the contract follows the headline."""
    conclusion = concluded(Outcome.INCOMPATIBLE, FINDING)
    assert to_text(conclusion).splitlines()[1].startswith("  contract  ")
    assert to_json(conclusion)["migrations"] is None


@pytest.mark.parametrize("strict", [False, True])
def test_an_accepted_finding_gates_never(strict: bool) -> None:
    """What the contract accepts does not gate, not even where warnings do."""
    accepted_warning = msgspec.structs.replace(WARNING, accepted="known")
    report = builders.report(ACCEPTED, accepted_warning, strict=strict)
    assert report.is_compatible
    assert () == report.errors
    assert "0 errors, 0 warnings, 2 accepted" == report.headline


@pytest.mark.parametrize(
    ("findings", "strict", "headline"),
    [
        ((ACCEPTED,), False, "0 errors, 0 warnings, 1 accepted"),
        ((WARNING, ACCEPTED), False, "0 errors, 1 warning, 1 accepted"),
        ((WARNING, ACCEPTED), True, "column public.workflow.name may hold NULL"),
        ((FINDING, ACCEPTED), False, "column color of relation public.workflow does not exist (42703)"),
        (
            (FINDING, WARNING, ACCEPTED),
            True,
            "column color of relation public.workflow does not exist (42703) (and 1 more)",
        ),
    ],
)
def test_accepted_findings_are_counted_apart(findings: tuple[Any, ...], strict: bool, headline: str) -> None:
    """The headline names what gates; what is accepted is counted and named by nobody."""
    assert headline == builders.report(*findings, strict=strict).headline


def test_an_accepted_finding_is_told_with_its_reason() -> None:
    """The text marks it, says the finding and why it may be so, and leaves the mend out."""
    lines = to_text(concluded(Outcome.COMPATIBLE, ACCEPTED)).splitlines()
    assert [
        "0 errors, 0 warnings, 1 accepted",
        "  accepted column-missing: column color of relation public.workflow does not exist (42703)",
        "          because: the importer is gone next week",
    ] == lines[-3:]
    (value,) = to_json(concluded(Outcome.COMPATIBLE, ACCEPTED))["findings"]
    assert "the importer is gone next week" == value["accepted"]
