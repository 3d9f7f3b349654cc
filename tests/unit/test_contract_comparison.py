import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.compatibility.registry import compare
from sidecar.compatibility.type_names import parse_type_name
from sidecar.contract.comparison import Comparison, builtin_name, compare_contracts
from sidecar.model import (
    Acceptance,
    Catalog,
    Contract,
    ContractColumn,
    ContractFunction,
    ContractQuery,
    ContractRelation,
    ContractUpsert,
    ForeignKey,
    KnownConstraints,
    Name,
    OnConflict,
    SessionNeeds,
    Severity,
    TypePolicy,
    Use,
)
from tests.unit import builders
from tests.unit.test_compatibility_registry import catalog_of, catalogs, contract_of, contracts, impoverished

READ, WRITE = builders.READ, builders.WRITE
BOTH = READ | WRITE


def one(column: ContractColumn, **rest: Any) -> Contract:
    return builders.contract(builders.relation("t", column, use=column.use or READ, **rest))


def table(**rest: Any) -> Contract:
    return builders.contract(builders.relation("t", builders.column("a", "text", use=BOTH), use=BOTH, **rest))


def told(a: Contract, b: Contract) -> set[tuple[str, str, bool]]:
    return {(d.kind, d.object, d.severity is Severity.ERROR) for d in compare_contracts(a, b).demands}


@pytest.mark.parametrize(
    ("before", "after", "use", "demands"),
    [
        ("text", "text", BOTH, False),
        ("varchar", "text", READ, False),
        ("varchar(20)", "text", READ, False),
        ("varchar(20)", "text", BOTH, True),
        ("varchar(20)", "varchar(30)", BOTH, True),
        ("varchar(30)", "varchar(20)", BOTH, False),
        ("varchar(30)", "varchar(20)", READ, False),
        ("varchar", "varchar(20)", BOTH, False),
        ("varchar(20)", "varchar", BOTH, True),
        ("varchar(3)", "char(3)", BOTH, False),
        ("integer", "smallint", BOTH, False),
        ("integer", "smallint", WRITE, False),
        ("bigint", "smallint", WRITE, False),
        ("smallint", "integer", WRITE, True),
        ("integer", "bigint", READ, True),
        ("numeric(12,0)", "integer", WRITE, False),
        ("numeric(9,0)", "integer", WRITE, True),
        ("numeric(10,2)", "numeric(8,2)", WRITE, False),
        ("numeric(10,2)", "numeric(10,3)", WRITE, True),
        ("double precision", "real", READ, False),
        ("real", "double precision", READ, True),
        ("timestamp", "timestamptz", READ, True),
        ("timestamp(3)", "timestamp", BOTH, False),
        ("interval", "interval day", WRITE, False),
        ("interval day", "interval", WRITE, True),
        ("json", "jsonb", READ, True),
        ("text", "text[]", READ, True),
        ("varchar(9)[]", "text[]", READ, False),
        ("bit(3)", "bit(4)", WRITE, True),
        ("vector(3)", "vector(4)", READ, True),
        ("vector(3)", "vector", BOTH, False),
        ("vector", "vector(3)", READ, True),
        ("mood", "text", READ, True),
    ],
)
def test_types_are_compared_by_what_a_database_may_have(
    before: str, after: str, use: frozenset[Use], demands: bool
) -> None:
    """A type demands nothing new where all that the old one lets pass passes for the new one."""
    found = told(one(builders.column("a", before, use=use)), one(builders.column("a", after, use=use)))
    assert (("type", "t.a", True) in found) is demands


def column(*types: str, use: frozenset[Use] = READ, **changes: Any) -> Contract:
    return one(msgspec.structs.replace(builders.column("a", *types, use=use), **changes))


def queried(sql: str, *, name: str = "q", run: bool = False) -> Contract:
    return builders.contract(queries=(ContractQuery(name=name, sql=sql, parameters=0, run=run),))


ACCEPTED = (Acceptance(code="column-missing", object="public.t.c", reason="known"),)
INSERTS = builders.relation("t", builders.column("a", use=WRITE), use=WRITE)
NOT_A = builders.relation("t", builders.column("a", use={Use.UPDATE}), builders.column("b", use=WRITE), use=WRITE)
EXCLUDED = ContractUpsert(constraint="k", action=OnConflict.NOTHING)
EMPTY = builders.contract()
TEXT = parse_type_name("text")


@pytest.mark.parametrize(
    ("a", "b", "demands"),
    [
        (EMPTY, column("text"), {("relation", "t", True)}),
        (builders.contract(builders.relation("t")), column("text"), {("column", "t.a", True)}),
        (column("text"), builders.contract(builders.relation("t")), {("use", "t", True)}),
        (column("text"), column("text", use=BOTH), {("use", "t", True), ("use", "t.a", True)}),
        (column("text", "json"), column("text"), {("type", "t.a", True)}),
        (column("text"), column("text", "json"), set()),
        (column("text"), column(), set()),
        (column(), column("text"), {("type", "t.a", True)}),
        (column("text"), column("text", "citext"), {("type name", "citext", True)}),
        (column(use=WRITE), column(use=WRITE, nullable=True), {("nullable", "t.a", True)}),
        (column(), column(nullable=True), set()),
        (column(), column(nullable=False), {("nullable", "t.a", False)}),
        (column(nullable=False), column(), set()),
        (column("text"), column("text", type_policy=TypePolicy.EXACT), {("type policy", "t.a", True)}),
        (column("text", type_policy=TypePolicy.EXACT), column("text"), set()),
        (
            column("text"),
            msgspec.structs.replace(column("text"), type_policy=TypePolicy.EXACT),
            {("type policy", "types", True)},
        ),
        (
            msgspec.structs.replace(column("text"), type_policy=TypePolicy.NAMES),
            column("text"),
            {("type policy", "types", True)},
        ),
        (builders.contract(INSERTS), builders.contract(NOT_A), {("unwritten", "t.a", True), ("column", "t.b", True)}),
        (table(), table(upserts=(("a",),)), {("upsert", "t (a)", True)}),
        (table(upserts=(EXCLUDED,)), table(upserts=(ContractUpsert(constraint="k"),)), {("upsert", "t k", True)}),
        (table(upserts=(ContractUpsert(constraint="k"),)), table(upserts=(EXCLUDED,)), set()),
        (table(), table(constraints=KnownConstraints()), {("constraints", "t", False)}),
        (table(constraints=KnownConstraints()), table(), set()),
        (
            table(
                constraints=KnownConstraints(
                    unique=("u", ("a",)),
                    foreign_keys=(ForeignKey(columns=("a",), references=Name(None, "o")),),
                    checks=("c",),
                    exclusions=("x",),
                    triggers=("g",),
                )
            ),
            table(constraints=KnownConstraints()),
            {("trigger", "t g", False)}
            | {("constraint", f"t {key}", False) for key in ("u", "(a)", "(a) → o", "c", "x")},
        ),
        (table(), table(indexes=("i", ("a",))), {("index", "t i", False), ("index", "t (a)", False)}),
        (table(indexes=(("a", "b"),)), table(indexes=(("a",),)), set()),
        (EMPTY, builders.contract(enums=(builders.enum("m", "x"),)), {("enum", "m", True)}),
        (
            builders.contract(enums=(builders.enum("m", "x"),)),
            builders.contract(enums=(builders.enum("m", "y", "x"),)),
            {("label", "m.'y'", True)},
        ),
        (
            builders.contract(builders.relation("t", builders.column("a", "m")), enums=(builders.enum("m", "x"),)),
            builders.contract(builders.relation("t", builders.column("a", "m"))),
            {("type name", "m", True)},
        ),
        (EMPTY, builders.contract(functions=(builders.function("f", "text"),)), {("function", "f(text)", True)}),
        (
            builders.contract(functions=(builders.function("f", "text"),)),
            builders.contract(functions=(builders.function("f", bare=True),)),
            set(),
        ),
        (
            builders.contract(functions=(builders.function("f", bare=True),)),
            builders.contract(functions=(ContractFunction(name=Name(None, "f"), arguments=None, result=TEXT),)),
            {("function", "f", True)},
        ),
        (EMPTY, builders.contract(extensions=("e",)), {("extension", "e", True)}),
        (EMPTY, builders.contract(sequences=(Name(None, "s"),)), {("sequence", "s", True)}),
        (EMPTY, builders.contract(collations=(Name(None, "c"),)), {("collation", "c", True)}),
        (
            EMPTY,
            builders.contract(text_search_configurations=(Name(None, "c"),)),
            {("text search configuration", "c", True)},
        ),
        (EMPTY, queried("SELECT 1"), {("query", "q", True)}),
        (queried("SELECT 1"), queried("SELECT 1", name="other"), set()),
        (queried("SELECT 1"), queried("SELECT 1", run=True), {("query", "q", True)}),
        (queried("SELECT 1", run=True), queried("SELECT 1"), set()),
        (EMPTY, builders.contract(search_path=("a",)), {("search_path", "search_path", True)}),
        (
            builders.contract(search_path=("a", "b")),
            builders.contract(search_path=("b", "a")),
            {("search_path", "search_path", True)},
        ),
        (builders.contract(acceptances=ACCEPTED), EMPTY, {("acceptance", "public.t.c", True)}),
        (EMPTY, builders.contract(acceptances=ACCEPTED), {("acceptance", "public.t.c", False)}),
        (
            EMPTY,
            builders.contract(session=SessionNeeds(temporary_tables=True, lock_timeout_s=1, statement_timeout_s=2)),
            {
                ("session", "temporary tables", True),
                ("session", "lock_timeout", False),
                ("session", "statement_timeout", False),
            },
        ),
        (
            builders.contract(session=SessionNeeds(lock_timeout_s=2)),
            builders.contract(session=SessionNeeds(lock_timeout_s=1)),
            set(),
        ),
    ],
)  # fmt: skip
def test_each_kind_of_demand_is_told(a: Contract, b: Contract, demands: set[tuple[str, str, bool]]) -> None:
    """What the second contract demands beyond the first, and whether it may keep a database from fitting."""
    assert demands == told(a, b)
    found = compare_contracts(a, b)
    assert any(breaks for *_, breaks in demands) is found.may_not_fit()
    assert bool(demands) is found.may_not_fit(strict=True)


@pytest.mark.parametrize(
    ("text", "name"),
    [("int", "int4"), ("text[]", "text"), ("pg_catalog.jsonb", "jsonb"), ("mood", None), ("public.text", None)],
)
def test_builtin_types_go_by_their_catalog_names(text: str, name: str | None) -> None:
    """The tables of accepted types are written with the names of pg_type."""
    assert name == builtin_name(parse_type_name(text))


@given(contracts())
def test_a_contract_demands_nothing_beyond_itself(contract: Contract) -> None:
    """Compared with itself, a contract gives nothing to tell."""
    assert Comparison(demands=(), no_longer=()) == compare_contracts(contract, contract)


@settings(max_examples=60)
@given(contracts(), contracts())
def test_the_two_lists_mirror_each_other(a: Contract, b: Contract) -> None:
    """What the second demands beyond the first, the first no longer needs; both are sorted, without repetition."""
    found, turned = compare_contracts(a, b), compare_contracts(b, a)
    assert (found.demands, found.no_longer) == (turned.no_longer, turned.demands)
    for demands in (found.demands, found.no_longer):
        assert list(demands) == sorted(set(demands), key=lambda d: (d.severity == "warning", d.object, d.kind, d.what))


@settings(max_examples=60)
@given(contracts(), contracts())
def test_adding_only_adds_demands(contract: Contract, more: Contract) -> None:
    """Relations and objects that a contract gets in addition are demands, and nothing is needed less."""
    known = {relation.name for relation in contract.relations}
    named = {enum.name for enum in contract.enums}
    wider = msgspec.structs.replace(
        contract,
        relations=contract.relations + tuple(r for r in more.relations if r.name not in known),
        enums=contract.enums + tuple(e for e in more.enums if e.name not in named),
        functions=contract.functions + more.functions,
        extensions=contract.extensions + more.extensions,
        sequences=contract.sequences + more.sequences,
        collations=contract.collations + more.collations,
    )
    assert () == tuple(d for d in compare_contracts(contract, wider).no_longer if d.kind != "type name")
    assert bool(compare_contracts(contract, wider).demands) or len(wider.relations) == len(contract.relations)


def lessened(contract: Contract, chance: random.Random) -> Contract:
    """Return the contract with things left out and claims changed at random: mostly it demands less."""

    rate = chance.choice([0.03, 0.1, 0.3])

    def some(values: Any) -> tuple[Any, ...]:
        return tuple(value for value in values if chance.random() > rate)

    def either(value: Any, *others: Any) -> Any:
        return value if chance.random() > rate else chance.choice(others)

    def less(relation: ContractRelation) -> ContractRelation:
        use = frozenset(some(relation.use)) or relation.use
        return msgspec.structs.replace(
            relation,
            use=use,
            columns=tuple(
                msgspec.structs.replace(
                    made,
                    use=frozenset(some(made.use)) & use,
                    types=either(made.types, (), (*made.types, TEXT), made.types[1:], made.types[::-1]),
                    nullable=either(made.nullable, None, True),
                    type_policy=either(made.type_policy, *TypePolicy),
                )
                for made in some(relation.columns)
            ),
            upserts=some(relation.upserts) if Use.INSERT in use else (),
            constraints=either(relation.constraints, None, KnownConstraints()),
            indexes=some(relation.indexes),
        )

    return msgspec.structs.replace(
        contract,
        relations=tuple(map(less, some(contract.relations))),
        enums=some(contract.enums),
        functions=some(contract.functions),
        extensions=some(contract.extensions),
        sequences=some(contract.sequences),
        collations=some(contract.collations),
        type_policy=either(contract.type_policy, *TypePolicy),
    )


def never_worse(a: Contract, b: Contract, catalog: Catalog) -> None:
    """Hold the comparison against the rules themselves."""
    found = compare_contracts(a, b)
    fits = [finding.severity for finding in compare(a, catalog)]
    worse = list(compare(b, catalog))
    if Severity.ERROR not in fits and not found.may_not_fit():
        assert [] == [finding for finding in worse if finding.severity is Severity.ERROR]
    if not fits and not found.may_not_fit(strict=True):
        assert [] == worse


@settings(max_examples=120)
@given(catalogs(), st.randoms(use_true_random=False))
def test_what_fits_the_first_fits_the_second(catalog: Catalog, chance: random.Random) -> None:
    """Where nothing is demanded beyond a contract, a catalog that fulfils it gives no finding for the other."""
    a = contract_of(catalog)
    never_worse(a, lessened(a, chance), catalog)


@settings(max_examples=120)
@given(contracts(), st.randoms(use_true_random=False))
def test_what_fits_a_drawn_contract_fits_the_lesser_one(contract: Contract, chance: random.Random) -> None:
    """The same for catalogs made from the contract, whole and with things taken away."""
    lesser = lessened(contract, chance)
    never_worse(contract, lesser, catalog_of(contract))
    never_worse(lesser, contract, catalog_of(lesser))
    poor = impoverished(contract, chance)
    builtin = {
        key: oid for key, oid in catalog_of(contract).type_oids.items() if oid < 20_000 or 100_000 < oid < 120_000
    }
    never_worse(contract, lesser, msgspec.structs.replace(poor, type_oids=poor.type_oids | builtin))


LIVE = ["smallint", "integer", "bigint", "numeric", "numeric(12,0)", "numeric(10,2)", "text", "character varying",
        "character varying(20)", "character varying(30)", "character(3)", "real", "double precision", "email", "mood",
        "interval", "interval day to second(3)", "timestamp with time zone", "bit(3)", "bit varying(3)", "vector(3)",
        "vector", "slug", "positive", "text[]", "smallint[]", "integer[]", "name", "jsonb"]  # fmt: skip


@pytest.mark.parametrize("use", [READ, WRITE, BOTH], ids=["read", "write", "both"])
def test_no_pair_of_types_is_let_pass_that_the_rules_refuse(use: frozenset[Use]) -> None:
    """Over all pairs of types and all live ones: what the first type lets pass, the second does, or it is told."""
    fits = {
        text: {
            live
            for live in LIVE
            if not compare(column(text, use=use), builders.catalog(builders.live("t", builders.live_column("a", live))))
        }
        for text in LIVE
    }
    for before in LIVE:
        for after in LIVE:
            if not fits[before] <= fits[after]:
                assert told(column(before, use=use), column(after, use=use)), (before, after)
