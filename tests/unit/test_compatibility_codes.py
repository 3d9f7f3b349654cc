import re
from pathlib import Path

import pytest

import sidecar
from sidecar.compatibility import codes
from sidecar.compatibility.codes import ALL, BY_CODE, Code
from sidecar.model import Severity

SOURCES = [path for path in Path(sidecar.__file__).parent.rglob("*.py") if path.name != "codes.py"]
NAMES = {name: value for name, value in vars(codes).items() if isinstance(value, Code)}


@pytest.mark.parametrize("code", ALL, ids=lambda code: code.code)
def test_a_code_is_kebab_case(code: Code) -> None:
    """Codes are words joined by hyphens: alerts and acceptances are written against them."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", code.code)


def test_codes_are_unique() -> None:
    """No two kinds of finding share a code, and each is found by it."""
    assert len(ALL) == len({code.code for code in ALL}) == len(BY_CODE)
    assert all(BY_CODE[code.code] is code for code in ALL)


@pytest.mark.parametrize(("name", "code"), NAMES.items(), ids=list(NAMES))
def test_a_codes_constant_is_named_like_it(name: str, code: Code) -> None:
    """Whoever searches the source for a code finds it."""
    assert code.code == name.lower().replace("_", "-")


def test_every_code_is_used() -> None:
    """Each kind of finding is given by some rule, probe or acceptance; none is only explained."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    used = set(re.findall(r"\b([A-Z][A-Z_]+)\.at\(|\b([A-Z][A-Z_]+)\b", text))
    words = {word for pair in used for word in pair if word}
    assert set() == NAMES.keys() - words


@pytest.mark.parametrize("code", ALL, ids=lambda code: code.code)
def test_texts_read_well(code: Code) -> None:
    """Summary, symptoms and mend are sentences: they begin and end as such and hold nothing odd."""
    for text in (code.summary, code.shows, code.mend):
        assert text == " ".join(text.split())
        assert text[0].isupper() or text.startswith("…")
        assert text.endswith((".", "…"))
        assert not text.endswith(("..", "….", ",.", ";."))
        assert "|" not in text  # the reference is a Markdown table
        assert text.count("(") == text.count(")")
        assert text.count("`") % 2 == 0
    assert code.summary.endswith(".")
    assert code.summary.count(". ") == 0, "the summary is one sentence"


@pytest.mark.parametrize("code", ALL, ids=lambda code: code.code)
def test_sqlstates_are_five_characters(code: Code) -> None:
    """What the application would get is a SQLSTATE, or nothing."""
    assert code.sqlstate is None or re.fullmatch(r"[0-9A-Z]{5}", code.sqlstate)


def test_what_passes_by_itself_gates() -> None:
    """Only an error can be waited for: a warning holds up nothing."""
    assert all(code.severity is Severity.ERROR for code in ALL if code.passes_by_itself)
    assert {"relation-not-populated", "server-read-only"} == {code.code for code in ALL if code.passes_by_itself}


def test_a_finding_takes_what_its_code_says_unless_told_otherwise() -> None:
    """Severity and SQLSTATE come from the code, and either can be overridden."""
    plain = codes.TYPE_MISSING.at("mood", "message", "help")
    softened = codes.TYPE_MISSING.at("mood", "message", "help", severity=Severity.WARNING, sqlstate="22P02")
    assert ("type-missing", Severity.ERROR, "42704", "mood", "message", "help", None) == (
        plain.code,
        plain.severity,
        plain.sqlstate,
        plain.object,
        plain.message,
        plain.help,
        plain.accepted,
    )
    assert (Severity.WARNING, "22P02") == (softened.severity, softened.sqlstate)
