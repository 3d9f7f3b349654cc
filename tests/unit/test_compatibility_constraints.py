from typing import Any

import pytest

from sidecar.compatibility.constraints import added_constraints, added_triggers, missing_indexes
from sidecar.model import (
    CatalogColumn,
    CatalogConstraint,
    CatalogIndex,
    CatalogRelation,
    Contract,
    ContractUpsert,
    ForeignKey,
    KnownConstraints,
    Name,
    OnConflict,
    Severity,
    Use,
)
from tests.unit.builders import (
    READ,
    WRITE,
    catalog,
    column,
    constraint,
    contract,
    index,
    live,
    live_column,
    relation,
    trigger,
)

NOTHING = KnownConstraints()
FOREIGN = {"references_schema": "billing", "references_name": "account"}


def wanted(known: KnownConstraints | None = NOTHING, *uses: Use, **rest: Any) -> Contract:
    """Return a contract of one table t (a, b) and what it knows of the table's constraints."""
    use = frozenset(uses) or READ | WRITE
    columns = [column(name, use=use - {Use.DELETE, Use.TRUNCATE}) for name in "ab"]
    return contract(relation("t", *columns, use=use, constraints=known, **rest))


def there(**changes: Any) -> CatalogRelation:
    return live("t", live_column("a"), live_column("b"), **changes)


def added(made: Contract, table: CatalogRelation) -> list[tuple[str, str | None]]:
    return [(found.object, found.sqlstate) for found in added_constraints(made, catalog(table))]


@pytest.mark.parametrize(
    ("made", "sqlstate", "words"),
    [
        (constraint("c", "c", "a"), "23514", "CHECK constraint c of public.t"),
        (constraint("c", "f", "a", **FOREIGN), "23503", "foreign key c of public.t"),
        (constraint("c", "x", "a"), "23P01", "exclusion constraint c of public.t"),
    ],
    ids=["check", "foreign key", "exclusion"],
)
def test_a_constraint_that_the_image_does_not_know_is_a_warning(
    made: CatalogConstraint, sqlstate: str, words: str
) -> None:
    """What refuses more than it did may refuse what the image writes: told, with what a violation would give."""
    (found,) = added_constraints(wanted(), catalog(there(constraints=(made,))))
    assert ("constraint-added", "public.t c", sqlstate, Severity.WARNING) == (
        found.code,
        found.object,
        found.sqlstate,
        found.severity,
    )
    assert f"{words} may refuse what the image writes: the image was built without it" == found.message


def test_a_unique_index_that_the_image_does_not_know_is_a_warning() -> None:
    """A new unique index refuses duplicates that were fine before."""
    (found,) = added_constraints(wanted(), catalog(there(indexes=(index("T_a", "a"),))))
    assert ("constraint-added", 'public.t "T_a"', "23505") == (found.code, found.object, found.sqlstate)
    assert 'unique index "T_a" of public.t may refuse' in found.message


@pytest.mark.parametrize(
    ("known", "changes"),
    [
        pytest.param(NOTHING, {"constraints": (constraint("t_pkey", "p", "a"),)}, id="primary key"),
        pytest.param(NOTHING, {"constraints": (constraint("t_key", "u", "a"),)}, id="unique is told by its index"),
        pytest.param(NOTHING, {"indexes": (index("i", "a", is_unique=False),)}, id="not unique"),
        pytest.param(NOTHING, {"indexes": (index("t_pkey", "a", is_primary=True),)}, id="the primary key's index"),
        pytest.param(
            KnownConstraints(checks=("c",)), {"constraints": (constraint("c", "c", "a"),)}, id="check by name"
        ),
        pytest.param(
            KnownConstraints(exclusions=("c",)), {"constraints": (constraint("c", "x", "a"),)}, id="exclusion by name"
        ),
        pytest.param(KnownConstraints(unique=("i",)), {"indexes": (index("i", "a"),)}, id="unique by name"),
        pytest.param(
            KnownConstraints(unique=("i",)),
            {"indexes": (index("i", has_expressions=True),)},
            id="unique on an expression by name",
        ),
        pytest.param(
            KnownConstraints(unique=(("b", "a"),)), {"indexes": (index("i", "a", "b"),)}, id="unique by columns"
        ),
        pytest.param(
            KnownConstraints(unique=(("a",),)),
            {"indexes": (index("i", "a", is_partial=True),)},
            id="unique by columns, for some rows",
        ),
    ],
)
def test_what_the_image_knows_passes(known: KnownConstraints, changes: dict[str, Any]) -> None:
    """Constraints that stand in the contract, by name or by columns, are no news."""
    assert [] == added(wanted(known), there(**changes))


@pytest.mark.parametrize(
    "indexes",
    [
        pytest.param((index("i", "a", "b"),), id="more columns"),
        pytest.param((index("i", "b", "a"),), id="more columns in another order"),
        pytest.param((index("i", "a", "b", is_partial=True),), id="more columns, for some rows"),
    ],
)
@pytest.mark.parametrize("source", ["unique", "upsert", "primary key"])
def test_what_is_unique_in_fewer_columns_implies_more(indexes: tuple[CatalogIndex, ...], source: str) -> None:
    """Where (a) is unique, a unique index on (a, b) cannot refuse anything more."""
    primary = (index("t_pkey", "a", is_primary=True),)
    made = {
        "unique": wanted(KnownConstraints(unique=(("a",),))),
        "upsert": wanted(upserts=(("a",),)),
        "primary key": wanted(),
    }[source]
    assert [] == added(made, there(indexes=(*indexes, *(primary if source == "primary key" else ()))))


@pytest.mark.parametrize(
    ("known", "indexes"),
    [
        pytest.param(KnownConstraints(unique=(("a", "b"),)), (index("i", "a"),), id="fewer columns"),
        pytest.param(KnownConstraints(unique=(("a",),)), (index("i", "b"),), id="another column"),
        pytest.param(
            KnownConstraints(unique=(("a",),)), (index("i", "a", has_expressions=True),), id="an expression beside it"
        ),
        pytest.param(NOTHING, (index("i", has_expressions=True),), id="an expression alone"),
        pytest.param(KnownConstraints(unique=("j",)), (index("i", "a"),), id="another name"),
    ],
)
def test_what_is_unique_otherwise_is_found(known: KnownConstraints, indexes: tuple[CatalogIndex, ...]) -> None:
    """Stricter, other and unjudgeable uniqueness may refuse what was fine."""
    assert [("public.t i", "23505")] == added(wanted(known), there(indexes=indexes))


def test_an_index_that_is_unique_for_some_rows_implies_nothing() -> None:
    """An upsert on a partial index says nothing of the rows that are not in it."""
    partial = ContractUpsert(columns=("a",), where="b IS NULL")
    made = wanted(upserts=(partial,))
    assert [("public.t i", "23505")] == added(made, there(indexes=(index("i", "a", "b"),)))


def test_a_constraint_that_an_upsert_names_is_known() -> None:
    """The image was built with a constraint that it names in ON CONFLICT ON CONSTRAINT, of whatever kind."""
    made = wanted(upserts=(ContractUpsert(constraint="t_key"),))
    assert [] == added(made, there(indexes=(index("t_key", "a"),)))
    assert [] == added(made, there(constraints=(constraint("t_key", "x", "a"),)))


@pytest.mark.parametrize(
    ("key", "is_known"),
    [
        (ForeignKey(columns=("a", "b"), references=Name(None, "account")), True),
        (ForeignKey(columns=("b", "a"), references=Name("billing", "account")), True),
        (ForeignKey(columns=("a",), references=Name(None, "account")), False),
        (ForeignKey(columns=("a", "b"), references=Name("public", "account")), False),
        (ForeignKey(columns=("a", "b"), references=Name(None, "Account")), False),
    ],
    ids=["without schema", "with schema", "fewer columns", "another schema", "another relation"],
)
def test_a_foreign_key_is_known_by_columns_and_target(key: ForeignKey, is_known: bool) -> None:
    """A foreign key's name does not matter, what it ties to what does."""
    table = there(constraints=(constraint("any_name", "f", "a", "b", **FOREIGN),))
    assert is_known == (not added(wanted(KnownConstraints(foreign_keys=(key,))), table))


@pytest.mark.parametrize("known", [None, NOTHING], ids=["no claim", "a reader's claim"])
def test_who_claims_nothing_or_writes_nothing_is_told_nothing(known: KnownConstraints | None) -> None:
    """Constraints concern those who write and who claim to know them."""
    table = there(constraints=(constraint("c", "c"),), indexes=(index("i", "a"),))
    uses = (Use.SELECT, Use.DELETE) if known is not None else tuple(READ | WRITE)
    assert [] == added(wanted(known, *uses), table)


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (live_column("a", "slug"), ["public.t slug_a", "public.t slug_b"]),
        (live_column("a", "short_slug"), ["public.t short", "public.t slug_a", "public.t slug_b"]),
        (live_column("a", "slug[]"), ["public.t slug_a", "public.t slug_b"]),
        (live_column("a", "email"), []),
        (live_column("a", "text"), []),
        (live_column("z", "slug"), []),
    ],
    ids=["domain", "domain over a domain", "array of a domain", "domain without checks", "no domain", "not written"],
)
def test_a_domains_checks_count(made: CatalogColumn, names: list[str]) -> None:
    """A column whose domain checks more than the image knows refuses more, through every level of the domain."""
    columns = {column.name: column for column in (live_column("a"), live_column("b"), made)}
    assert [(name, "23514") for name in names] == sorted(added(wanted(), live("t", *columns.values())))


def test_a_domains_check_is_told_with_column_and_domain() -> None:
    """The message says through which column and which domain the check came."""
    table = live("t", live_column("a", "slug"), live_column("b"))
    (found,) = added_constraints(wanted(KnownConstraints(checks=("slug_a",))), catalog(table))
    assert found.message.startswith("through column a, domain public.slug's CHECK constraint slug_b of public.t may")


def test_a_domain_that_is_only_read_passes() -> None:
    """A check never refuses a reader."""
    made = contract(relation("t", column("a"), column("b", use=WRITE), use=READ | WRITE, constraints=NOTHING))
    assert [] == added(made, live("t", live_column("a", "slug"), live_column("b")))


@pytest.mark.parametrize(
    ("fires", "uses", "is_told"),
    [
        ((Use.INSERT,), (Use.INSERT,), True),
        ((Use.UPDATE,), (Use.INSERT, Use.UPDATE), True),
        ((Use.DELETE,), (Use.DELETE,), True),
        ((Use.INSERT, Use.DELETE), (Use.SELECT, Use.DELETE), True),
        ((Use.INSERT, Use.UPDATE), (Use.DELETE,), False),
        ((Use.DELETE,), (Use.INSERT, Use.UPDATE), False),
        ((Use.INSERT, Use.UPDATE, Use.DELETE), (Use.SELECT,), False),
        ((), (Use.INSERT, Use.UPDATE, Use.DELETE), False),
    ],
)
def test_a_new_trigger_is_told_to_whom_it_fires_on(
    fires: tuple[Use, ...], uses: tuple[Use, ...], is_told: bool
) -> None:
    """A trigger matters to an image whose statements set it off, and to no other."""
    table = there(triggers=(trigger("Audit", *fires),))
    found = list(added_triggers(wanted(NOTHING, *uses), catalog(table)))
    assert is_told == bool(found)
    if found:
        assert ("trigger-added", 'public.t "Audit"', Severity.WARNING, None) == (
            found[0].code,
            found[0].object,
            found[0].severity,
            found[0].sqlstate,
        )
        assert 'trigger "Audit" of public.t fires' in found[0].message


def test_a_trigger_on_updates_fires_for_an_upsert_that_updates() -> None:
    """ON CONFLICT DO UPDATE sets off UPDATE triggers, whatever the relation's use says."""
    updating = ContractUpsert(columns=("a",), action=OnConflict.UPDATE)
    made = wanted(NOTHING, Use.INSERT, upserts=(updating,))
    assert ["public.t audit"] == [
        found.object for found in added_triggers(made, catalog(there(triggers=(trigger("audit", Use.UPDATE),))))
    ]


@pytest.mark.parametrize("known", [None, KnownConstraints(triggers=("audit",))], ids=["no claim", "known"])
def test_a_known_trigger_passes(known: KnownConstraints | None) -> None:
    """A trigger that the contract names, or a contract that claims nothing, gives no finding."""
    table = there(triggers=(trigger("audit", Use.INSERT),))
    assert [] == list(added_triggers(wanted(known), catalog(table)))


@pytest.mark.parametrize(
    ("needed", "indexes", "is_there"),
    [
        (("a",), (index("i", "a", is_unique=False),), True),
        (("a",), (index("i", "a", "b"),), True),
        (("a", "b"), (index("i", "a", "b"),), True),
        (("a", "b"), (index("i", "b", "a"),), False),
        (("b",), (index("i", "a", "b"),), False),
        (("a", "b"), (index("i", "a"),), False),
        (("a",), (index("i", "a", is_valid=False),), False),
        (("a",), (index("i", "a", is_partial=True),), False),
        (("a",), (index("i", "a", has_expressions=True),), False),
        (("a",), (index("i", "a", is_valid=False), index("j", "a")), True),
        (("a",), (), False),
        ("i", (index("i", "z", is_partial=True),), True),
        ("i", (index("i", has_expressions=True),), True),
        ("i", (index("i", "a", is_valid=False),), False),
        ("i", (index("I", "a"),), False),
    ],
)
def test_an_index_that_the_image_needs(
    needed: tuple[str, ...] | str, indexes: tuple[CatalogIndex, ...], is_there: bool
) -> None:
    """An index is found by its leading columns in order, or by its exact name, and has to be valid."""
    made = wanted(None, Use.SELECT, indexes=(needed,))
    assert is_there == (not list(missing_indexes(made, catalog(there(indexes=indexes)))))


def test_a_missing_index_is_a_warning_with_the_statement_that_makes_it() -> None:
    """A reader is told of a missing index, too, in words and in SQL."""
    made = wanted(None, Use.SELECT, indexes=(("a", "userId"), "Name"))
    by_columns, by_name = missing_indexes(made, catalog(there()))
    assert ("index-missing", Severity.WARNING, None) == (by_columns.code, by_columns.severity, by_columns.sqlstate)
    assert 'public.t (a, "userId")' == by_columns.object
    assert (
        'public.t has no valid index that begins with (a, "userId"), which the image needs to be fast'
        == by_columns.message
    )
    assert 'CREATE INDEX CONCURRENTLY ON public.t (a, "userId");' == by_columns.help
    assert 'public.t "Name"' == by_name.object
    assert 'public.t has no valid index "Name", which the image needs to be fast' == by_name.message
