import random
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.compatibility import (
    columns,
    constraints,
    enums,
    extensions,
    functions,
    policies,
    privileges,
    relations,
    sequences,
    sessions,
    text_objects,
    types,
    upserts,
    writes,
)
from sidecar.compatibility.acceptances import with_acceptances
from sidecar.compatibility.codes import BY_CODE
from sidecar.compatibility.matching import names_of
from sidecar.compatibility.registry import RULES, compare, in_order
from sidecar.compatibility.type_names import parse_type_name
from sidecar.compatibility.types import domain_checks, refuses_null
from sidecar.identifiers import split_path
from sidecar.model import (
    Acceptance,
    Catalog,
    CatalogColumn,
    CatalogEnum,
    CatalogFunction,
    CatalogIndex,
    CatalogRelation,
    Contract,
    ContractColumn,
    ContractFunction,
    ContractRelation,
    ContractUpsert,
    Elsewhere,
    ForeignKey,
    KnownConstraints,
    Name,
    OnConflict,
    RefusedFunction,
    SessionNeeds,
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

ACTIONS = (None, *OnConflict)
OBJECTS = st.lists(st.builds(Name, st.sampled_from([None, "public", "Billing"]), NAMES), max_size=2, unique=True).map(
    tuple
)
KNOWN = st.builds(
    KnownConstraints,
    unique=st.lists(NAMES | st.tuples(NAMES), max_size=2).map(tuple),
    checks=st.lists(NAMES, max_size=2).map(tuple),
    exclusions=st.lists(NAMES, max_size=2).map(tuple),
    triggers=st.lists(NAMES, max_size=2).map(tuple),
    foreign_keys=st.lists(
        st.builds(ForeignKey, columns=st.tuples(NAMES), references=st.builds(Name, st.just("public"), NAMES)),
        max_size=2,
    ).map(tuple),
)


@st.composite
def contracts(draw: st.DrawFn, *, reads_only: bool = False) -> Contract:
    made: dict[Name, ContractRelation] = {}
    for _ in range(draw(st.integers(0, 4))):
        name = Name(draw(st.sampled_from([None, "public", "Billing"])), draw(NAMES))
        use = builders.READ if reads_only else draw(st.frozensets(st.sampled_from(Use), min_size=1))
        names = draw(st.lists(NAMES, max_size=4, unique=True))
        made_columns = []
        for column_name in names:
            column_use = use - {Use.DELETE, Use.TRUNCATE}
            if column_use and not reads_only:
                column_use = draw(st.frozensets(st.sampled_from(sorted(column_use)), min_size=1))
            made_column = builders.column(
                column_name,
                *draw(st.lists(TYPES, max_size=2)),
                use=column_use,
                nullable=draw(st.sampled_from([None, True, False])),
            )
            policy = draw(st.none() | st.sampled_from(TypePolicy))
            made_columns.append(msgspec.structs.replace(made_column, type_policy=policy))
        wanted_upserts = (
            [ContractUpsert(columns=tuple(names[:1]))] if names and Use.INSERT in use and draw(st.booleans()) else []
        )
        if names and Use.INSERT in use and draw(st.booleans()):
            wanted_upserts.append(ContractUpsert(constraint=draw(NAMES), action=draw(st.sampled_from(ACTIONS))))
        made[name] = ContractRelation(
            name=name,
            use=use,
            columns=tuple(made_columns),
            upserts=tuple(wanted_upserts),
            constraints=draw(st.none() | KNOWN),
            indexes=tuple(draw(st.lists(NAMES | st.just(tuple(names[:2])), max_size=2)) if names else ()),
        )
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
            msgspec.structs.replace(
                builders.function(name, *draw(st.lists(TYPES, max_size=2))),
                result=draw(st.none() | TYPES.map(parse_type_name)),
                returns_set=draw(st.booleans()),
            )
            for name in draw(st.lists(NAMES, max_size=2, unique=True))
        ),
        extensions=tuple(draw(st.lists(NAMES, max_size=2, unique=True))),
        sequences=draw(OBJECTS),
        collations=draw(OBJECTS),
        text_search_configurations=draw(OBJECTS),
        session=SessionNeeds(
            temporary_tables=draw(st.booleans()),
            statement_timeout_s=draw(st.none() | st.floats(0.001, 1000)),
            lock_timeout_s=draw(st.none() | st.floats(0.001, 1000)),
        ),
    )


def _column_of(column: ContractColumn) -> CatalogColumn:
    made = builders.live_column(column.name, str(column.types[0]) if column.types else "text")
    held = column.nullable is False
    return msgspec.structs.replace(made, not_null=held, has_default=held)


def _relation_of(relation: ContractRelation) -> CatalogRelation:
    known = relation.constraints or KnownConstraints()
    indexes = [builders.index(f"i{n}", *upsert.columns) for n, upsert in enumerate(relation.upserts) if upsert.columns]
    named = [upsert.constraint for upsert in relation.upserts if upsert.constraint is not None]
    indexes += [
        builders.index(name, *(column.name for column in relation.columns))
        for name in (*named, *(name for name in known.unique if isinstance(name, str)))
    ]
    for n, wanted in enumerate(relation.indexes):
        name, columns = (wanted, ()) if isinstance(wanted, str) else (f"n{n}", wanted)
        indexes.append(builders.index(name, *columns, is_unique=False))
    constraints = [builders.constraint(name, "u") for name in named]
    constraints += [builders.constraint(name, "c") for name in known.checks if name not in named]
    constraints += [builders.constraint(name, "x") for name in known.exclusions if name not in named]
    constraints += [
        builders.constraint(
            f"f{n}",
            "f",
            *key.columns,
            references_schema=key.references.schema or "public",
            references_name=key.references.name,
        )
        for n, key in enumerate(known.foreign_keys)
    ]
    return builders.live(
        relation.name.name,
        *map(_column_of, relation.columns),
        schema=relation.name.schema or "public",
        indexes=tuple(indexes),
        constraints=tuple(constraints),
        triggers=tuple(builders.trigger(name, *Use) for name in known.triggers),
    )


def catalog_of(contract: Contract) -> Catalog:
    """Return a catalog that has exactly what the contract asks for."""
    schemas = {name.schema for name in names_of(contract)}
    oids, _ = builders.all_types()
    return builders.catalog(
        named={str(relation.name): _relation_of(relation) for relation in contract.relations},
        schemas={schema: True for schema in schemas if schema is not None},
        enums={str(enum.name): builders.live_enum(enum.name.name, *enum.labels) for enum in contract.enums},
        functions={
            str(function.name): (
                builders.live_function(
                    *map(str, function.arguments or ()),
                    result_oid=oids[function.result.key] if function.result else 0,
                    returns_set=function.returns_set,
                ),
            )
            for function in contract.functions
        },
        extensions=dict.fromkeys(contract.extensions, "1.0"),
        sequences={
            str(name): builders.sequence(name.name, schema=name.schema or "public") for name in contract.sequences
        },
        collations=tuple(map(str, contract.collations)),
        text_search_configurations=tuple(map(str, contract.text_search_configurations)),
    )


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    """Draw a catalog of relations whose role may do everything and which demand nothing that they do not say."""
    relations = {}
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        columns = draw(st.lists(NAMES, max_size=4, unique=True))
        some = st.lists(st.sampled_from(columns), min_size=1, max_size=2, unique=True) if columns else st.just([])
        relations[name] = builders.live(
            name,
            *(
                builders.live_column(
                    column,
                    draw(LIVE_TYPES),
                    not_null=draw(st.booleans()),
                    has_default=draw(st.booleans()),
                    identity=draw(st.sampled_from(["", "", "a", "d"])),
                    generated=draw(st.sampled_from(["", "", "s", "v"])),
                    sequence=draw(st.none() | st.builds(builders.sequence, NAMES)),
                )
                for column in columns
            ),
            kind=draw(st.sampled_from("rpvmf")),
            fills_on_insert=draw(st.booleans()),
            indexes=tuple(
                builders.index(
                    index_name,
                    *draw(some),
                    has_expressions=draw(st.booleans()),
                    is_partial=draw(st.booleans()),
                    is_unique=draw(st.booleans()),
                    is_primary=draw(st.booleans()),
                    is_immediate=draw(st.booleans()),
                    is_valid=draw(st.booleans()),
                )
                for index_name in draw(st.lists(NAMES, max_size=3, unique=True))
            ),
            constraints=tuple(
                builders.constraint(
                    constraint_name,
                    draw(st.sampled_from("cfpux")),
                    *draw(some),
                    references_schema="public",
                    references_name=draw(NAMES),
                    is_deferrable=draw(st.booleans()),
                )
                for constraint_name in draw(st.lists(NAMES, max_size=3, unique=True))
            ),
            triggers=tuple(
                builders.trigger(trigger_name, *draw(st.frozensets(st.sampled_from(Use))))
                for trigger_name in draw(st.lists(NAMES, max_size=2, unique=True))
            ),
        )
    return builders.catalog(
        *relations.values(),
        enums={"mood": builders.live_enum("mood", *draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)))},
        functions={
            str(Name(None, name)): (builders.live_function(*draw(st.lists(TYPES, max_size=2)), result_oid=25),)
            for name in draw(st.lists(NAMES, max_size=2, unique=True))
        },
        extensions=dict.fromkeys(draw(st.lists(NAMES, max_size=2)), "1.0"),
        sequences={str(Name(None, name)): builders.sequence(name) for name in draw(st.lists(NAMES, max_size=2))},
        collations=tuple(str(Name(None, name)) for name in draw(st.lists(NAMES, max_size=2))),
        about=builders.database(statement_timeout_ms=draw(st.integers(0, 9999))),
    )


LIVE_TYPES = TYPES | st.sampled_from(["required_text", "slug", "short_slug", "slug[]", "supplied"])


def contract_of(catalog: Catalog) -> Contract:
    """Return the contract that a catalog fulfils by construction: everything that can be said of it."""
    timeout_s = catalog.database.statement_timeout_ms / 1000
    return Contract(
        name="app",
        digest="sha256:0",
        type_policy=TypePolicy.EXACT,
        relations=tuple(_wanted_of(relation, catalog) for relation in catalog.relations.values()),
        enums=tuple(builders.enum(enum.name, *reversed(enum.labels)) for enum in catalog.enums.values()),
        functions=tuple(
            ContractFunction(
                name=Name(None, *split_path(name)),
                arguments=tuple(parse_type_name(_type_text(oid, catalog)) for oid in function.arguments),
                result=parse_type_name("text"),
                returns_set=function.returns_set,
            )
            for name, (function,) in catalog.functions.items()
        ),
        extensions=tuple(catalog.extensions),
        sequences=tuple(Name(None, sequence.name) for sequence in catalog.sequences.values()),
        collations=tuple(Name(None, *split_path(name)) for name in catalog.collations),
        session=SessionNeeds(temporary_tables=True, statement_timeout_s=timeout_s or 1000.0),
    )


def _type_text(oid: int, catalog: Catalog) -> str:
    return next(key for key, other in catalog.type_oids.items() if oid == other)


def _wanted_of(live: CatalogRelation, catalog: Catalog) -> ContractRelation:
    """Return everything that can be done with a relation and said of it."""
    is_writable = live.kind in "rpf"
    deferrable = [set(index.columns) for index in live.indexes if not index.is_immediate]
    plain = [
        index.columns
        for index in live.indexes
        if index.is_unique and index.is_valid and not index.is_partial and not index.has_expressions
    ]
    columns = []
    for column in live.columns:
        is_computed = bool(column.generated) or column.identity == "a"
        use = builders.READ if is_computed or not is_writable else builders.READ | builders.WRITE
        refuses = column.not_null or refuses_null(column.type_oid, catalog)
        nullable = None if live.kind in "vm" else not refuses
        columns.append(builders.column(column.name, column.type_text, use=use, nullable=nullable))
    inserts = is_writable and any(Use.INSERT in column.use for column in columns)
    upserts = [ContractUpsert(columns=key) for key in plain if key and set(key) not in deferrable]
    upserts += [
        ContractUpsert(constraint=made.name, action=OnConflict.NOTHING)
        for made in live.constraints
        if made.kind in "pux" and not made.is_deferrable
    ]
    checks = [check for column in live.columns for _, check in domain_checks(column.type_oid, catalog)]
    return ContractRelation(
        name=Name(None, live.name),
        use=builders.READ | (builders.WRITE | {Use.DELETE, Use.TRUNCATE} if inserts else frozenset()),
        columns=tuple(columns)
        if inserts
        else tuple(msgspec.structs.replace(column, use=builders.READ) for column in columns),
        upserts=tuple(upserts) if inserts else (),
        constraints=KnownConstraints(
            unique=tuple(index.name for index in live.indexes),
            foreign_keys=tuple(
                ForeignKey(columns=made.columns, references=Name(made.references_schema, made.references_name))
                for made in live.constraints
                if made.kind == "f"
            ),
            checks=(*checks, *(made.name for made in live.constraints if made.kind == "c")),
            exclusions=tuple(made.name for made in live.constraints if made.kind == "x"),
            triggers=tuple(trigger.name for trigger in live.triggers),
        ),
        indexes=tuple(index.name for index in live.indexes if index.is_valid),
    )


@given(catalogs())
def test_a_contract_made_from_the_catalog_is_fulfilled(catalog: Catalog) -> None:
    """A contract that says of a database everything there is to say gives no finding, not even a warning."""
    assert () == compare(contract_of(catalog), catalog)


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

    def guarded(relation: CatalogRelation) -> CatalogRelation:
        return msgspec.structs.replace(
            relation,
            constraints=(*relation.constraints, builders.constraint("new", "c"), builders.constraint("new_f", "f")),
            triggers=(*relation.triggers, builders.trigger("new", *Use)),
            hidden_required=(("public", "below", "new"),),
            refused_functions=(RefusedFunction("public.f", "index new"),),
            denied_by_policy=(Use.DELETE, Use.INSERT, Use.UPDATE),
            fills_on_insert=chance.random() > 0.5,
            has_partitions=chance.random() > 0.5,
        )

    catalog = with_relations(with_relations(catalog_of(contract), widened), guarded)
    catalog = msgspec.structs.replace(
        catalog,
        relations=catalog.relations | {"new": builders.live("new")},
        schemas=catalog.schemas | {"new": False},
        enums={key: labelled(enum) for key, enum in catalog.enums.items()},
        functions={key: overloaded(there) for key, there in catalog.functions.items()},
        extensions=catalog.extensions | {"new": "1"},
        elsewhere={key: (Elsewhere("new", True),) for key in catalog.relations},
        sequences=catalog.sequences | {"new": builders.sequence("new", can_use=False, is_exhausted=True)},
        collations=(*catalog.collations, "new"),
        text_search_configurations=("new", *catalog.text_search_configurations),
        near={"relations": ("new", "a1"), "functions": ("new",), "types": ("moods",)},
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
                sequence=chance.choice(
                    [None, builders.sequence("shared", can_use=False), builders.sequence("shared", is_exhausted=True)]
                ),
                generated=chance.choice(["", "", "s"]),
                identity=chance.choice(["", "", "a"]),
            )
            for column in (*drop(relation.columns), builders.live_column("demanding", not_null=True))
        ]
        indexes: tuple[CatalogIndex, ...] = (
            *(
                msgspec.structs.replace(index, is_immediate=chance.random() > 0.3, is_valid=chance.random() > 0.3)
                for index in drop(relation.indexes)
            ),
            builders.index("added", "demanding"),
        )
        constraints = (
            *(
                msgspec.structs.replace(made, is_deferrable=chance.random() > 0.5, kind=chance.choice("cux"))
                for made in drop(relation.constraints)
            ),
            builders.constraint("added", chance.choice("cfpux")),
        )
        return msgspec.structs.replace(
            relation,
            columns=tuple(changed),
            indexes=indexes,
            constraints=constraints,
            triggers=(*drop(relation.triggers), builders.trigger("added", *drop(Use))),
            denied_by_policy=drop(Use),
            kind=chance.choice("rrrpvmfS"),
            is_populated=chance.random() > 0.3,
            has_partitions=chance.random() > 0.3,
            hidden_required=drop([("public", "below", name) for name in "ab"]),
            refused_functions=drop([RefusedFunction("public.f", f"index {name}") for name in "ab"]),
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
        sequences={
            key: msgspec.structs.replace(made, can_use=chance.random() > 0.5, is_exhausted=chance.random() > 0.5)
            for key, made in drop(full.sequences.items())
        },
        collations=drop(full.collations),
        text_search_configurations=drop(full.text_search_configurations),
        near={"relations": drop(["a1", "b1", "userid"]), "functions": drop(["a1", "b1"]), "types": drop(["moods"])},
        database=builders.database(
            is_standby=chance.random() > 0.7,
            is_read_only=chance.random() > 0.7,
            statement_timeout_ms=chance.choice([0, 1, 10_000]),
            lock_timeout_ms=chance.choice([0, 1, 10_000]),
            can_create_temporary=chance.random() > 0.5,
        ),
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
            msgspec.structs.replace(
                relation,
                columns=mixed(relation.columns),
                upserts=mixed(relation.upserts),
                indexes=mixed(relation.indexes),
                constraints=None
                if relation.constraints is None
                else KnownConstraints(
                    **{key: mixed(getattr(relation.constraints, key)) for key in KnownConstraints.__struct_fields__}
                ),
            )
            for relation in mixed(contract.relations)
        ),
        enums=mixed(contract.enums),
        functions=mixed(contract.functions),
        extensions=mixed(contract.extensions),
        sequences=mixed(contract.sequences),
        collations=mixed(contract.collations),
        text_search_configurations=mixed(contract.text_search_configurations),
    )
    mixed_catalog = with_relations(
        catalog,
        lambda relation: msgspec.structs.replace(
            relation,
            **{
                key: mixed(getattr(relation, key))
                for key in (
                    "columns", "indexes", "constraints", "triggers", "denied_by_policy", "hidden_required",
                    "refused_functions",
                )
            },
        ),
    )  # fmt: skip
    mixed_catalog = msgspec.structs.replace(
        mixed_catalog,
        **{
            key: dict(mixed(getattr(mixed_catalog, key).items()))
            for key in ("relations", "schemas", "enums", "functions", "extensions", "sequences", "type_oids")
        },
        collations=mixed(mixed_catalog.collations),
        text_search_configurations=mixed(mixed_catalog.text_search_configurations),
        near={key: mixed(names) for key, names in mixed(mixed_catalog.near.items())},
    )
    assert compare(contract, catalog) == compare(mixed_contract, mixed_catalog)


@settings(max_examples=60)
@given(contracts(), st.randoms(use_true_random=False))
def test_what_is_accepted_gates_no_more(contract: Contract, chance: random.Random) -> None:
    """Accepting every finding of a comparison leaves nothing that gates, strictly or not, and no acceptance unused."""
    found = compare(contract, impoverished(contract, chance))
    acceptances = {(f.code, f.object): Acceptance(code=f.code, object=f.object, reason="known") for f in found}
    accepted = in_order(with_acceptances(found, tuple(acceptances.values())))
    assert len(found) == len(accepted)
    assert not any(finding.gates(strict=True) for finding in accepted)
    assert "acceptance-unused" not in {finding.code for finding in accepted}
    assert {(f.code, f.object, f.message) for f in found} == {(f.code, f.object, f.message) for f in accepted}


@settings(max_examples=60)
@given(contracts(), st.randoms(use_true_random=False))
def test_every_finding_is_of_a_kind_that_is_explained(contract: Contract, chance: random.Random) -> None:
    """Whatever is found, its code is in the reference, and it is no more severe than the reference says."""
    for finding in compare(contract, impoverished(contract, chance)):
        kind = BY_CODE[finding.code]
        assert finding.severity is kind.severity or finding.severity is Severity.WARNING
        assert finding.sqlstate is None or re.fullmatch(r"[0-9A-Z]{5}", finding.sqlstate)
        assert finding.accepted is None


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
    [
        columns,
        constraints,
        enums,
        extensions,
        functions,
        policies,
        privileges,
        relations,
        sequences,
        sessions,
        text_objects,
        types,
        upserts,
        writes,
    ],
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
