import re
from pathlib import Path

import pytest

import sidecar
from sidecar import cli
from sidecar.compatibility.codes import ALL, Code
from sidecar.reference import explained, listed, rules_markdown

ROOT = Path(sidecar.__file__).parent.parent


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("code", ALL, ids=lambda code: code.code)
def test_an_explanation_says_everything(code: Code, capsys: pytest.CaptureFixture[str]) -> None:
    """``sidecar explain CODE`` prints what the finding means, how it shows and what mends it, and succeeds."""
    assert 0 == cli.main(["explain", code.code])
    out, err = capsys.readouterr()
    assert "" == err
    assert explained(code) == out
    assert out.startswith(f"{code.code} (")
    for text in (code.summary, code.shows, code.mend, code.sqlstate or ""):
        assert text in flat(out)
    assert all(len(line) <= 100 and line == line.rstrip() for line in out.splitlines())
    assert out.endswith("\n")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("column-missing", "(error: gates, SQLSTATE 42703)"),
        ("column-type-changed", "(error: gates)"),
        ("index-missing", "(warning: told, does not gate)"),
        ("server-read-only", "(passes by itself: tried again until the deadline, SQLSTATE 25006)"),
    ],
)
def test_an_explanation_begins_with_what_it_does(code: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The first line says whether the finding gates, and the SQLSTATE."""
    cli.main(["explain", code])
    assert f"{code} {words}" == capsys.readouterr().out.splitlines()[0]


def test_without_a_code_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, in the order of the reference."""
    assert 0 == cli.main(["explain"])
    lines = capsys.readouterr().out.splitlines()
    assert listed().splitlines() == lines
    assert [code.code for code in ALL] == [line.split()[0] for line in lines]
    for code, line in zip(ALL, lines, strict=True):
        assert [code.code, code.severity.value, code.sqlstate or "-"] == line.split()[:3]
        assert line.endswith(code.summary)


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("column-mising", "did you mean column-missing?"),
        ("COLUMN-MISSING", "did you mean column-missing?"),
        ("zzz", "sidecar explain lists all"),
        ("", "sidecar explain lists all"),
        ("a\nb\x1b[31m", "sidecar explain lists all"),
        ("x" * 10_000, "sidecar explain lists all"),
        ("check", ""),
    ],
    ids=["a typing mistake", "another case", "nothing like it", "empty", "control characters", "long", "a command"],
)
def test_an_unknown_code_is_refused_with_a_hint(code: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A code that no finding has is a usage error, told in one short line on standard error."""
    assert 2 == cli.main(["explain", code])
    out, err = capsys.readouterr()
    assert "" == out
    assert 1 == err.count("\n")
    assert len(err) < 200
    assert "\x1b" not in err
    assert hint in err


def test_the_reference_has_every_code_once() -> None:
    """The Markdown lists each code in its table and explains it in a section that the table leads to."""
    text = rules_markdown()
    for code in ALL:
        assert 1 == text.count(f"\n## {code.code}\n")
        assert 1 == text.count(f"| [`{code.code}`](#{code.code}) |")
    rows = [line for line in text.splitlines() if line.startswith("| [")]
    assert {5} == {len(re.findall(r"\|", row)) for row in rows}
    assert text.endswith("\n")


def test_the_reference_on_disk_is_the_one_that_the_code_makes() -> None:
    """``config/RULES.md`` is up to date."""
    assert rules_markdown() == (ROOT / "config" / "RULES.md").read_text(encoding="utf-8")
