import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.identifiers import (
    MAX_IDENTIFIER_BYTES,
    display_identifier,
    display_path,
    quote_identifier,
    quote_literal,
    split_path,
    truncate_identifier,
)

NAMES = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), min_size=1, max_size=15)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("workflow", "workflow"),
        ("_x1", "_x1"),
        ("userId", '"userId"'),
        ("1st", '"1st"'),
        ("odd.name", '"odd.name"'),
        ('say "hi"', '"say ""hi"""'),
        ("a b", '"a b"'),
        ("ärger", '"ärger"'),
        ("a$b", '"a$b"'),
        ("", '""'),
        ("a\n", '"a\n"'),
    ],
    ids=repr,
)
def test_names_are_shown_as_postgresql_shows_them(name: str, shown: str) -> None:
    """A name is quoted only where quote_ident would quote it."""
    assert shown == display_identifier(name)


@pytest.mark.parametrize("word", ["user", "order", "select", "int", "char", "timestamp", "table", "between"])
def test_key_words_are_quoted(word: str) -> None:
    """A reserved word is quoted, for unquoted it would be grammar."""
    assert f'"{word}"' == display_identifier(word)


@pytest.mark.parametrize("word", ["name", "text", "date", "status", "type", "value", "key", "json_thing"])
def test_unreserved_words_stay_bare(word: str) -> None:
    """A word that is no key word, or an unreserved one, is shown as it is."""
    assert word == display_identifier(word)


def test_paths_leave_out_what_is_not_there() -> None:
    """A missing schema leaves no dot behind, and each part is quoted for itself."""
    assert 'billing."Order".id' == display_path("billing", "Order", None, "id")
    assert "workflow" == display_path(None, "workflow")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("workflow", ("workflow",)),
        ("billing.invoice", ("billing", "invoice")),
        ("Workflow", ("Workflow",)),
        ('"odd.name"', ("odd.name",)),
        ('a."b""c"', ("a", 'b"c')),
        ('"a"."b"."c"', ("a", "b", "c")),
        ("drizzle.__drizzle_migrations", ("drizzle", "__drizzle_migrations")),
        ("on", ("on",)),
        ("with space", ("with space",)),
    ],
    ids=repr,
)
def test_names_split_at_dots_outside_quotes(text: str, parts: tuple[str, ...]) -> None:
    """A dotted name comes apart at its dots, nothing is folded, and quotes protect dots."""
    assert parts == split_path(text)


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", '"', '"a', '"a"b', '""', 'a.""', "a\x00b", '"a\x00"'], ids=repr
)
def test_broken_names_are_refused(text: str) -> None:
    """A name with an empty part, an unclosed quote, text after a quote or a NUL is not a name."""
    with pytest.raises(ValueError, match="name"):
        split_path(text)


@given(st.lists(NAMES, min_size=1, max_size=3))
def test_shown_names_split_into_themselves(names: list[str]) -> None:
    """What is shown for a path reads back as the same path."""
    expected = tuple(truncate_identifier(name) for name in names)
    assert expected == split_path(display_path(*expected))


@given(st.text(max_size=100))
def test_splitting_raises_only_value_errors(text: str) -> None:
    """Whatever the text, it is either a name or a ValueError."""
    try:
        parts = split_path(text)
    except ValueError:
        return
    assert all(parts)


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_names_are_cut_like_the_server_cuts_them(name: str) -> None:
    """A name keeps at most 63 bytes, whole characters only, and short names stay as they are."""
    cut = truncate_identifier(name)
    assert name.startswith(cut)
    assert len(cut.encode()) <= MAX_IDENTIFIER_BYTES
    if cut != name:
        assert len(name[: len(cut) + 1].encode()) > MAX_IDENTIFIER_BYTES


@pytest.mark.parametrize(
    ("name", "quoted"), [("a", '"a"'), ('a"; DROP TABLE x; --', '"a""; DROP TABLE x; --"'), ("", '""')], ids=repr
)
def test_quoting_leaves_no_way_out(name: str, quoted: str) -> None:
    """A quoted identifier stays one identifier whatever it holds."""
    assert quoted == quote_identifier(name)


@pytest.mark.parametrize(
    ("value", "literal"),
    [("a", "'a'"), ("it's", "'it''s'"), ("back\\slash", r"E'back\\slash'"), ("\\'", r"E'\\'''"), ("", "''")],
    ids=repr,
)
def test_literals_mean_the_same_under_every_setting(value: str, literal: str) -> None:
    """A literal with a backslash says so itself, so standard_conforming_strings does not matter."""
    assert literal == quote_literal(value).strip()
