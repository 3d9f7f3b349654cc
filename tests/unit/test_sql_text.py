import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.sql_text import parse_statement, with_declared_types

SINGLE = {
    "plain": "SELECT 1",
    "trailing semicolon": "SELECT 1;",
    "trailing semicolons": "SELECT 1 ; ; ;",
    "leading comment": "-- c;\nSELECT 1",
    "trailing comment": "SELECT 1 -- c; d",
    "comment after the semicolon": "SELECT 1; -- done; really",
    "block comment after the semicolon": "SELECT 1; /* done; */ ",
    "in a string": "SELECT 'a;b'",
    "in a doubled quote": "SELECT 'it''s;'",
    "backslash ends no standard string": r"SELECT 'a\' || ';'",
    "in an E string": r"SELECT E'\';'",
    "in a lower-case e string": r"SELECT e'\';'",
    "E string with a doubled quote": r"SELECT E'\'''; x'",
    "in an identifier": 'SELECT "a;b"',
    "in a doubled identifier quote": 'SELECT "a"";b"',
    "in a dollar quote": "SELECT $$a;b$$",
    "in a tagged dollar quote": "SELECT $q$a;$$;b$q$",
    "dollar quote in a dollar quote": "SELECT $a$ $b$;$b$ $a$",
    "in a block comment": "SELECT /* ; */ 1",
    "in a nested comment": "SELECT /* /* ; */ ; */ 1",
    "quote in a comment": "SELECT 1 -- it's",
    "quote in a block comment": "SELECT /* ' */ 1",
    "comment in a string": "SELECT '--' , '/*'",
    "comment in an identifier": 'SELECT "--" FROM "/*"',
    "name that ends in e": "SELECT the'' FROM x",
    "unicode tag": "SELECT $ä$;$ä$",
    "name with dollars": "SELECT a$b$c FROM t",
    "bit string": "SELECT B'101', X'1F', N'x;', U&'y;'",
}
SEVERAL = {
    "plain": "SELECT 1; SELECT 2",
    "no space": "SELECT 1;SELECT 2",
    "after a comment": "SELECT 1; -- c\nSELECT 2",
    "after a block comment": "SELECT 1;/* c */SELECT 2",
    "after a comment that ends in a carriage return": "SELECT 1 --\r; DROP TABLE x",
    "after a nested comment": "SELECT 1 /* /* */ */; DROP TABLE x",
    "after a string": "SELECT ''';'; DROP TABLE x",
    "after a string that ends in a backslash": "SELECT '\\'; DROP TABLE x; --'",
    "after an E string": r"SELECT E'\\'; DROP TABLE x; --'",
    "after a continued E string": "SELECT E'a'\n'\\''; DROP TABLE x; --'",
    "after an E string continued past a comment": "SELECT E'a' -- c\n'\\''; DROP TABLE x; --'",
    "after a dollar quote": "SELECT $$x$$; DROP TABLE x",
    "after a tag that does not close": "SELECT $a$x$a$; DROP TABLE x; --$a$",
    "dollar inside a name opens no quote": "SELECT a$$; DROP TABLE x; --$$",
    "after an identifier": 'SELECT ";"; DROP TABLE x',
    "name that ends in e opens no E string": "SELECT the'\\'; DROP TABLE x; --'",
    "commit": "SELECT 1; COMMIT; DROP TABLE x",
}
UNCLOSED = {
    "string": "SELECT 'a",
    "E string": r"SELECT E'a\'",
    "identifier": 'SELECT "a',
    "dollar quote": "SELECT $$a",
    "tagged dollar quote": "SELECT $q$a$$",
    "comment": "SELECT /* a",
    "nested comment": "SELECT /* /* a */",
}


@pytest.mark.parametrize("text", SINGLE.values(), ids=list(SINGLE))
def test_one_statement_is_one(text: str) -> None:
    """A semicolon in a string, a name, a comment or at the end does not make a second statement."""
    assert "select" == parse_statement(text).verb


@pytest.mark.parametrize("text", SEVERAL.values(), ids=list(SEVERAL))
def test_a_second_statement_is_refused_in_every_disguise(text: str) -> None:
    """Whatever stands before it, a second statement that the server would see is refused."""
    with pytest.raises(ValueError, match="more than one statement"):
        parse_statement(text)


@pytest.mark.parametrize("text", UNCLOSED.values(), ids=list(UNCLOSED))
def test_what_is_never_closed_is_refused(text: str) -> None:
    """A quote or a comment that is never closed is refused as that."""
    with pytest.raises(ValueError, match="never closed"):
        parse_statement(text)


@pytest.mark.parametrize("text", ["", " \n", ";", " ;; ", "-- only a comment", "/* only */", "-- c\n;"], ids=repr)
def test_nothing_is_no_statement(text: str) -> None:
    """Text without a statement is refused as that."""
    with pytest.raises(ValueError, match="no statement"):
        parse_statement(text)


def test_a_nul_is_refused() -> None:
    """No statement can carry a NUL to the server."""
    with pytest.raises(ValueError, match="NUL"):
        parse_statement("SELECT '\x00'")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("SELECT 1", 0),
        ("SELECT $1", 1),
        ("SELECT $1, $1", 1),
        ("SELECT $2, $10, $3", 10),
        ("SELECT '$1', $2", 2),
        ("SELECT '$9'", 0),
        ('SELECT "$9"', 0),
        ("SELECT $$ $9 $$", 0),
        ("SELECT $q$ $9 $q$, $1", 1),
        ("SELECT 1 -- $9", 0),
        ("SELECT /* $9 /* $8 */ */ $1", 1),
        (r"SELECT E'\'$9', $1", 1),
        ("SELECT a$9", 0),
        ("SELECT x=$1 AND y>$2", 2),
        ("SELECT $1::int", 1),
        ("SELECT ($3)", 3),
    ],
)
def test_parameters_count_outside_of_strings_only(text: str, count: int) -> None:
    """The number of parameters is the highest $n that the server would see."""
    assert count == parse_statement(text).parameters


@pytest.mark.parametrize("number", ["65536", "4000000000", "9" * 5000], ids=["65536", "4000000000", "5,000 digits"])
def test_more_parameters_than_the_protocol_has_are_refused(number: str) -> None:
    """The protocol counts parameters in 16 bits: a larger number is a mistake, and would cost memory."""
    with pytest.raises(ValueError, match="parameter"):
        parse_statement(f"SELECT ${number}")


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("select 1", "select"),
        ("/* c */ WITH x AS (SELECT 1) TABLE x", "with"),
        ("-- c\nInsert INTO t VALUES (1)", "insert"),
        ("(SELECT 1)", "("),
        ('"select"', '"select"'),
        ("VALUES (1)", "values"),
        ("'a'", "'a'"),
    ],
)
def test_the_verb_is_the_first_word(text: str, verb: str) -> None:
    """The first word decides what kind of statement it is, comments aside."""
    assert verb == parse_statement(text).verb


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("  SELECT 1 ;\n", "SELECT 1"),
        ("SELECT 1; -- c", "SELECT 1"),
        ("SELECT 1 -- c", "SELECT 1 -- c"),
        ("/* c */ SELECT ';' ;;", "/* c */ SELECT ';'"),
    ],
)
def test_the_text_is_kept_but_for_its_ends(text: str, sql: str) -> None:
    """Surrounding space and closing semicolons go, everything else stays as it was written."""
    assert sql == parse_statement(text).sql


@given(st.text(max_size=200))
def test_any_text_is_a_statement_or_a_value_error(text: str) -> None:
    """Whatever the text, it is one statement or a ValueError."""
    try:
        statement = parse_statement(text)
    except ValueError:
        return
    assert statement.sql


PIECES = st.sampled_from(
    [
        "'",
        '"',
        "$$",
        "$a$",
        "$1",
        ";",
        "--",
        "\n",
        "\r",
        "/*",
        "*/",
        "E'",
        "\\",
        "SELECT",
        " ",
        "a",
        "$",
        "1",
        "ä",
        "\t",
    ]
)


@given(st.lists(PIECES, max_size=14).map("".join))
def test_pieces_of_sql_in_any_order_are_a_statement_or_a_value_error(text: str) -> None:
    """Quotes, comments and semicolons in any order are one statement that reads back as itself, or a ValueError."""
    try:
        statement = parse_statement(text)
    except ValueError:
        return
    assert statement == parse_statement(statement.sql)


@given(st.lists(PIECES, max_size=10).map("".join))
def test_quoting_protects_any_content(content: str) -> None:
    """Anything at all inside a proper string or identifier leaves the statement one statement."""
    string = content.replace("'", "''")
    identifier = content.replace('"', '""')
    statement = parse_statement(f"SELECT '{string}' AS \"{identifier}x\"")
    assert ("select", 0) == (statement.verb, statement.parameters)


def test_a_row_of_dashes_takes_no_time() -> None:
    """A ruler of dashes behind an escape string is one comment, not one of 2^30 ways to read it."""
    for text in (f"SELECT E'a' {'-' * 400}\n, 1", f"SELECT E'a'\n{'-' * 400}\n, 1", f"SELECT E'a' {'-- ' * 200}"):
        assert "select" == parse_statement(text).verb


@pytest.mark.parametrize(
    ("sql", "types", "expected"),
    [
        ("SELECT $1", ("text",), "SELECT (($1::text[])[1])"),
        ("SELECT $1", ("text[]",), "SELECT ($1::text[])"),
        ("SELECT $2, $1, $2", ("a", "b[]"), "SELECT ($2::b[]), (($1::a[])[1]), ($2::b[])"),
        ("SELECT '$1', \"$1\", $$ $1 $$, $1 -- $1", ("a",), "SELECT '$1', \"$1\", $$ $1 $$, (($1::a[])[1]) -- $1"),
        ("SELECT /* $1 /* $1 */ */ a$1, E'\\' $1'", ("a",), "SELECT /* $1 /* $1 */ */ a$1, E'\\' $1'"),
        ("SELECT $10", tuple("abcdefghij"), "SELECT (($10::j[])[1])"),
        ("SELECT 1", (), "SELECT 1"),
        ("SELECT $1::int", ("text",), "SELECT (($1::text[])[1])::int"),
    ],
)
def test_types_are_written_beside_parameters(sql: str, types: tuple[str, ...], expected: str) -> None:
    """Each parameter gets its type, and nothing that only looks like a parameter does."""
    assert expected == with_declared_types(sql, types)


@given(st.text(max_size=30) | st.text(st.sampled_from("$12 '\"a-*/\\eE;,()"), max_size=20))
def test_types_leave_the_shape_of_any_statement(text: str) -> None:
    """With types written into it, a statement is still one, of the same verb and the same parameters."""
    try:
        parsed = parse_statement(text)
    except ValueError:
        return
    if parsed.parameters < 100:
        typed = parse_statement(with_declared_types(parsed.sql, ("text",) * parsed.parameters or ("text",)))
        assert parsed.parameters == typed.parameters
        assert (parsed.verb == typed.verb) or parsed.verb.startswith("$")
