from typing import Any

import msgspec
import pytest

from sidecar.compatibility.enums import changed_enums
from sidecar.compatibility.registry import compare
from sidecar.identifiers import quote_literal
from sidecar.model import Catalog, CatalogColumn, Contract, ContractColumn, Severity, TypePolicy, Use
from tests.unit.builders import (
    READ,
    WRITE,
    catalog,
    column,
    contract,
    enum,
    function,
    live,
    live_column,
    live_enum,
    live_function,
    relation,
)

WANTED = contract(enums=(enum("mood", "sad", "it's"),))


def test_a_label_that_is_gone_is_found() -> None:
    """Each label that the image uses and the enum lacks is told, as a literal."""
    found = list(changed_enums(WANTED, catalog(enums={"mood": live_enum("mood", "happy")})))
    assert [("enum-label-missing", "22P02")] * 2 == [(finding.code, finding.sqlstate) for finding in found]
    assert ["public.mood.'sad'", "public.mood.'it''s'"] == [finding.object for finding in found]
    assert "enum public.mood has no label 'it''s'" == found[1].message
    assert found[1].help.startswith("ALTER TYPE public.mood ADD VALUE 'it''s';")


def test_an_enum_that_is_gone_is_found() -> None:
    """An enum that no name leads to is told as a missing type."""
    (found,) = changed_enums(contract(enums=(enum("Mood", "a"),)), catalog())
    assert ("type-missing", '"Mood"', "42704", 'type "Mood" does not exist') == (
        found.code,
        found.object,
        found.sqlstate,
        found.message,
    )


def test_a_type_that_is_no_enum_any_more_is_found() -> None:
    """A domain or composite under the enum's name is something else."""
    (found,) = changed_enums(WANTED, catalog(enums={"mood": live_enum("mood", kind="d")}))
    assert ("enum-replaced", "public.mood", "42804") == (found.code, found.object, found.sqlstate)
    assert "type public.mood is not an enum any more" == found.message


def test_further_labels_and_another_order_pass() -> None:
    """Labels that the image does not use, and their order, do not matter."""
    there = catalog(enums={"mood": live_enum("mood", "new", "it's", "sad")})
    assert [] == list(changed_enums(WANTED, there))


def test_labels_are_told_apart_by_case() -> None:
    """A label in another case is another label."""
    there = catalog(enums={"mood": live_enum("mood", "Sad", "it's")})
    assert ["public.mood.'sad'"] == [found.object for found in changed_enums(WANTED, there)]


def test_an_enum_in_a_missing_schema_is_told_with_the_schema() -> None:
    """Where the schema is gone, that is the finding."""
    assert [] == list(changed_enums(contract(enums=(enum("mood", "a", schema="gone"),)), catalog()))
    found = list(changed_enums(contract(enums=(enum("mood", "a", schema="there"),)), catalog(schemas={"there": True})))
    assert ["there.mood"] == [finding.object for finding in found]


def holding(*columns: ContractColumn, **rest: Any) -> Contract:
    """Return a contract of a table t whose columns hold the enum mood."""
    return contract(relation("t", *columns, use=READ | WRITE), enums=(enum("mood", "sad", "happy"),), **rest)


def gone(*columns: CatalogColumn, **rest: Any) -> Catalog:
    """Return a database without the type mood."""
    return catalog(live("t", *columns), without_types=["mood", "mood[]"], **rest)


@pytest.mark.parametrize(
    "made",
    [
        live_column("a", "text"),
        live_column("a", "character varying"),
        live_column("a", "slug"),
    ],
    ids=["text", "varchar", "domain over text"],
)
@pytest.mark.parametrize("use", [READ, WRITE, READ | WRITE])
def test_an_enum_whose_columns_became_text_is_a_warning(made: CatalogColumn, use: frozenset[Use]) -> None:
    """Statements with untyped parameters go on working; only those that name the type fail."""
    (found,) = changed_enums(holding(column("a", "mood", use=use)), gone(made))
    assert ("type-missing", "mood", Severity.WARNING, "42704") == (
        found.code,
        found.object,
        found.severity,
        found.sqlstate,
    )
    assert "its columns are text now" in found.message
    assert ["type-missing"] == [f.code for f in compare(holding(column("a", "mood", use=use)), gone(made))]


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        pytest.param(holding(), gone(), id="no column holds it"),
        pytest.param(holding(column("a", "text")), gone(live_column("a", "text")), id="the columns were text before"),
        pytest.param(holding(column("a", "mood")), gone(live_column("a", "integer")), id="the column is a number"),
        pytest.param(holding(column("a", "mood")), gone(live_column("a", "character(5)")), id="the column is padded"),
        pytest.param(
            holding(column("a", "mood"), column("b", "mood")),
            gone(live_column("a", "text"), live_column("b", "integer")),
            id="one of the columns is a number",
        ),
        pytest.param(holding(column("a", "mood")), gone(), id="the column is gone, too"),
        pytest.param(
            holding(column("a", "mood"), type_policy=TypePolicy.EXACT),
            gone(live_column("a", "text")),
            id="the contract is exact",
        ),
        pytest.param(
            holding(msgspec.structs.replace(column("a", "mood"), type_policy=TypePolicy.EXACT)),
            gone(live_column("a", "text")),
            id="the column is exact",
        ),
        pytest.param(
            holding(column("a", "mood", use=READ | WRITE)),
            gone(live_column("a", "character varying(4)")),
            id="a label is too long for the column",
        ),
        pytest.param(
            holding(column("a", "mood"), column("b", "mood[]")),
            gone(live_column("a", "text"), live_column("b", "integer[]")),
            id="an array of it became one of numbers",
        ),
        pytest.param(
            holding(column("a", "mood"), functions=(function("f", "mood"),)),
            gone(live_column("a", "text"), functions={"f": (live_function("text"),)}),
            id="a function takes it",
        ),
    ],
)
def test_an_enum_that_is_gone_otherwise_is_an_error(wanted: Contract, there: Catalog) -> None:
    """Unless everything that holds the enum takes any text now, its absence gates."""
    errors = [found for found in compare(wanted, there) if found.severity is Severity.ERROR]
    assert errors


def test_a_column_that_is_exempt_from_exactness_is_judged_by_itself() -> None:
    """A column's own policy counts before the contract's."""
    made = msgspec.structs.replace(column("a", "mood"), type_policy=TypePolicy.WIDENING)
    (found,) = changed_enums(holding(made, type_policy=TypePolicy.EXACT), gone(live_column("a", "text")))
    assert Severity.WARNING is found.severity


@pytest.mark.parametrize(
    ("near", "end"),
    [(("moods",), "; renamed to moods?"), (("Mood",), '; renamed to "Mood"?'), (("colour",), "does not exist")],
)
def test_a_renamed_enum_is_guessed(near: tuple[str, ...], end: str) -> None:
    """A type that is gone is told with the live type that is most like it."""
    (found,) = changed_enums(WANTED, catalog(near={"types": near}))
    assert found.message.endswith(end)


@pytest.mark.parametrize(
    ("label", "live_label", "shown"),
    [("canceled", "cancelled", "'cancelled'"), ("it's", "it''s", "'it''''s'"), ("back\\slash", "back\\slash2", None)],
)
def test_a_renamed_label_is_guessed(label: str, live_label: str, shown: str | None) -> None:
    """A label that is gone is told with the live label most like it, as a literal."""
    wanted = contract(enums=(enum("mood", label),))
    (found,) = changed_enums(wanted, catalog(enums={"mood": live_enum("mood", live_label)}))
    assert found.message.endswith(f"; renamed to {shown or quote_literal(live_label).strip()}?")


def test_a_label_that_the_image_uses_is_no_guess() -> None:
    """A live label that the contract has as well is not what another was renamed to."""
    wanted = contract(enums=(enum("mood", "cancelled", "canceled"),))
    (found,) = changed_enums(wanted, catalog(enums={"mood": live_enum("mood", "canceled")}))
    assert "renamed" not in found.message
