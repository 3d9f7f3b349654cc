import pytest

from sidecar.compatibility.privileges import missing_on_relations, missing_on_schemas
from sidecar.compatibility.registry import compare
from sidecar.model import Catalog, Contract, Elsewhere, Use
from tests.unit.builders import (
    ALL_USES,
    READ,
    WRITE,
    catalog,
    column,
    contract,
    database,
    enum,
    function,
    live,
    live_column,
    live_function,
    relation,
    without_privilege,
)

CLOSED = (Elsewhere("public", False),)


ON_COLUMNS = frozenset({Use.SELECT, Use.INSERT, Use.UPDATE})


@pytest.mark.parametrize("use", Use)
def test_a_privilege_that_was_revoked_is_found(use: Use) -> None:
    """A privilege that the role lacks on the table and on every column is told as the table's."""
    denied = (use,) if use in ON_COLUMNS else ()
    wanted = contract(relation("t", column("a", use={use} & ON_COLUMNS), use={use}))
    there = catalog(live("t", without_privilege(live_column("a"), *denied), **{f"can_{use.value}": False}))
    (found,) = missing_on_relations(wanted, there)
    verb = use.value.upper()
    assert ("relation-privilege-missing", "public.t", "42501") == (found.code, found.object, found.sqlstate)
    assert f"permission denied for relation public.t: role app_role has no {verb} on it" == found.message
    assert f"GRANT {verb} ON public.t TO app_role;" == found.help


@pytest.mark.parametrize("use", [Use.SELECT, Use.INSERT, Use.UPDATE])
def test_a_privilege_on_a_column_that_was_revoked_is_found(use: Use) -> None:
    """Where the role may use some of the columns, the others are told one by one."""
    wanted = contract(relation("t", column("a", use={use}), column("userId", use={use}), use={use}))
    there = catalog(
        live("t", live_column("a"), without_privilege(live_column("userId"), use), **{f"can_{use.value}": False}),
        about=database(role="App Role"),
    )
    (found,) = missing_on_relations(wanted, there)
    verb = use.value.upper()
    assert ("column-privilege-missing", 'public.t."userId"', "42501") == (found.code, found.object, found.sqlstate)
    assert f'permission denied for column "userId" of public.t: role "App Role" has no {verb} on it' == found.message
    assert f'GRANT {verb} ("userId") ON public.t TO "App Role";' == found.help


def test_privileges_on_the_columns_are_enough() -> None:
    """A role with grants on just the columns that the image uses lacks nothing."""
    wanted = contract(relation("t", column("a", use=WRITE | READ), use=WRITE | READ))
    hidden = without_privilege(live_column("b"), Use.SELECT, Use.INSERT, Use.UPDATE)
    there = catalog(live("t", live_column("a"), hidden, can_select=False, can_insert=False, can_update=False))
    assert [] == list(missing_on_relations(wanted, there))


def test_privileges_that_the_image_does_not_use_do_not_matter() -> None:
    """A reader needs no privilege to write."""
    wanted = contract(relation("t", column("a")))
    there = catalog(live("t", live_column("a"), can_insert=False, can_update=False, can_delete=False))
    assert [] == list(missing_on_relations(wanted, there))


def test_a_relation_without_columns_needs_the_relations_privilege() -> None:
    """Where the image names no column, only the privilege on the table will do."""
    wanted = contract(relation("t"))
    assert [] == list(missing_on_relations(wanted, catalog(live("t"))))
    (found,) = missing_on_relations(wanted, catalog(live("t", can_select=False)))
    assert "relation-privilege-missing" == found.code


def test_every_privilege_is_told() -> None:
    """Several missing privileges on one table are several findings."""
    denied = without_privilege(live_column("a"), Use.SELECT, Use.INSERT, Use.UPDATE)
    there = live("t", denied, can_select=False, can_insert=False, can_update=False, can_delete=False)
    wanted = contract(relation("t", column("a", use=ALL_USES - {Use.DELETE}), use=ALL_USES))
    assert 4 == len(list(missing_on_relations(wanted, catalog(there))))


def test_a_closed_schema_is_told_once() -> None:
    """A schema whose USAGE the role lacks is told with everything that cannot be reached."""
    wanted = contract(
        relation("invoice", schema="billing"), relation("Order", schema="billing"),
        functions=(function("total", schema="billing"),),
    )  # fmt: skip
    closed = {"can_use_schema": False, "schema": "billing"}
    there = catalog(
        named={"billing.invoice": live("invoice", **closed), 'billing."Order"': live("Order", **closed)},
        functions={"billing.total": (live_function(**closed),)},
        schemas={"billing": False},
    )
    (found,) = missing_on_schemas(wanted, there)
    assert ("schema-privilege-missing", "billing", "42501") == (found.code, found.object, found.sqlstate)
    assert found.message == (
        'permission denied for schema billing: role app_role has no USAGE on it, so "Order", invoice, total'
        " cannot be reached"
    )
    assert "GRANT USAGE ON SCHEMA billing TO app_role;" == found.help


def test_a_schema_that_hides_a_name_on_the_path_is_found() -> None:
    """PostgreSQL calls it a missing table; it is a missing privilege on a schema of the search_path."""
    there = catalog(elsewhere={"workflow": (Elsewhere("public", False), Elsewhere("other", False))})
    (found,) = missing_on_schemas(contract(relation("workflow")), there)
    assert "public" == found.object


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        (
            contract(relation("t", column("a", "mood"))),
            catalog(live("t", live_column("a")), without_types=["mood"], types_elsewhere={"mood": CLOSED}),
        ),
        (contract(enums=(enum("mood", "a"),)), catalog(types_elsewhere={"mood": CLOSED})),
        (
            contract(functions=(function("f"),)),
            catalog(functions={"f": (live_function(can_use_schema=False, is_visible=False),)}),
        ),
    ],
    ids=["type", "enum", "function"],
)
def test_a_schema_that_hides_a_type_or_a_function_is_the_only_finding(wanted: Contract, there: Catalog) -> None:
    """What the role cannot see for lack of USAGE is not told as missing as well."""
    assert [("schema-privilege-missing", "public")] == [(found.code, found.object) for found in compare(wanted, there)]


def test_another_overload_in_reach_hides_nothing() -> None:
    """A function that the role can call makes closed schemas irrelevant."""
    there = (live_function(schema="private", can_use_schema=False, is_visible=False), live_function())
    about = database(search_path="private, public")
    assert () == compare(contract(functions=(function("f"),)), catalog(functions={"f": there}, about=about))


@pytest.mark.parametrize(
    "elsewhere",
    [(), (Elsewhere("public", True),), (Elsewhere("off_the_path", False),)],
    ids=["none", "open", "off the path"],
)
def test_other_places_of_a_name_are_no_privilege(elsewhere: tuple[Elsewhere, ...]) -> None:
    """A table that is simply not there, or elsewhere, lacks no privilege."""
    assert [] == list(missing_on_schemas(contract(relation("workflow")), catalog(elsewhere={"workflow": elsewhere})))


def test_open_schemas_and_further_grants_pass() -> None:
    """Nothing is told where the role may do everything."""
    wanted = contract(relation("t", column("a")), functions=(function("f"),))
    there = catalog(live("t", live_column("a")), functions={"f": (live_function(),)})
    assert [] == [*missing_on_schemas(wanted, there), *missing_on_relations(wanted, there)]
