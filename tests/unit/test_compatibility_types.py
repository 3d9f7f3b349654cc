import msgspec
import pytest

from sidecar.compatibility.matching import type_policy_of
from sidecar.compatibility.type_names import parse_type_name
from sidecar.compatibility.types import (
    changed_types,
    domain_checks,
    missing_types,
    refuses_null,
    supplies_default,
    unresolved_arguments,
)
from sidecar.model import Catalog, Severity, TypePolicy, Use
from tests.unit.builders import (
    READ,
    WRITE,
    all_types,
    catalog,
    column,
    contract,
    enum,
    function,
    live,
    live_column,
    relation,
)

SAME = [
    "integer", "text", "character varying(20)", "numeric(10,2)", "timestamp with time zone", "jsonb", "uuid", "mood",
    "vector(3)", "email", "text[]", "mood[]", "boolean", "bytea", "bit(3)", "interval day to second(3)", '"char"',
    "character(3)", "bpchar", "double precision[]", "numeric", "interval", "vector", "time(3) with time zone",
]  # fmt: skip

# expected by the image, live, fine for a reader, fine for a writer
WIDENING: list[tuple[str, str, bool, bool]] = [
    *((text, text, True, True) for text in SAME),
    ("smallint", "integer", True, True),
    ("smallint", "bigint", False, True),
    ("smallint", "numeric", False, True),
    ("smallint", "numeric(5,0)", False, True),
    ("smallint", "numeric(6,2)", False, False),
    ("integer", "bigint", False, True),
    ("integer", "numeric", False, True),
    ("integer", "numeric(10,0)", False, True),
    ("integer", "numeric(12,2)", False, True),
    ("integer", "numeric(11,2)", False, False),
    ("integer", "smallint", False, False),
    ("integer", "text", False, False),
    ("integer", "double precision", False, False),
    ("bigint", "numeric", False, True),
    ("bigint", "integer", False, False),
    ("real", "double precision", True, True),
    ("double precision", "real", False, False),
    ("numeric", "integer", False, False),
    ("character varying", "text", True, True),
    ("character varying(20)", "text", True, True),
    ("character varying(20)", "character varying(30)", True, True),
    ("character varying(20)", "character varying", True, True),
    ("character varying(20)", "character varying(19)", True, False),
    ("character varying", "character varying(20)", True, False),
    ("text", "character varying", True, True),
    ("text", "character varying(20)", True, False),
    ("text", "character(20)", False, False),
    ("text", "jsonb", False, False),
    ("text", "integer", False, False),
    ("character(3)", "text", True, True),
    ("character(3)", "character varying", True, True),
    ("character(3)", "character varying(3)", True, True),
    ("character(3)", "character varying(2)", True, False),
    ("character(3)", "character(5)", True, True),
    ("character(5)", "character(3)", True, False),
    ("bpchar", "character(3)", True, False),
    ("character(3)", "bpchar", True, True),
    ("name", "text", True, True),
    ("mood", "text", True, True),
    ("mood", "character varying", True, True),
    ("mood", "character varying(20)", True, False),
    ("text", "mood", False, False),
    ("numeric(10,2)", "numeric(12,2)", True, True),
    ("numeric(10,2)", "numeric(12,4)", True, True),
    ("numeric(10,2)", "numeric(11,4)", True, False),
    ("numeric(10,2)", "numeric(10,3)", True, False),
    ("numeric(10,2)", "numeric(9,2)", True, False),
    ("numeric(10,2)", "numeric(10,1)", True, False),
    ("numeric(10,2)", "numeric", True, True),
    ("numeric", "numeric(10,2)", True, False),
    ("numeric(10)", "numeric(10,0)", True, True),
    ("timestamp", "timestamp(3) without time zone", True, True),
    ("timestamp(3) with time zone", "timestamp with time zone", True, True),
    ("timestamp", "timestamp with time zone", False, False),
    ("timestamp with time zone", "timestamp without time zone", False, False),
    ("time", "time(0) without time zone", True, True),
    ("interval", "interval day to second(3)", True, True),
    ("interval year", "interval", True, True),
    # fields to the right of the last one are cut off, those to its left stay (timestamp.c, AdjustIntervalForTypmod)
    ("interval", "interval second", True, True),
    ("interval", "interval year to month", True, False),
    ("interval", "interval day to minute", True, False),
    ("interval year", "interval year to month", True, True),
    ("interval month", "interval year to month", True, True),
    ("interval year to month", "interval day to second", True, True),
    ("interval minute", "interval hour to minute", True, True),
    ("interval day to second", "interval hour to minute", True, False),
    ("interval day", "interval year", True, False),
    ("date", "timestamp without time zone", False, False),
    ("jsonb", "json", False, False),
    ("json", "jsonb", False, False),
    ("jsonb", "text", False, False),
    ("boolean", "integer", False, False),
    ("uuid", "text", False, False),
    ("bit(3)", "bit(5)", True, False),
    ("vector(3)", "vector(4)", False, False),
    ("vector", "vector(4)", True, True),
    ("vector(3)", "vector", False, True),
    ("text", "text[]", False, False),
    ("text[]", "text", False, False),
    ("smallint[]", "integer[]", True, True),
    ("integer[]", "bigint[]", False, True),
    ("character varying(20)[]", "character varying(10)[]", True, False),
    ("character varying(20)[]", "text[]", True, True),
    ("mood[]", "text[]", True, True),
    ("integer[]", "text[]", False, False),
    ("character varying(100)", "email", True, True),
    ("character varying(100)[]", "email[]", True, True),
    ("character varying(101)", "email", True, False),
    ("character varying(99)", "email", True, True),
    ("email", "character varying(100)", True, True),
    ("email", "character varying(50)", True, False),
    ("email", "text", True, True),
    ("text", "required_again", True, True),
    ("integer", "positive", True, True),
    ("positive", "integer", True, True),
    ("positive", "bigint", False, True),
]  # fmt: skip
_ROWS = [pytest.param(*row, id=f"{row[0]} -> {row[1]}") for row in WIDENING]


def is_compatible(expected: str, found: str, *uses: Use, policy: TypePolicy = TypePolicy.WIDENING) -> bool:
    wanted = contract(relation("t", column("a", expected, use=uses), use=uses), type_policy=policy)
    return not list(changed_types(wanted, catalog(live("t", live_column("a", found)))))


@pytest.mark.parametrize(("expected", "found", "reader", "writer"), _ROWS)
def test_widening(expected: str, found: str, reader: bool, writer: bool) -> None:
    """A live type passes a reader if it gives what is read, and a writer if it takes what is written."""
    assert reader is is_compatible(expected, found, Use.SELECT)
    assert writer is is_compatible(expected, found, Use.INSERT)
    assert writer is is_compatible(expected, found, Use.UPDATE)
    assert (reader and writer) is is_compatible(expected, found, Use.SELECT, Use.INSERT)


@pytest.mark.parametrize(("expected", "found", "reader", "writer"), _ROWS)
def test_names_compares_no_types(expected: str, found: str, reader: bool, writer: bool) -> None:
    """By names only, any type will do."""
    assert is_compatible(expected, found, Use.SELECT, Use.INSERT, policy=TypePolicy.NAMES)


@pytest.mark.parametrize(("expected", "found", "reader", "writer"), _ROWS)
def test_exact_wants_the_same_type(expected: str, found: str, reader: bool, writer: bool) -> None:
    """Exactly the same means the same type with the same modifiers, whatever is done with the column."""
    same = (expected, found) in {(text, text) for text in SAME} | {("numeric(10)", "numeric(10,0)")}
    assert same is is_compatible(expected, found, Use.SELECT, policy=TypePolicy.EXACT)


@pytest.mark.parametrize(
    ("expected", "found"),
    [("varchar(20)", "character varying(20)"), ("int", "integer"), ("char", "character(1)"), ("bit", "bit(1)"),
     ("timestamptz(3)", "timestamp(3) with time zone"), ("dec(5)", "numeric(5,0)"), ("float(10)", "real"),
     ("serial", "integer"), ("varbit", "bit varying"), ("interval second(2)", "interval second(2)")],
)  # fmt: skip
def test_exact_knows_the_spellings(expected: str, found: str) -> None:
    """However the contract spells a type, it is the same type as format_type shows."""
    assert is_compatible(expected, found, Use.SELECT, Use.INSERT, policy=TypePolicy.EXACT)


def test_a_changed_type_is_told_with_both() -> None:
    """A finding names the column, what it is now, and what the image expects."""
    wanted = contract(relation("t", column("userId", "varchar(20)", use=READ | WRITE), use=READ | WRITE))
    (found,) = changed_types(wanted, catalog(live("t", live_column("userId", "character varying(10)"))))
    assert ("column-type-changed", 'public.t."userId"', None, Severity.ERROR) == (
        found.code,
        found.object,
        found.sqlstate,
        found.severity,
    )
    assert (
        'column public.t."userId" is of type character varying(10); the image expects character varying(20)'
        == found.message
    )


def test_any_of_several_types_will_do() -> None:
    """A list of types is fulfilled by each of them; a finding names them all."""
    wanted = contract(relation("t", column("a", "uuid", "text")))
    assert [] == list(changed_types(wanted, catalog(live("t", live_column("a", "text")))))
    (found,) = changed_types(wanted, catalog(live("t", live_column("a", "bytea"))))
    assert found.message.endswith("the image expects uuid or text")


@pytest.mark.parametrize("policy", TypePolicy)
def test_without_types_only_the_name_matters(policy: TypePolicy) -> None:
    """A column without a type in the contract may be of any type."""
    wanted = contract(relation("t", column("a")), type_policy=policy)
    assert [] == list(changed_types(wanted, catalog(live("t", live_column("a", "jsonb")))))


@pytest.mark.parametrize(
    "expected", ["text(x)", "text(3)", "name(abc)", "public.varchar(max)", "integer(11)", "vector(x)"]
)
@pytest.mark.parametrize("found", ["character varying(20)", "numeric(10,2)", "text", "vector(3)", "character(3)"])
@pytest.mark.parametrize("policy", TypePolicy)
def test_odd_modifiers_never_stop_the_comparison(expected: str, found: str, policy: TypePolicy) -> None:
    """A modifier that means nothing makes a finding or none, but no crash."""
    wanted = contract(relation("t", column("a", expected, use=READ | WRITE), use=READ | WRITE), type_policy=policy)
    there = catalog(live("t", live_column("a", found)))
    oids = there.type_oids | {"text": 25, "name": 19, 'pg_catalog."varchar"': 1043, "pg_catalog.varchar": 1043}
    assert len(list(changed_types(wanted, msgspec.structs.replace(there, type_oids=oids)))) <= 1


@pytest.mark.parametrize("text", ["???", "-", "public.odd((1))"])
@pytest.mark.parametrize("policy", TypePolicy)
def test_a_type_that_the_server_cannot_name_does_not_stop_the_comparison(text: str, policy: TypePolicy) -> None:
    """format_type gives ??? for a type that a migration drops at this moment: no crash."""
    wanted = contract(relation("t", column("a", "text")), type_policy=policy)
    changed = msgspec.structs.replace(live_column("a"), type_text=text)
    assert len(list(changed_types(wanted, catalog(live("t", changed))))) <= 1


def test_a_type_that_went_away_meanwhile_is_not_judged() -> None:
    """Where the catalog no longer has a column's type, the reads that follow tell."""
    there = catalog(live("t", live_column("a", "mood")))
    types = {oid: type_ for oid, type_ in there.types.items() if type_.name != "mood"}
    wanted = contract(relation("t", column("a", "text")))
    assert [] == list(changed_types(wanted, msgspec.structs.replace(there, types=types)))


def test_a_type_that_is_gone_is_found() -> None:
    """A type that a column of the contract names and nobody sees any more is an error, told once."""
    wanted = contract(relation("t", column("a", "mood"), column("b", "mood")))
    (found,) = missing_types(wanted, catalog(live("t", live_column("a")), without_types=["mood"]))
    assert ("type-missing", "mood", "42704") == (found.code, found.object, found.sqlstate)
    assert "type mood does not exist on the search_path" == found.message


def test_an_argument_type_that_is_gone_is_found() -> None:
    """A type in a function's signature has to exist too."""
    wanted = contract(functions=(function("f", "vector", "text"),))
    assert ["vector"] == [found.object for found in missing_types(wanted, catalog(without_types=["vector"]))]


def test_one_visible_type_of_several_is_enough() -> None:
    """A list of types may name some that only other databases have."""
    wanted = contract(relation("t", column("a", "citext", "text")))
    assert [] == list(missing_types(wanted, catalog(live("t", live_column("a")))))
    assert [] == list(changed_types(wanted, catalog(live("t", live_column("a")))))


def test_an_enum_of_the_contract_is_told_by_its_own_rule() -> None:
    """A missing type that is listed among the enums is not told twice."""
    wanted = contract(relation("t", column("a", "mood")), enums=(enum("mood", "happy"),))
    assert [] == list(missing_types(wanted, catalog(without_types=["mood"])))


def test_names_asks_for_no_types_of_columns() -> None:
    """By names only, a column's type need not exist: the image's statements do not write it."""
    wanted = contract(relation("t", column("a", "mood")), type_policy=TypePolicy.NAMES)
    assert [] == list(missing_types(wanted, catalog(live("t", live_column("a", "text")), without_types=["mood"])))


def test_further_types_do_not_matter() -> None:
    """New types are no concern of the image."""
    assert [] == list(missing_types(contract(relation("t", column("a", "text"))), catalog()))


@pytest.mark.parametrize(
    ("key", "refuses"),
    [("required_text", True), ("required_again", True), ("email", False), ("text", False), ("mood", False)],
)
def test_domains_that_refuse_null(key: str, refuses: bool) -> None:
    """A domain refuses NULL if it says so or is made of one that does."""
    oids, _ = all_types()
    assert refuses is refuses_null(oids[key], catalog())


def test_a_circle_of_domains_ends() -> None:
    """A catalog that contradicts itself does not hang the comparison."""
    there: Catalog = catalog()
    oid = there.type_oids["email"]
    circle = msgspec.structs.replace(there.types[oid], base_oid=oid)
    assert not refuses_null(oid, msgspec.structs.replace(there, types=there.types | {oid: circle}))


def test_unresolved_arguments() -> None:
    """A signature with an invisible type is known as one that cannot be called."""
    assert unresolved_arguments(function("f", "text", "mood"), catalog(without_types=["mood"]))
    assert not unresolved_arguments(function("f", "text", "mood"), catalog())
    assert not unresolved_arguments(function("f", bare=True), catalog())


@pytest.mark.parametrize(
    ("own", "general", "live_type", "is_found"),
    [
        (None, TypePolicy.WIDENING, "integer", False),
        (TypePolicy.EXACT, TypePolicy.WIDENING, "integer", True),
        (TypePolicy.EXACT, TypePolicy.NAMES, "integer", True),
        (TypePolicy.NAMES, TypePolicy.EXACT, "jsonb", False),
        (TypePolicy.NAMES, TypePolicy.WIDENING, "jsonb", False),
        (TypePolicy.WIDENING, TypePolicy.EXACT, "integer", False),
        (TypePolicy.WIDENING, TypePolicy.NAMES, "jsonb", True),
        (TypePolicy.EXACT, TypePolicy.NAMES, "smallint", False),
        (None, TypePolicy.EXACT, "integer", True),
    ],
)
def test_a_columns_own_policy_counts_first(
    own: TypePolicy | None, general: TypePolicy, live_type: str, is_found: bool
) -> None:
    """How strictly a type is compared is the column's own say, then the contract's."""
    made = msgspec.structs.replace(column("a", "smallint"), type_policy=own)
    wanted = contract(relation("t", made), type_policy=general)
    assert is_found == bool(list(changed_types(wanted, catalog(live("t", live_column("a", live_type))))))
    assert (own or general) is type_policy_of(made, wanted)


@pytest.mark.parametrize(
    ("own", "general", "is_found"),
    [
        (TypePolicy.NAMES, TypePolicy.EXACT, False),
        (TypePolicy.WIDENING, TypePolicy.NAMES, True),
        (None, TypePolicy.NAMES, False),
    ],
)
def test_a_type_that_is_not_compared_may_be_missing(
    own: TypePolicy | None, general: TypePolicy, is_found: bool
) -> None:
    """A column whose type does not matter asks for no type."""
    made = msgspec.structs.replace(column("a", "mood"), type_policy=own)
    wanted = contract(relation("t", made), type_policy=general)
    assert is_found == bool(list(missing_types(wanted, catalog(without_types=["mood"]))))


def test_a_missing_type_of_a_result_is_found() -> None:
    """A function's result names a type like its arguments do."""
    made = msgspec.structs.replace(function("f"), result=parse_type_name("mood[]"))
    found = list(missing_types(contract(functions=(made,)), catalog(without_types=["mood", "mood[]"])))
    assert ["mood[]"] == [finding.object for finding in found]


def test_a_renamed_type_is_guessed() -> None:
    """A type that is gone is told with the live type most like it."""
    wanted = contract(relation("t", column("a", "mood")))
    (found,) = missing_types(wanted, catalog(without_types=["mood"], near={"types": ("moods", "email")}))
    assert "type mood does not exist on the search_path; renamed to moods?" == found.message


@pytest.mark.parametrize(
    ("type_text", "checks"),
    [
        ("slug", [("public.slug", "slug_a"), ("public.slug", "slug_b")]),
        ("short_slug", [("public.short_slug", "short"), ("public.slug", "slug_a"), ("public.slug", "slug_b")]),
        ("email", []),
        ("text", []),
        ("mood", []),
    ],
)
def test_a_domains_checks_are_those_of_every_level(type_text: str, checks: list[tuple[str, str]]) -> None:
    """A domain over a domain checks what both check."""
    assert checks == list(domain_checks(live_column("a", type_text).type_oid, catalog()))


@pytest.mark.parametrize(
    ("type_text", "supplies"),
    [("supplied", True), ("required_text", False), ("slug", False), ("text", False)],
)
def test_only_a_domain_with_a_default_supplies_one(type_text: str, supplies: bool) -> None:
    """A domain's default fills a column that has none."""
    assert supplies is supplies_default(live_column("a", type_text).type_oid, catalog())


def test_a_type_that_went_away_meanwhile_is_nothing() -> None:
    """An OID without a type neither supplies, nor checks, nor refuses anything."""
    assert not supplies_default(999_999, catalog())
    assert not refuses_null(999_999, catalog())
    assert [] == list(domain_checks(999_999, catalog()))
