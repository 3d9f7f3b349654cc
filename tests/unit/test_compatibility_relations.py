import pytest

from sidecar.compatibility.relations import missing_relations, missing_schemas
from sidecar.model import Contract, Elsewhere, Severity
from tests.unit import builders
from tests.unit.builders import catalog, contract, database, enum, function, live, relation


def test_a_relation_that_is_gone_is_found() -> None:
    """A table that no name leads to is an error, told with the search_path that was looked through."""
    (found,) = missing_relations(contract(relation("workflow")), catalog(about=database(search_path="public, app")))
    assert ("relation-missing", "workflow", "42P01", Severity.ERROR) == (
        found.code,
        found.object,
        found.sqlstate,
        found.severity,
    )
    assert "relation workflow does not exist on the search_path (public, app)" == found.message
    assert "run the migrations" in found.help


def test_a_qualified_relation_that_is_gone_is_found() -> None:
    """A table of a schema that exists is told by its qualified name, the search_path left out."""
    (found,) = missing_relations(contract(relation("invoice", schema="billing")), catalog(schemas={"billing": True}))
    assert ("billing.invoice", "relation billing.invoice does not exist") == (found.object, found.message)


def test_a_relation_that_moved_is_told_with_its_new_place() -> None:
    """A table that is in another schema now is told together with that place."""
    elsewhere = {"workflow": (Elsewhere("archive", True), Elsewhere("Old", True))}
    (found,) = missing_relations(contract(relation("workflow")), catalog(elsewhere=elsewhere))
    assert found.message.endswith('; there is archive.workflow, "Old".workflow')


def test_names_are_quoted_where_they_have_to_be() -> None:
    """A name with upper case or a key word is shown as SQL would have to write it."""
    found = list(missing_relations(contract(relation("userData"), relation("order")), catalog()))
    assert ['"userData"', '"order"'] == [finding.object for finding in found]


@pytest.mark.parametrize("kind", ["r", "p", "v", "m", "f"])
def test_any_kind_of_relation_will_do(kind: str) -> None:
    """A table that became a partitioned table, a view or a foreign table is there."""
    assert [] == list(missing_relations(contract(relation("workflow")), catalog(live("workflow", kind=kind))))


def test_further_relations_do_not_matter() -> None:
    """New tables and schemas are no concern of the image."""
    there = catalog(live("workflow"), live("new"), schemas={"other": True})
    assert [] == list(missing_relations(contract(relation("workflow")), there))


def test_a_relation_behind_a_closed_schema_is_told_as_a_privilege() -> None:
    """Where the role has no USAGE, the table is not missing: another rule tells it."""
    hidden = catalog(elsewhere={"workflow": (Elsewhere("public", False),)})
    assert [] == list(missing_relations(contract(relation("workflow")), hidden))


def test_a_relation_behind_a_schema_off_the_path_is_missing() -> None:
    """A closed schema that is not on the search_path explains nothing."""
    hidden = catalog(elsewhere={"workflow": (Elsewhere("private", False),)})
    assert ["workflow"] == [f.object for f in missing_relations(contract(relation("workflow")), hidden)]


@pytest.mark.parametrize(
    ("search_path", "schema"),
    [
        ('"$user", public', "public"),
        ('"$user", public', "app_role"),
        ("PUBLIC", "public"),
        ('"My.Schema"', "My.Schema"),
        ('"a,b", public', "a,b"),
        ('"a,b", public', "public"),
        ('"say ""hi""",public', 'say "hi"'),
    ],
)
def test_the_search_path_is_read_as_the_server_reads_it(search_path: str, schema: str) -> None:
    """Quotes, commas in quotes, $user and upper case in the setting mean what they mean to PostgreSQL."""
    hidden = catalog(elsewhere={"workflow": (Elsewhere(schema, False),)}, about=database(search_path=search_path))
    assert [] == list(missing_relations(contract(relation("workflow")), hidden))


def test_an_empty_search_path_is_told() -> None:
    """A role without any search_path is told as that."""
    (found,) = missing_relations(contract(relation("workflow")), catalog(about=database(search_path="")))
    assert found.message.endswith("(empty)")


@pytest.mark.parametrize(
    "wanted",
    [
        contract(relation("invoice", schema="billing")),
        contract(enums=(enum("invoice", "a", schema="billing"),)),
        contract(functions=(function("invoice", schema="billing"),)),
    ],
    ids=["relation", "enum", "function"],
)
def test_a_schema_that_is_gone_is_found(wanted: Contract) -> None:
    """A schema that the image names and the database does not have is told with what is used in it."""
    (found,) = missing_schemas(wanted, catalog(schemas={"public": True}))
    assert ("schema-missing", "billing", "3F000") == (found.code, found.object, found.sqlstate)
    assert "schema billing does not exist; the image uses invoice in it" == found.message


def test_a_schema_that_is_gone_is_told_once() -> None:
    """What lies in a missing schema is told with the schema, not one by one."""
    wanted = contract(*(relation(f"t{number}", schema="Billing") for number in range(8)))
    (found,) = missing_schemas(wanted, catalog())
    assert 'schema "Billing" does not exist; the image uses t0, t1, t2, t3, t4 and 3 more in it' == found.message
    assert [] == list(missing_relations(wanted, catalog()))


def test_names_without_a_schema_need_none() -> None:
    """A contract that writes no schema asks for none."""
    assert [] == list(missing_schemas(contract(relation("workflow")), catalog()))
    assert [] == list(missing_schemas(contract(relation("a", schema="b")), catalog(schemas={"b": False})))


def test_builders_name_qualified_relations_as_the_catalog_does() -> None:
    """A qualified relation is found by its qualified name."""
    there = catalog(named={"billing.invoice": live("invoice", schema="billing")}, schemas={"billing": True})
    assert [] == list(missing_relations(contract(builders.relation("invoice", schema="billing")), there))
