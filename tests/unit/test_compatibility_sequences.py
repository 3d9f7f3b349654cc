import pytest

from sidecar.compatibility.privileges import missing_on_schemas
from sidecar.compatibility.relations import missing_schemas
from sidecar.compatibility.sequences import missing_sequences, unusable_sequences
from sidecar.model import Catalog, CatalogColumn, Contract, Name, Severity, Use
from tests.unit.builders import READ, WRITE, catalog, column, contract, live, live_column, relation, sequence

DRAWING = contract(sequences=(Name(None, "order_id"),))
INSERTING = contract(relation("t", column("a", use=WRITE), use=READ | WRITE))


def test_a_sequence_that_is_gone_is_found() -> None:
    """A sequence that no name leads to is an error with the SQLSTATE of nextval()."""
    (found,) = missing_sequences(DRAWING, catalog())
    assert ("sequence-missing", "order_id", "42P01", Severity.ERROR) == (
        found.code,
        found.object,
        found.sqlstate,
        found.severity,
    )
    assert "sequence order_id does not exist" == found.message


def test_a_sequence_is_shown_as_postgresql_writes_it() -> None:
    """Names that need quotes get them, in the object and in the message."""
    wanted = contract(sequences=(Name("Billing", "select"),))
    (found,) = missing_sequences(wanted, catalog(schemas={"Billing": True}))
    assert ('"Billing"."select"', 'sequence "Billing"."select" does not exist') == (found.object, found.message)


def test_a_sequence_in_a_missing_schema_is_told_with_the_schema() -> None:
    """Where the schema is gone, that is the one finding."""
    wanted = contract(sequences=(Name("gone", "s"),))
    assert [] == list(missing_sequences(wanted, catalog()))
    assert ["gone"] == [found.object for found in missing_schemas(wanted, catalog())]


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        pytest.param(
            contract(sequences=(Name("closed", "s"),)),
            catalog(schemas={"closed": False}, sequences={"closed.s": sequence("s", schema="closed")}),
            id="sequence",
        ),
        pytest.param(
            contract(collations=(Name("closed", "s"),)),
            catalog(schemas={"closed": False}, collations=("closed.s",)),
            id="collation",
        ),
        pytest.param(
            contract(text_search_configurations=(Name("closed", "s"),)),
            catalog(schemas={"closed": False}, text_search_configurations=("closed.s",)),
            id="text search configuration",
        ),
    ],
)
def test_what_lies_in_a_closed_schema_is_told_as_a_privilege(wanted: Contract, there: Catalog) -> None:
    """Without USAGE on the schema every statement that names the object fails, whatever the object itself allows."""
    (found,) = missing_on_schemas(wanted, there)
    assert ("schema-privilege-missing", "closed") == (found.code, found.object)
    assert "so s cannot be reached" in found.message


def test_a_usable_sequence_passes() -> None:
    """A sequence that is there, open and not at its end is no finding."""
    there = catalog(sequences={"order_id": sequence("order_id")})
    assert [] == [*missing_sequences(DRAWING, there), *unusable_sequences(DRAWING, there)]


def test_a_sequence_without_usage_is_found() -> None:
    """A sequence that the image draws from itself has to be open to its role."""
    there = catalog(sequences={"order_id": sequence("order_id", can_use=False)})
    (found,) = unusable_sequences(DRAWING, there)
    assert ("sequence-privilege-missing", "public.order_id", "42501") == (found.code, found.object, found.sqlstate)
    assert found.message.endswith("role app_role has no USAGE on it, and the image draws from it")
    assert "GRANT USAGE ON SEQUENCE public.order_id TO app_role;" == found.help


def test_a_sequence_at_its_end_is_found() -> None:
    """A sequence whose next value does not exist refuses every draw."""
    there = catalog(sequences={"order_id": sequence("order_id", is_exhausted=True)})
    (found,) = unusable_sequences(DRAWING, there)
    assert ("sequence-exhausted", "public.order_id", "2200H") == (found.code, found.object, found.sqlstate)


def test_a_sequence_can_be_closed_and_at_its_end() -> None:
    """Both are told: mending one leaves the other."""
    there = catalog(sequences={"order_id": sequence("order_id", is_exhausted=True, can_use=False)})
    codes = [found.code for found in unusable_sequences(DRAWING, there)]
    assert ["sequence-privilege-missing", "sequence-exhausted"] == codes


def test_a_default_draws_for_an_insert_that_leaves_it() -> None:
    """Where the image leaves a column to its default, the role needs the default's sequence."""
    made = live_column("Id", "bigint", has_default=True, sequence=sequence("t_Id_seq", can_use=False))
    (found,) = unusable_sequences(INSERTING, catalog(live("t", live_column("a"), made)))
    assert 'public."t_Id_seq"' == found.object
    assert found.message.endswith('and the default of public.t."Id" draws from it')


@pytest.mark.parametrize(
    ("wanted", "drawing"),
    [
        pytest.param(
            contract(relation("t", column("id", use=WRITE), use=WRITE)),
            live_column("id", sequence=sequence("s", can_use=False)),
            id="the image gives the value",
        ),
        pytest.param(
            contract(relation("t", column("id"))),
            live_column("id", sequence=sequence("s", can_use=False)),
            id="the image only reads",
        ),
        pytest.param(
            contract(relation("t", column("id", use={Use.UPDATE}), use={Use.UPDATE})),
            live_column("id", sequence=sequence("s", is_exhausted=True)),
            id="the image only updates",
        ),
        pytest.param(INSERTING, live_column("id", sequence=sequence("s")), id="the role may draw"),
        pytest.param(INSERTING, live_column("id", has_default=True), id="no sequence behind the default"),
    ],
)
def test_a_sequence_that_the_image_never_draws_from_passes(wanted: Contract, drawing: CatalogColumn) -> None:
    """Only a draw that happens can fail."""
    assert [] == list(unusable_sequences(wanted, catalog(live("t", live_column("a"), drawing))))


def test_a_column_that_is_updated_and_not_inserted_is_left_to_its_default() -> None:
    """A column that only UPDATE names is filled by its default on INSERT."""
    wanted = contract(relation("t", column("a", use=WRITE), column("id", use={Use.UPDATE}), use=WRITE))
    there = catalog(live("t", live_column("a"), live_column("id", sequence=sequence("s", can_use=False))))
    assert ["public.s"] == [found.object for found in unusable_sequences(wanted, there)]


def two_tables(first: CatalogColumn, second: CatalogColumn) -> tuple[Contract, Contract, Catalog]:
    """Return a contract of two tables, the same in the other order, and their database."""
    relations = [relation(name, column("a", use=WRITE), use=WRITE) for name in ("t", "u")]
    there = catalog(live("t", live_column("a"), first), live("u", live_column("a"), second))
    return contract(*relations), contract(*reversed(relations)), there


def test_a_shared_sequence_is_told_once_and_the_same_in_any_order() -> None:
    """Two tables that draw from one sequence give one finding, whichever the contract names first."""
    shared = live_column("id", sequence=sequence("s", can_use=False))
    one, other, there = two_tables(shared, shared)
    found = list(unusable_sequences(one, there))
    assert 1 == len(found)
    assert found == list(unusable_sequences(other, there))


def test_a_draw_that_the_role_has_to_make_itself_is_not_hidden_by_one_of_the_servers() -> None:
    """An identity column draws without a privilege; another table's default on the same sequence needs one."""
    identity = live_column("id", identity="d", sequence=sequence("s"))
    default = live_column("id", has_default=True, sequence=sequence("s", can_use=False))
    for wanted in two_tables(identity, default)[:2]:
        there = two_tables(identity, default)[2]
        codes = [found.code for found in unusable_sequences(wanted, there)]
        assert ["sequence-privilege-missing"] == codes
