from typing import Any

import pytest

from sidecar.compatibility.upserts import action_of, missing_targets, target_of
from sidecar.model import CatalogIndex, Contract, ContractUpsert, OnConflict, Use
from tests.unit.builders import READ, WRITE, catalog, column, constraint, contract, index, live, live_column, relation

WANTED = contract(
    relation("t", column("a", use=WRITE), column("userId", use=WRITE), use=READ | WRITE, upserts=(("a", "userId"),))
)
COLUMNS = (live_column("a"), live_column("userId"))


@pytest.mark.parametrize(
    ("indexes", "hint"),
    [
        pytest.param((), "", id="none"),
        pytest.param((index("i", "a"),), "", id="too few columns"),
        pytest.param((index("i", "a", "userId", "x"),), "", id="too many columns"),
        pytest.param((index("i", "a", "userId", is_partial=True),), " (index i is partial)", id="partial"),
        pytest.param((index("i", "a", "userId", is_valid=False),), " (index i is INVALID)", id="invalid"),
        pytest.param((index("i", "a", "userId", has_expressions=True),), "", id="with an expression"),
        pytest.param((index("I", "a", "userId", is_valid=False),), ' (index "I" is INVALID)', id="quoted"),
    ],
)
def test_an_upsert_without_a_fitting_index_is_found(indexes: tuple[CatalogIndex, ...], hint: str) -> None:
    """ON CONFLICT needs a plain, valid unique index on exactly its columns; a near miss is named."""
    (found,) = missing_targets(WANTED, catalog(live("t", *COLUMNS, indexes=indexes)))
    assert ("upsert-target-missing", 'public.t (a, "userId")', "42P10") == (found.code, found.object, found.sqlstate)
    assert f'ON CONFLICT (a, "userId") on public.t: no unique index or constraint matches{hint}' == found.message
    assert 'CREATE UNIQUE INDEX CONCURRENTLY ON public.t (a, "userId");' == found.help


def test_a_deferrable_constraint_is_found() -> None:
    """A deferrable constraint cannot arbitrate, though EXPLAIN does not say so."""
    indexes = (index("t_key", "a", "userId", is_immediate=False),)
    (found,) = missing_targets(WANTED, catalog(live("t", *COLUMNS, indexes=indexes)))
    assert ("upsert-target-deferrable", "55000") == (found.code, found.sqlstate)
    assert "t_key is DEFERRABLE" in found.message


@pytest.mark.parametrize(
    "indexes",
    [
        pytest.param((index("i", "a", "userId"),), id="the same"),
        pytest.param((index("i", "userId", "a"),), id="another order"),
        pytest.param((index("i", "a"), index("j", "a", "userId")), id="among others"),
        pytest.param(
            (index("i", "a", "userId", is_valid=False), index("j", "a", "userId")), id="beside an invalid one"
        ),
    ],
)
def test_a_fitting_index_passes(indexes: tuple[CatalogIndex, ...]) -> None:
    """Any plain unique index on the columns will do, a constraint's or not, in any order."""
    assert [] == list(missing_targets(WANTED, catalog(live("t", *COLUMNS, indexes=indexes))))


def test_a_deferrable_index_spoils_a_good_one() -> None:
    """The server takes every index that fits for an arbiter, and refuses the statement for the deferrable one."""
    indexes = (index("i", "a", "userId", is_immediate=False), index("j", "a", "userId"))
    (found,) = missing_targets(WANTED, catalog(live("t", *COLUMNS, indexes=indexes)))
    assert "upsert-target-deferrable" == found.code


def test_a_view_is_left_to_its_plan() -> None:
    """The indexes of a view's base table count, which only the server knows."""
    assert [] == list(missing_targets(WANTED, catalog(live("t", *COLUMNS, kind="v"))))


def test_a_missing_column_is_told_by_itself() -> None:
    """Where a column of the target is gone, that is the finding."""
    assert [] == list(missing_targets(WANTED, catalog(live("t", live_column("a")))))


def test_every_target_is_told() -> None:
    """Each ON CONFLICT clause is judged for itself."""
    wanted = contract(relation("t", column("a"), column("userId"), use=READ | WRITE, upserts=(("a",), ("userId",))))
    there = catalog(live("t", *COLUMNS, indexes=(index("i", "a"),)))
    assert ['public.t ("userId")'] == [found.object for found in missing_targets(wanted, there)]


NAMED = ContractUpsert(constraint="t_Key")
EXPRESSION = ContractUpsert(expressions=("lower(a)",))
PARTIAL = ContractUpsert(columns=("a",), where="b IS NULL")


def upserting(upsert: ContractUpsert, use: frozenset[Use] = READ | WRITE) -> Contract:
    return contract(
        relation("t", *(column(name, use=use & (READ | WRITE)) for name in "ab"), use=use, upserts=(upsert,))
    )


def found_codes(upsert: ContractUpsert, use: frozenset[Use] = READ | WRITE, **changes: Any) -> list[str]:
    there = live("t", live_column("a"), live_column("b"), **changes)
    return [found.code for found in missing_targets(upserting(upsert, use), catalog(there))]


@pytest.mark.parametrize("kind", ["p", "u"])
def test_a_constraint_that_an_upsert_names_passes(kind: str) -> None:
    """ON CONFLICT ON CONSTRAINT takes a primary key and a unique constraint, on whatever columns."""
    assert [] == found_codes(NAMED, constraints=(constraint("t_Key", kind, "a"),))


def test_a_constraint_that_is_gone_is_found() -> None:
    """A constraint that an upsert names and the table does not have is told under the upsert's name."""
    there = live("t", live_column("a"), live_column("b"))
    (found,) = missing_targets(upserting(NAMED), catalog(there))
    assert ("upsert-constraint-missing", 'public.t "t_Key"', "42704") == (found.code, found.object, found.sqlstate)
    assert 'ON CONFLICT ON CONSTRAINT "t_Key" on public.t: no such constraint' == found.message
    assert 'ALTER TABLE public.t ADD CONSTRAINT "t_Key" UNIQUE USING INDEX' in found.help


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({"indexes": (index("t_Key", "a"),)}, 'no such constraint; "t_Key" is a plain index now'),
        ({"constraints": (constraint("t_Key1", "u", "a"),)}, 'no such constraint; renamed to "t_Key1"?'),
        ({"constraints": (constraint("t_Key1", "c", "a"),)}, "no such constraint"),
        ({"constraints": (constraint("t_key", "u", "a"),)}, "no such constraint; renamed to t_key?"),
    ],
    ids=["an index of the name", "a constraint of a like name", "a check of a like name", "another case"],
)
def test_where_a_constraint_went_is_guessed(changes: dict[str, Any], end: str) -> None:
    """An index of that very name and a unique constraint of a like name are told."""
    there = live("t", live_column("a"), live_column("b"), **changes)
    (found,) = missing_targets(upserting(NAMED), catalog(there))
    assert found.message.endswith(end)


@pytest.mark.parametrize("kind", ["c", "f"])
def test_a_constraint_of_another_kind_is_found(kind: str) -> None:
    """A check or a foreign key has no index that could arbitrate, which is another SQLSTATE."""
    there = live("t", live_column("a"), live_column("b"), constraints=(constraint("t_Key", kind, "a"),))
    (found,) = missing_targets(upserting(NAMED), catalog(there))
    assert ("upsert-constraint-missing", "42809") == (found.code, found.sqlstate)


@pytest.mark.parametrize(
    ("action", "use", "expected"),
    [
        (OnConflict.UPDATE, READ | WRITE, ["upsert-target-excluding"]),
        (None, READ | WRITE, ["upsert-target-excluding"]),
        (OnConflict.NOTHING, READ | WRITE, []),
        (None, READ | {Use.INSERT}, []),
        (OnConflict.UPDATE, READ | {Use.INSERT}, ["upsert-target-excluding"]),
    ],
)
def test_an_exclusion_constraint_takes_do_nothing_only(
    action: OnConflict | None, use: frozenset[Use], expected: list[str]
) -> None:
    """What the upsert does decides: as it says, else an update where the image updates."""
    upsert = ContractUpsert(constraint="t_Key", action=action)
    assert expected == found_codes(upsert, use, constraints=(constraint("t_Key", "x", "a"),))


@pytest.mark.parametrize("kind", ["p", "u", "x"])
def test_a_deferrable_constraint_that_an_upsert_names_is_found(kind: str) -> None:
    """A deferrable constraint cannot arbitrate, by whatever name the upsert calls it."""
    made = constraint("t_Key", kind, "a", is_deferrable=True)
    upsert = ContractUpsert(constraint="t_Key", action=OnConflict.NOTHING)
    assert ["upsert-target-deferrable"] == found_codes(upsert, constraints=(made,))


def test_a_named_constraint_is_not_looked_for_on_the_columns() -> None:
    """A fitting index beside it does not help an upsert that names a constraint, nor does a deferrable one hurt."""
    good = (constraint("t_Key", "u", "a"),)
    assert [] == found_codes(NAMED, constraints=good, indexes=(index("i", "a", is_immediate=False),))
    assert ["upsert-constraint-missing"] == found_codes(NAMED, indexes=(index("i", "a"),))


def test_a_view_has_no_constraints_to_name() -> None:
    """The server looks for the constraint on the view itself, where none is."""
    assert ["upsert-constraint-missing"] == found_codes(NAMED, kind="v", indexes=(index("t_Key", "a"),))


@pytest.mark.parametrize(
    "indexes",
    [
        (),
        (index("i", "a", is_partial=True),),
        (index("i", has_expressions=True),),
        (index("i", "a", is_valid=False),),
    ],
    ids=["none", "partial", "expression", "invalid"],
)
@pytest.mark.parametrize("upsert", [EXPRESSION, PARTIAL], ids=["expression", "predicate"])
def test_expressions_and_predicates_are_left_to_the_server(
    upsert: ContractUpsert, indexes: tuple[CatalogIndex, ...]
) -> None:
    """Whether an expression or a predicate fits an index, only the server's plan tells."""
    assert [] == found_codes(upsert, indexes=indexes)


def test_a_deferrable_index_spoils_an_upsert_with_a_predicate() -> None:
    """An index on all rows fits a clause with a predicate, too; where it is deferrable, the statement fails."""
    indexes = (index("i", "a", is_immediate=False), index("j", "a", is_partial=True))
    assert ["upsert-target-deferrable"] == found_codes(PARTIAL, indexes=indexes)


def test_a_deferrable_index_of_a_views_table_is_found() -> None:
    """A plan of an upsert on a view does not show that its table's constraint is deferrable."""
    upsert = ContractUpsert(columns=("a",))
    indexes = (index("i", "a", is_immediate=False),)
    assert ["upsert-target-deferrable"] == found_codes(upsert, kind="v", indexes=indexes)


def test_an_index_that_is_not_unique_does_not_arbitrate() -> None:
    """Only unique indexes are inferred, and only they are near misses."""
    there = live("t", live_column("a"), live_column("b"), indexes=(index("i", "a", is_unique=False, is_valid=False),))
    (found,) = missing_targets(upserting(ContractUpsert(columns=("a",))), catalog(there))
    assert found.message.endswith("matches")


def test_which_deferrable_index_is_named_does_not_depend_on_their_order() -> None:
    """Of two deferrable indexes that fit, the same one is named in any order."""
    one, two = index("i", "a", is_immediate=False), index("j", "a", is_immediate=False)
    wanted = upserting(ContractUpsert(columns=("a",)))
    messages = {
        found.message
        for indexes in ((one, two), (two, one))
        for found in missing_targets(wanted, catalog(live("t", live_column("a"), live_column("b"), indexes=indexes)))
    }
    assert 1 == len(messages)


@pytest.mark.parametrize(
    ("upsert", "target"),
    [
        (ContractUpsert(columns=("a", "userId")), 'public."T" (a, "userId")'),
        (ContractUpsert(columns=("a",), expressions=("lower(b)", "(c + 1)")), 'public."T" (a, lower(b), (c + 1))'),
        (ContractUpsert(columns=("a",), where="b IS NULL"), 'public."T" (a) WHERE b IS NULL'),
        (ContractUpsert(constraint="t_Key"), 'public."T" "t_Key"'),
        (ContractUpsert(columns=("a",), where="b IS NULL\n  AND c\n"), 'public."T" (a) WHERE b IS NULL AND c'),
        (ContractUpsert(expressions=("lower(\n  b\n)",)), 'public."T" (lower( b ))'),
    ],
    ids=["columns", "expressions", "predicate", "constraint", "predicate of several lines", "expression of several"],
)
def test_a_target_is_named_in_one_line(upsert: ContractUpsert, target: str) -> None:
    """Findings, acceptances and /ready name an upsert in one line, however many its clause takes in the contract."""
    assert target == target_of(live("T"), upsert)


@pytest.mark.parametrize(
    ("action", "use", "expected"),
    [
        (None, {Use.INSERT}, OnConflict.NOTHING),
        (None, {Use.INSERT, Use.UPDATE}, OnConflict.UPDATE),
        (OnConflict.NOTHING, {Use.INSERT, Use.UPDATE}, OnConflict.NOTHING),
        (OnConflict.UPDATE, {Use.INSERT}, OnConflict.UPDATE),
    ],
)
def test_what_an_upsert_does(action: OnConflict | None, use: set[Use], expected: OnConflict) -> None:
    """As the contract says, else an update where the image updates a column."""
    made = relation("t", column("a", use=use), use=use)
    assert expected is action_of(made, ContractUpsert(columns=("a",), action=action))


def test_a_relation_that_updates_no_column_does_nothing_on_conflict() -> None:
    """UPDATE in the relation's use alone, with no column for it, is no update."""
    made = relation("t", column("a", use={Use.INSERT}), use=WRITE)
    assert OnConflict.NOTHING is action_of(made, ContractUpsert(columns=("a",)))
