import pytest

from sidecar.compatibility.columns import changed_nullability, missing_columns
from sidecar.model import Severity, Use
from tests.unit.builders import READ, WRITE, catalog, column, contract, live, live_column, relation


def test_a_column_that_is_gone_is_found() -> None:
    """The incident: a dropped column that the image still names."""
    wanted = contract(relation("workflow", column("id"), column("color")))
    (found,) = missing_columns(wanted, catalog(live("workflow", live_column("id"))))
    assert ("column-missing", "public.workflow.color", "42703", Severity.ERROR) == (
        found.code,
        found.object,
        found.sqlstate,
        found.severity,
    )
    assert "column color of relation public.workflow does not exist" == found.message


def test_a_column_in_other_case_is_another_column() -> None:
    """A name that only differs in case is missing, and is shown quoted."""
    wanted = contract(relation("t", column("userId")))
    (found,) = missing_columns(wanted, catalog(live("t", live_column("userid"))))
    assert 'public.t."userId"' == found.object
    assert 'column "userId" of relation public.t does not exist; renamed to userid?' == found.message


def test_every_missing_column_is_told() -> None:
    """A report lists all columns that are gone, not the first one."""
    wanted = contract(relation("t", column("a"), column("b"), column("c")))
    found = list(missing_columns(wanted, catalog(live("t", live_column("b")))))
    assert ["public.t.a", "public.t.c"] == [finding.object for finding in found]


@pytest.mark.parametrize("name", ["xmin", "ctid", "tableoid", "cmin", "xmax", "cmax"])
@pytest.mark.parametrize(("kind", "count"), [("r", 0), ("p", 0), ("m", 0), ("f", 0), ("v", 1)])
def test_system_columns_are_there_but_not_in_views(name: str, kind: str, count: int) -> None:
    """A table has its system columns without listing them; a view has none."""
    wanted = contract(relation("t", column(name)))
    assert count == len(list(missing_columns(wanted, catalog(live("t", kind=kind)))))


def test_further_columns_and_another_order_do_not_matter() -> None:
    """Columns that the image does not name, and where they stand, are no concern of it."""
    wanted = contract(relation("t", column("a"), column("b")))
    there = catalog(live("t", live_column("new"), live_column("b"), live_column("a")))
    assert [] == list(missing_columns(wanted, there))


def test_a_missing_relation_is_not_told_column_by_column() -> None:
    """Where the table is gone, its columns are not told as well."""
    assert [] == list(missing_columns(contract(relation("t", column("a"))), catalog()))


@pytest.mark.parametrize("use", [{Use.INSERT}, {Use.UPDATE}, WRITE | READ])
def test_null_into_a_column_that_refuses_it_is_found(use: set[Use]) -> None:
    """SET NOT NULL on a column to which the image writes NULL is an error."""
    wanted = contract(relation("t", column("a", use=use, nullable=True), use=use))
    (found,) = changed_nullability(wanted, catalog(live("t", live_column("a", not_null=True))))
    assert ("column-not-null", "public.t.a", "23502", Severity.ERROR) == (
        found.code,
        found.object,
        found.sqlstate,
        found.severity,
    )
    assert "column public.t.a is NOT NULL, and the image writes NULL to it" == found.message
    assert "ALTER TABLE public.t ALTER COLUMN a DROP NOT NULL" in found.help


@pytest.mark.parametrize("type_text", ["required_text", "required_again"])
def test_null_into_a_domain_that_refuses_it_is_found(type_text: str) -> None:
    """A NOT NULL domain, or one made of such a domain, refuses NULL though the column does not say so."""
    wanted = contract(relation("t", column("a", use=WRITE, nullable=True), use=WRITE))
    (found,) = changed_nullability(wanted, catalog(live("t", live_column("a", type_text))))
    assert "column-not-null" == found.code


def test_a_null_that_readers_do_not_expect_is_a_warning() -> None:
    """DROP NOT NULL is told to readers that rely on a value, and gates nothing."""
    wanted = contract(relation("t", column("a", nullable=False)))
    (found,) = changed_nullability(wanted, catalog(live("t", live_column("a"))))
    assert ("column-nullable", "public.t.a", None, Severity.WARNING) == (
        found.code,
        found.object,
        found.sqlstate,
        found.severity,
    )
    assert "column public.t.a may hold NULL" in found.message


@pytest.mark.parametrize(
    ("nullable", "use", "live_a", "kind"),
    [
        pytest.param(None, READ | WRITE, live_column("a", not_null=True), "r", id="no claim, NOT NULL"),
        pytest.param(None, READ | WRITE, live_column("a"), "r", id="no claim, nullable"),
        pytest.param(True, READ | WRITE, live_column("a"), "r", id="NULL written and taken"),
        pytest.param(True, READ, live_column("a", not_null=True), "r", id="NULL only read"),
        pytest.param(False, READ | WRITE, live_column("a", not_null=True), "r", id="a value read and held"),
        pytest.param(False, WRITE, live_column("a"), "r", id="a value written"),
        pytest.param(False, READ, live_column("a"), "v", id="a view's columns never say"),
        pytest.param(False, READ, live_column("a"), "m", id="nor a materialised view's"),
        pytest.param(False, READ, live_column("a", "required_text"), "r", id="a domain that holds a value"),
    ],
)
def test_harmless_changes_of_nullability_pass(nullable: bool | None, use: set[Use], live_a: object, kind: str) -> None:
    """NOT NULL added, dropped or unknown is told only where it hurts."""
    wanted = contract(relation("t", column("a", use=use, nullable=nullable), use=use))
    there = catalog(live("t", live_a, kind=kind))  # type: ignore[arg-type]
    assert [] == list(changed_nullability(wanted, there))
