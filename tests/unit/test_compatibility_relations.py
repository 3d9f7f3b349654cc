import pytest

from sidecar.compatibility.registry import compare
from sidecar.compatibility.relations import missing_relations, missing_schemas, replaced_relations, unpopulated_views
from sidecar.model import Contract, Elsewhere, Severity, Use
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


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("S", "a sequence"),
        ("i", "an index"),
        ("I", "an index"),
        ("c", "a composite type"),
        ("t", "something else"),
        ("?", "something else"),
    ],
)
def test_a_name_that_leads_to_something_else_is_found(kind: str, words: str) -> None:
    """An index or a sequence in a schema that is searched first takes the name of a table."""
    there = catalog(live("Orders", kind=kind))
    wanted = contract(relation("Orders", builders.column("a")))
    (found,) = replaced_relations(wanted, there)
    assert ("relation-replaced", 'public."Orders"', "42809", Severity.ERROR) == (
        found.code,
        found.object,
        found.sqlstate,
        found.severity,
    )
    assert f'public."Orders" is {words}, and the image uses it as a table' == found.message
    assert ["relation-replaced"] == [finding.code for finding in compare(wanted, there)]


@pytest.mark.parametrize(
    ("kind", "use", "is_found"),
    [
        ("v", {Use.TRUNCATE}, True),
        ("m", {Use.TRUNCATE, Use.SELECT}, True),
        ("v", {Use.SELECT, Use.DELETE}, False),
        ("r", {Use.TRUNCATE}, False),
        ("p", {Use.TRUNCATE}, False),
        ("f", {Use.TRUNCATE}, False),
    ],
)
def test_truncate_takes_tables_only(kind: str, use: set[Use], is_found: bool) -> None:
    """A table that became a view is still read and written, and no more truncated."""
    found = list(replaced_relations(contract(relation("t", use=use)), catalog(live("t", kind=kind))))
    assert is_found == bool(found)
    assert all(finding.message.endswith(" now, which TRUNCATE does not take") for finding in found)


@pytest.mark.parametrize("kind", ["r", "p", "v", "m", "f"])
def test_whatever_holds_rows_is_no_replacement(kind: str) -> None:
    """Everything that can stand where SQL wants a table will do."""
    assert [] == list(replaced_relations(contract(relation("t")), catalog(live("t", kind=kind))))


@pytest.mark.parametrize(
    ("kind", "is_populated", "use", "is_found"),
    [
        ("m", False, {Use.SELECT}, True),
        ("m", True, {Use.SELECT}, False),
        ("m", False, {Use.TRUNCATE}, False),
        ("r", False, {Use.SELECT}, False),
    ],
)
def test_a_view_that_nobody_refreshed(kind: str, is_populated: bool, use: set[Use], is_found: bool) -> None:
    """A materialized view without data refuses its readers until it is refreshed."""
    there = catalog(live("Totals", kind=kind, is_populated=is_populated))
    found = list(unpopulated_views(contract(relation("Totals", use=use)), there))
    assert [("relation-not-populated", "55000")] * is_found == [(f.code, f.sqlstate) for f in found]
    assert all('REFRESH MATERIALIZED VIEW public."Totals";' == finding.help for finding in found)


@pytest.mark.parametrize(
    ("schema", "near", "end"),
    [
        (None, ("workflows",), "; renamed to workflows?"),
        (None, ("Workflow",), '; renamed to "Workflow"?'),
        (None, ("invoice",), ")"),
        (None, (), ")"),
        ("app", ("workflows",), "; renamed to app.workflows?"),
        (None, ("workflow_step",), ")"),
    ],
    ids=["a letter more", "another case", "nothing alike", "nothing", "qualified", "known to the contract"],
)
def test_a_renamed_relation_is_guessed(schema: str | None, near: tuple[str, ...], end: str) -> None:
    """A relation that is gone is told with the live name most like it that the contract does not use otherwise."""
    known = relation("workflow_step")
    there = catalog(live("workflow_step"), near={"relations": near, "types": ("workflow1",)}, schemas={"app": True})
    (found,) = missing_relations(contract(relation("workflow", schema=schema), known), there)
    assert found.message.endswith(end)
    assert ("renamed" in found.message) == ("renamed" in end)


def test_a_relation_elsewhere_is_no_guess() -> None:
    """Where the very name is in another schema, that is told, and no rename is guessed."""
    there = catalog(elsewhere={"workflow": (Elsewhere("old", True),)}, near={"relations": ("workflows",)})
    (found,) = missing_relations(contract(relation("workflow")), there)
    assert found.message.endswith("; there is old.workflow")
