import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.compatibility.type_names import parse_type_name
from sidecar.model import TypeName

EQUAL_SPELLINGS: dict[str, tuple[str, ...]] = {
    "integer": ("int", "int4", "INT", "Integer", "serial", "serial4", "pg_catalog.int4", " integer ", "INT4"),
    "smallint": ("int2", "smallserial", "serial2", "SMALLINT", "pg_catalog.int2"),
    "bigint": ("int8", "bigserial", "serial8", "BigInt", "pg_catalog.int8"),
    "real": ("float4", "float(1)", "float(24)", "REAL"),
    "double precision": ("float8", "float", "float(25)", "float(53)", "DOUBLE  PRECISION", "double\tprecision"),
    "numeric": ("decimal", "dec", "NUMERIC"),
    "numeric(10,0)": ("numeric(10)", "decimal(10)", "dec(10, 0)", "NUMERIC ( 10 , 0 )"),
    "numeric(10,2)": ("decimal(10,2)", "numeric( 10 , 2 )", "dec(10,2)"),
    "boolean": ("bool", "BOOL", "Boolean"),
    "character(1)": ("char", "character", "nchar", "char(1)", "national char", "national character", "bpchar(1)"),
    "character(3)": ("char(3)", "bpchar(3)", "CHARACTER ( 3 )"),
    "character varying": ("varchar", "char varying", "national character varying", "VARCHAR", "nchar varying"),
    "character varying(20)": ("varchar(20)", "char varying(20)", "varchar ( 20 )", "national char varying(20)"),
    "bit(1)": ("bit", "BIT"),
    "bit varying(5)": ("varbit(5)", "BIT VARYING(5)"),
    "time without time zone": ("time", "TIME", "time WITHOUT time ZONE"),
    "time(3) without time zone": ("time(3)",),
    "time with time zone": ("timetz", "TIME WITH TIME ZONE"),
    "timestamp without time zone": ("timestamp", "TIMESTAMP"),
    "timestamp(3) without time zone": ("timestamp(3)", "timestamp (3)  without  time zone"),
    "timestamp with time zone": ("timestamptz", "pg_catalog.timestamptz", "TimestampTZ"),
    "timestamp(3) with time zone": ("timestamptz(3)", "TIMESTAMP(3) WITH TIME ZONE"),
    "interval day to second(3)": ("INTERVAL DAY TO SECOND(3)", "interval  day to second (3)"),
    "interval year to month": ("INTERVAL YEAR TO MONTH",),
    "interval(2)": ("interval (2)",),
    "text": ("TEXT", '"text"', " text"),
    "text[]": ("text []", "TEXT[3]", "text[][]", "text array", "text ARRAY[3]", '"text"[]'),
    "integer[]": ("int4[]", "int array", "INTEGER ARRAY", "int[ 4 ]"),
    "timestamp(3) with time zone[]": ("timestamptz(3)[]",),
    "double precision[]": ("float8[]", "double precision array"),
    'public."Mood"': ('PUBLIC."Mood"', 'public . "Mood"'),
    "public.mood": ("public.Mood", 'PUBLIC."mood"', "public . mood"),
    "vector(3)": ("VECTOR(3)", "vector ( 3 )"),
    "geometry(point,4326)": ("geometry(Point, 4326)", "Geometry(POINT,4326)"),
}
DISTINCT = [
    ("char", "varchar"),
    ("char", '"char"'),
    ("text", '"Text"'),
    ("timestamp", "timestamptz"),
    ("numeric", "numeric(10)"),
    ("text", "text[]"),
    ("public.mood", "mood"),
    ("bpchar", "char"),
    ("int", "bigint"),
    ("vector(3)", "vector(4)"),
    ('"integer"', "integer"),
    ("interval", "interval year"),
]
REFUSED = [
    "",
    " ",
    "()",
    "int(",
    "int)",
    "int()",
    "varchar(a)",
    "varchar(20",
    "varchar(1,)",
    "float(0)",
    "float(54)",
    "float(x)",
    "a.b.c",
    ".text",
    "text.",
    "my type",
    "unsigned int",
    "int unsigned",
    "[]",
    "text[",
    "text]",
    "text[a]",
    "text;",
    "text; DROP TABLE x",
    "text -- x",
    '"',
    '""',
    '"a',
    "~",
    "1",
    "1.0",
    "2020-01-01",
    "0x1F",
    "text\x00",
    "numeric(1.5)",
    "text'",
    "???",
    "-",
]
SPELLINGS = [(canonical, other) for canonical, others in EQUAL_SPELLINGS.items() for other in others]


@pytest.mark.parametrize(("canonical", "spelling"), SPELLINGS, ids=[repr(other) for _, other in SPELLINGS])
def test_equal_spellings_are_equal(canonical: str, spelling: str) -> None:
    """Every way in which SQL spells a type gives the same value."""
    assert parse_type_name(canonical) == parse_type_name(spelling)


@pytest.mark.parametrize("canonical", EQUAL_SPELLINGS)
def test_the_canonical_spelling_is_what_is_shown(canonical: str) -> None:
    """A type is shown as format_type would show it."""
    assert canonical == str(parse_type_name(canonical))


@pytest.mark.parametrize(("one", "other"), DISTINCT)
def test_different_types_are_different(one: str, other: str) -> None:
    """Spellings that mean different types give different values."""
    assert parse_type_name(one) != parse_type_name(other)


@pytest.mark.parametrize("text", [*EQUAL_SPELLINGS, *(other for _, other in SPELLINGS), '"char"', '"Text"', "bpchar"])
def test_what_is_shown_reads_back(text: str) -> None:
    """What is shown for a type, and what the server is asked to resolve, mean that type."""
    parsed = parse_type_name(text)
    assert parsed == parse_type_name(str(parsed))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("varchar(20)", "character varying"),
        ("timestamp(3) with time zone", "timestamp with time zone"),
        ("numeric(10,2)[]", "numeric[]"),
        ("interval day to second(3)", "interval"),
        ('public."Mood"[]', 'public."Mood"[]'),
        ("vector(3)", "vector"),
        ('"char"', '"char"'),
    ],
)
def test_the_key_leaves_out_modifiers(text: str, key: str) -> None:
    """The server is asked for a type's name without its modifiers."""
    assert key == parse_type_name(text).key


@pytest.mark.parametrize("text", REFUSED, ids=repr)
def test_what_is_not_a_type_is_refused(text: str) -> None:
    """Text that is not the name of a type is refused with a message that says so."""
    with pytest.raises(ValueError, match="not a type name"):
        parse_type_name(text)


def test_only_ascii_is_folded() -> None:
    """Unquoted names fold as the server folds them: letters beyond ASCII stay as they are (downcase_identifier)."""
    assert TypeName(name="ÄrgerÖ") == parse_type_name("ÄRGERÖ")


def test_quoted_names_are_not_folded() -> None:
    """A quoted name keeps its case, its dots and its doubled quotes."""
    assert TypeName(schema="My.Schema", name='a"B') == parse_type_name('"My.Schema"."a""B"')


def test_long_names_are_cut() -> None:
    """A name is cut to 63 bytes, as the server cuts it."""
    assert "x" * 63 == parse_type_name("x" * 70).name


@given(st.text(max_size=60))
def test_any_text_is_a_type_or_a_value_error(text: str) -> None:
    """Whatever the text, it is a type or a ValueError."""
    try:
        parsed = parse_type_name(text)
    except ValueError:
        return
    assert parsed.name


@given(
    st.lists(st.sampled_from(["int", "double", "precision", "time", "zone", "with", "interval", "day", "to", "second",
                              '"A b"', ".", "(", ")", "3", ",", "[", "]", "array", "varying", "char", " ", "x", '"']),
             max_size=8).map(" ".join)
)  # fmt: skip
def test_any_sequence_of_words_is_a_type_or_a_value_error(text: str) -> None:
    """Pieces of types in any order are a type that reads back as itself, or a ValueError."""
    try:
        parsed = parse_type_name(text)
    except ValueError:
        return
    assert parsed == parse_type_name(str(parsed))


@pytest.mark.parametrize("modifier", ["1/*", "*/", "--", "-", "1;2", "'", '"', "$$", "a b", "\\", "1.5", "%", "ä"])
def test_modifiers_hold_numbers_and_words_alone(modifier: str) -> None:
    """A modifier is the one part of a type that goes into SQL text unquoted, so nothing else may be in it."""
    for text in (f"text({modifier})", f"numeric(10,{modifier})", f"public.geometry({modifier},4326)"):
        with pytest.raises(ValueError, match="is not a type name"):
            parse_type_name(text)
