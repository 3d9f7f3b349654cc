import pytest

from sidecar.compatibility.upserts import missing_targets
from sidecar.model import CatalogIndex
from tests.unit.builders import READ, WRITE, catalog, column, contract, index, live, live_column, relation

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
