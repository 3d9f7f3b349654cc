import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.compatibility import columns, enums, extensions, functions, privileges, relations, types, upserts, writes
from sidecar.compatibility.registry import RULES, compare, in_order
from sidecar.model import (
    Catalog,
    CatalogColumn,
    CatalogEnum,
    CatalogFunction,
    CatalogIndex,
    CatalogRelation,
    Contract,
    ContractColumn,
    ContractRelation,
    ContractUpsert,
    Elsewhere,
    Name,
    Severity,
    TypePolicy,
    Use,
)
from tests.unit import builders

NAMES = st.sampled_from(
    ["a", "b", "userId", "order", "odd.name", 'say "hi"', "on", "ä", "x" * 63, ";", "1", "c", "d e"]
)
TYPES = st.sampled_from(
    ["integer", "text", "character varying(20)", "numeric(10,2)", "timestamp with time zone", "mood", "vector(3)",
     "email", "text[]", "jsonb", "uuid", "interval day to second(3)", "character(3)", "smallint", "bigint"]
)  # fmt: skip


@st.composite
def contracts(draw: st.DrawFn, *, reads_only: bool = False) -> Contract:
    made: dict[Name, ContractRelation] = {}
    for _ in range(draw(st.integers(0, 4))):
        name = Name(draw(st.sampled_from([None, "public", "Billing"])), draw(NAMES))
        use = builders.READ if reads_only else draw(st.frozensets(st.sampled_from(Use), min_size=1))
        names = draw(st.lists(NAMES, max_size=4, unique=True))
        made_columns = []
        for column_name in names:
            column_use = use - {Use.DELETE}
            if column_use and not reads_only:
                column_use = draw(st.frozensets(st.sampled_from(sorted(column_use)), min_size=1))
            made_columns.append(
                builders.column(
                    column_name,
                    *draw(st.lists(TYPES, max_size=2)),
                    use=column_use,
                    nullable=draw(st.sampled_from([None, True, False])),
                )
            )
        wanted_upserts = (
            [ContractUpsert(columns=tuple(names[:1]))] if names and Use.INSERT in use and draw(st.booleans()) else []
        )
        made[name] = ContractRelation(name=name, use=use, columns=tuple(made_columns), upserts=tuple(wanted_upserts))
    return Contract(
        name="app",
        digest="sha256:0",
        type_policy=draw(st.sampled_from(TypePolicy)),
        relations=tuple(made.values()),
        enums=tuple(
            builders.enum(name, *draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)))
            for name in draw(st.lists(NAMES, max_size=2, unique=True))
        ),
        functions=tuple(
            builders.function(name, *draw(st.lists(TYPES, max_size=2)))
            for name in draw(st.lists(NAMES, max_size=2, unique=True))
        ),
        extensions=tuple(draw(st.lists(NAMES, max_size=2, unique=True))),
    )


def _column_of(column: ContractColumn) -> CatalogColumn:
    made = builders.live_column(column.name, str(column.types[0]) if column.types else "text")
    held = column.nullable is False
    return msgspec.structs.replace(made, not_null=held, has_default=held)


def _relation_of(relation: ContractRelation) -> CatalogRelation:
    return builders.live(
        relation.name.name,
        *map(_column_of, relation.columns),
        schema=relation.name.schema or "public",
        indexes=tuple(builders.index(f"i{n}", *upsert.columns) for n, upsert in enumerate(relation.upserts)),
    )


def catalog_of(contract: Contract) -> Catalog:
    """Return a catalog that has exactly what the contract asks for."""
    schemas = {relation.name.schema for relation in contract.relations}
    return builders.catalog(
        named={str(relation.name): _relation_of(relation) for relation in contract.relations},
        schemas={schema: True for schema in schemas if schema is not None},
        enums={str(enum.name): builders.live_enum(enum.name.name, *enum.labels) for enum in contract.enums},
        functions={
            str(function.name): (builders.live_function(*map(str, function.arguments or ())),)
            for function in contract.functions
        },
        extensions=dict.fromkeys(contract.extensions, "1.0"),
    )


def with_relations(catalog: Catalog, change: Callable[[CatalogRelation], CatalogRelation]) -> Catalog:
    changed = {key: change(relation) for key, relation in catalog.relations.items()}
    return msgspec.structs.replace(catalog, relations=changed)


@given(contracts())
def test_a_catalog_made_from_the_contract_fits(contract: Contract) -> None:
    """A database that has exactly what the contract asks for gives no finding."""
    assert () == compare(contract, catalog_of(contract))


MORE_COLUMNS = st.lists(
    st.builds(
        builders.live_column,
        st.sampled_from(["new", "New Column", "zz"]),
        TYPES,
        not_null=st.booleans(),
        has_default=st.booleans(),
        identity=st.sampled_from(["", "a", "d"]),
        generated=st.sampled_from(["", "s", "v"]),
        can_select=st.booleans(),
    ),
    max_size=3,
    unique_by=lambda column: column.name,
)


@given(contracts(reads_only=True), MORE_COLUMNS, st.randoms(use_true_random=False))
def test_what_the_database_has_beyond_the_contract_never_blocks_a_reader(
    contract: Contract, more: list[CatalogColumn], chance: random.Random
) -> None:
    """New columns, in any order, relations, labels, overloads, extensions and schemas are no concern of a reader."""

    def widened(relation: CatalogRelation) -> CatalogRelation:
        names = {column.name for column in relation.columns}
        all_columns = [*relation.columns, *(column for column in more if column.name not in names)]
        chance.shuffle(all_columns)
        indexes = (*relation.indexes, builders.index("new", "new"))
        return msgspec.structs.replace(relation, columns=tuple(all_columns), indexes=indexes)

    def labelled(enum: CatalogEnum) -> CatalogEnum:
        return msgspec.structs.replace(enum, labels=("newest", *reversed(enum.labels), "new"))

    def overloaded(there: tuple[CatalogFunction, ...]) -> tuple[CatalogFunction, ...]:
        return (builders.live_function("text", "text", "text", can_execute=False), *there)

    catalog = with_relations(catalog_of(contract), widened)
    catalog = msgspec.structs.replace(
        catalog,
        relations=catalog.relations | {"new": builders.live("new")},
        schemas=catalog.schemas | {"new": False},
        enums={key: labelled(enum) for key, enum in catalog.enums.items()},
        functions={key: overloaded(there) for key, there in catalog.functions.items()},
        extensions=catalog.extensions | {"new": "1"},
        elsewhere={key: (Elsewhere("new", True),) for key in catalog.relations},
    )
    assert [] == [found for found in compare(contract, catalog) if found.severity is Severity.ERROR]


def impoverished(contract: Contract, chance: random.Random) -> Catalog:
    """Return a catalog from which things were taken away and changed at random."""

    def drop(values: Any) -> tuple[Any, ...]:
        return tuple(value for value in values if chance.random() > 0.4)

    def poorer(relation: CatalogRelation) -> CatalogRelation:
        changed = [
            msgspec.structs.replace(
                column,
                not_null=chance.random() > 0.5,
                can_select=chance.random() > 0.3,
                can_insert=chance.random() > 0.3,
                generated=chance.choice(["", "", "s"]),
                identity=chance.choice(["", "", "a"]),
            )
            for column in (*drop(relation.columns), builders.live_column("demanding", not_null=True))
        ]
        indexes: tuple[CatalogIndex, ...] = drop(relation.indexes)
        return msgspec.structs.replace(
            relation,
            columns=tuple(changed),
            indexes=indexes,
            can_select=chance.random() > 0.5,
            can_insert=chance.random() > 0.5,
            can_use_schema=chance.random() > 0.2,
        )

    full = catalog_of(contract)
    return msgspec.structs.replace(
        with_relations(msgspec.structs.replace(full, relations=dict(drop(full.relations.items()))), poorer),
        schemas=dict(drop(full.schemas.items())),
        elsewhere={key: (Elsewhere("public", chance.random() > 0.5),) for key in full.relations},
        type_oids=dict(drop(full.type_oids.items())),
        enums={
            key: msgspec.structs.replace(enum, labels=drop(enum.labels), kind=chance.choice("eed"))
            for key, enum in drop(full.enums.items())
        },
        functions=dict(drop(full.functions.items())),
        extensions=dict(drop(full.extensions.items())),
    )


@settings(max_examples=60)
@given(contracts(), st.randoms(use_true_random=False))
def test_the_result_does_not_depend_on_any_order(contract: Contract, chance: random.Random) -> None:
    """However contract and catalog are ordered, the same findings come in the same order."""
    catalog = impoverished(contract, chance)

    def mixed(values: Any) -> Any:
        copy = list(values)
        chance.shuffle(copy)
        return tuple(copy)

    mixed_contract = msgspec.structs.replace(
        contract,
        relations=tuple(
            msgspec.structs.replace(relation, columns=mixed(relation.columns), upserts=mixed(relation.upserts))
            for relation in mixed(contract.relations)
        ),
        enums=mixed(contract.enums),
        functions=mixed(contract.functions),
        extensions=mixed(contract.extensions),
    )
    mixed_catalog = with_relations(
        catalog, lambda relation: msgspec.structs.replace(relation, columns=mixed(relation.columns))
    )
    mixed_catalog = msgspec.structs.replace(
        mixed_catalog,
        relations=dict(mixed(mixed_catalog.relations.items())),
        schemas=dict(mixed(mixed_catalog.schemas.items())),
    )
    assert compare(contract, catalog) == compare(mixed_contract, mixed_catalog)


@settings(max_examples=60)
@given(contracts(), st.randoms(use_true_random=False))
def test_findings_are_sorted_unique_and_complete(contract: Contract, chance: random.Random) -> None:
    """Errors come first, then objects in order; none comes twice, and each says what, where and how to mend it."""
    found = compare(contract, impoverished(contract, chance))
    keys = [
        (finding.severity is not Severity.ERROR, finding.object, finding.code, finding.message) for finding in found
    ]
    assert sorted(set(keys)) == keys
    for finding in found:
        assert finding.object
        assert finding.message
        assert finding.help


def test_in_order_drops_repetitions() -> None:
    """The same finding from two rules is told once, errors before warnings."""
    error, warning = builders.finding(), builders.warning()
    assert (error, warning) == in_order([warning, error, warning, error])


@pytest.mark.parametrize(
    "module",
    [columns, enums, extensions, functions, privileges, relations, types, upserts, writes],
    ids=lambda m: m.__name__,
)
def test_every_rule_is_registered(module: Any) -> None:
    """A function that takes a contract and a catalog and gives findings is a rule, and is applied."""
    public = [
        value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", "") == module.__name__
        and list(getattr(value, "__annotations__", {})) == ["contract", "catalog", "return"]
    ]
    assert public
    assert [] == [rule.__name__ for rule in public if rule not in RULES]


def test_the_whole_report_comes_at_once() -> None:
    """One comparison tells everything that is wrong, of every kind."""
    contract = builders.contract(
        builders.relation("gone"),
        builders.relation("t", builders.column("lost"), builders.column("a", "integer")),
        enums=(builders.enum("mood", "sad"),),
        functions=(builders.function("f"),),
        extensions=("vector",),
    )
    catalog = builders.catalog(builders.live("t", builders.live_column("a", "text"), can_delete=False))
    assert {
        "relation-missing",
        "column-missing",
        "column-type-changed",
        "type-missing",
        "function-missing",
        "extension-missing",
    } == {finding.code for finding in compare(contract, catalog)}
