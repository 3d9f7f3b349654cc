from typing import Any

import msgspec
import pytest

from sidecar.compatibility.functions import changed_functions, refused_in_writes
from sidecar.compatibility.type_names import parse_type_name
from sidecar.compatibility.types import missing_types
from sidecar.model import CatalogFunction, ContractFunction, RefusedFunction, Severity, Use
from tests.unit.builders import (
    all_types,
    catalog,
    column,
    contract,
    function,
    live,
    live_column,
    live_function,
    relation,
)


def codes(wanted: ContractFunction, *there: CatalogFunction) -> list[str]:
    key = str(wanted.name)
    schemas = {} if wanted.name.schema is None else {wanted.name.schema: True}
    return [
        f.code
        for f in changed_functions(contract(functions=(wanted,)), catalog(functions={key: there}, schemas=schemas))
    ]


def test_a_function_that_is_gone_is_found() -> None:
    """A function that no name leads to is told with its signature."""
    (found,) = changed_functions(contract(functions=(function("f", "int", "text"),)), catalog())
    assert ("function-missing", "f(integer, text)", "42883") == (found.code, found.object, found.sqlstate)
    assert "function f(integer, text) does not exist" == found.message


def test_a_function_that_moved_off_the_path_is_told_with_its_place() -> None:
    """A function in a schema that is not searched is missing, and told where it is."""
    there = catalog(functions={"f": (live_function(schema="Old", is_visible=False),)})
    (found,) = changed_functions(contract(functions=(function("f"),)), there)
    assert 'function f() does not exist on the search_path; there is "Old".f' == found.message


def test_an_argument_too_many_is_found() -> None:
    """A function that does not take the image's number of arguments is missing."""
    there = catalog(functions={"f": (live_function("text", "text"),)})
    (found,) = changed_functions(contract(functions=(function("f", "text"),)), there)
    assert ("function-missing", "function f(text) does not exist: no f takes 1 argument") == (found.code, found.message)


def test_a_function_that_became_a_procedure_is_found() -> None:
    """A procedure cannot be called as a function."""
    there = catalog(functions={"f": (live_function(kind="p"),)})
    (found,) = changed_functions(contract(functions=(function("f"),)), there)
    assert ("function-replaced", "f()", "42809") == (found.code, found.object, found.sqlstate)
    assert "f() is a procedure now" in found.message


def test_a_function_that_may_not_be_called_is_found() -> None:
    """EXECUTE that was revoked is told with the grant that mends it."""
    there = catalog(functions={"f": (live_function("text", can_execute=False),)})
    (found,) = changed_functions(contract(functions=(function("f", "text"),)), there)
    assert ("function-privilege-missing", "f(text)", "42501") == (found.code, found.object, found.sqlstate)
    assert "permission denied for function f(text): role app_role has no EXECUTE on it" == found.message
    assert "GRANT EXECUTE ON FUNCTION f(text) TO app_role;" == found.help


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        pytest.param(function("f"), (live_function(),), id="the same"),
        pytest.param(function("f", "text"), (live_function("int"),), id="other types are the server's to judge"),
        pytest.param(function("f", bare=True), (live_function("int", "int"),), id="any overload"),
        pytest.param(function("f", "text"), (live_function("text", "text", default_count=1),), id="default argument"),
        pytest.param(function("f"), (live_function("text", default_count=1),), id="all defaults"),
        pytest.param(function("f", "int", "int", "int"), (live_function("int[]", is_variadic=True),), id="variadic"),
        pytest.param(function("f"), (live_function("int[]", is_variadic=True),), id="variadic without any"),
        pytest.param(function("f"), (live_function("text"), live_function()), id="one of several"),
        pytest.param(function("f"), (live_function(kind="p"), live_function()), id="beside a procedure"),
        pytest.param(function("f"), (live_function(can_execute=False), live_function()), id="beside a closed one"),
        pytest.param(function("f"), (live_function(kind="a"),), id="aggregate"),
        pytest.param(function("f"), (live_function(kind="w"),), id="window function"),
        pytest.param(function("f", schema="s"), (live_function(schema="s"),), id="qualified"),
    ],
)
def test_a_function_that_can_be_called_passes(wanted: ContractFunction, there: tuple[CatalogFunction, ...]) -> None:
    """Overloads, defaults and variadic arguments are taken into account."""
    assert [] == codes(wanted, *there)


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        pytest.param(function("f"), live_function("text", "text", default_count=1), id="too few for the defaults"),
        pytest.param(
            function("f", "int"), live_function("int", "int", "int[]", is_variadic=True), id="too few before variadic"
        ),
        pytest.param(function("f", "int", "int"), live_function("int"), id="too many"),
    ],
)
def test_numbers_of_arguments_that_do_not_fit(wanted: ContractFunction, there: CatalogFunction) -> None:
    """A required argument more or an argument less breaks the call."""
    assert ["function-missing"] == codes(wanted, there)


def test_a_function_in_a_missing_schema_is_told_with_the_schema() -> None:
    """Where the schema is gone, that is the finding."""
    assert [] == list(changed_functions(contract(functions=(function("f", schema="gone"),)), catalog()))


def returning(result: str, *arguments: str, returns_set: bool = False, bare: bool = False) -> ContractFunction:
    made = function("f", *arguments, bare=bare)
    return msgspec.structs.replace(made, result=parse_type_name(result), returns_set=returns_set)


def live_returning(result: str, *arguments: str, **changes: Any) -> CatalogFunction:
    return live_function(*arguments, result_oid=all_types()[0][parse_type_name(result).key], **changes)


@pytest.mark.parametrize(
    ("wanted", "there", "returns"),
    [
        (returning("int"), live_returning("text"), "returns text; the image expects integer"),
        (returning("int"), live_returning("bigint"), "returns int8; the image expects integer"),
        (
            returning("mood"),
            live_returning("email"),
            "returns public.email; the image expects mood",
        ),
        (
            returning("text", returns_set=True),
            live_returning("text"),
            "returns text; the image expects SETOF text",
        ),
        (returning("text"), live_returning("text", returns_set=True), "returns SETOF text; the image expects text"),
        (returning("text"), live_function(result_oid=999_999), "returns something else; the image expects text"),
        (returning("text"), live_returning("text[]"), "returns text[]; the image expects text"),
    ],
    ids=["another type", "wider", "types with a schema", "no rows", "rows", "an unknown type", "an array"],
)
def test_a_result_that_changed_is_found(wanted: ContractFunction, there: CatalogFunction, returns: str) -> None:
    """A function that returns something else gives the server nothing to complain of: a rule tells it."""
    (found,) = changed_functions(contract(functions=(wanted,)), catalog(functions={"f": (there,)}))
    assert ("function-result-changed", "f()", Severity.ERROR, None) == (
        found.code,
        found.object,
        found.severity,
        found.sqlstate,
    )
    assert f"function f() {returns}" == found.message


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        pytest.param(returning("text"), (live_returning("text"),), id="the same"),
        pytest.param(returning("text", returns_set=True), (live_returning("text", returns_set=True),), id="rows"),
        pytest.param(returning("numeric(10,2)"), (live_returning("numeric"),), id="a result has no modifiers"),
        pytest.param(function("f"), (live_returning("text"),), id="nothing claimed"),
        pytest.param(
            returning("text", "int"),
            (live_returning("text", "int"), live_returning("int", "text")),
            id="the overload that is called",
        ),
        pytest.param(
            returning("text", "smallint"),
            (live_returning("int", "int"), live_returning("text", "bigint")),
            id="no telling which overload is called",
        ),
        pytest.param(
            returning("text", bare=True),
            (live_returning("int"), live_returning("text", "int")),
            id="a bare name means any overload",
        ),
    ],
)
def test_a_result_that_fits_or_cannot_be_judged_passes(
    wanted: ContractFunction, there: tuple[CatalogFunction, ...]
) -> None:
    """Only where it is clear which function is called does its result count."""
    assert [] == codes(wanted, *there)


def test_a_bare_name_with_one_overload_is_clear() -> None:
    """Where there is one function of the name, its result counts, whatever its arguments."""
    assert ["function-result-changed"] == codes(returning("text", bare=True), live_returning("int", "int", "int"))


def test_a_result_whose_type_is_gone_is_told_as_the_type() -> None:
    """A missing type is told by itself, not as another result."""
    wanted = contract(functions=(returning("mood"),))
    there = catalog(functions={"f": (live_returning("text"),)}, without_types=["mood"])
    assert [] == list(changed_functions(wanted, there))
    assert ["type-missing"] == [found.code for found in missing_types(wanted, there)]


@pytest.mark.parametrize(
    ("near", "schema", "end"),
    [
        (("similarities",), None, "does not exist; renamed to similarities?"),
        (("Similarity",), None, 'does not exist; renamed to "Similarity"?'),
        (("now",), None, "does not exist"),
        (("similarities",), "s", "does not exist; renamed to s.similarities?"),
    ],
)
def test_a_renamed_function_is_guessed(near: tuple[str, ...], schema: str | None, end: str) -> None:
    """A function that is gone is told with the live name that is most like it."""
    wanted = contract(functions=(function("similarity", "text", "text", schema=schema),))
    there = catalog(near={"functions": near, "relations": ("similarity1",)}, schemas={"s": True})
    (found,) = changed_functions(wanted, there)
    assert found.message.endswith(f"similarity(text, text) {end}")


REFUSED = RefusedFunction("app.is_ok", "CHECK constraint t_check")


@pytest.mark.parametrize("use", [{Use.INSERT}, {Use.UPDATE}])
def test_a_function_that_writes_call_is_found(use: set[Use]) -> None:
    """Who writes a row calls what the table's checks and indexes are made of, and needs EXECUTE on it."""
    wanted = contract(relation("T", column("a", use=use), use=use))
    (found,) = refused_in_writes(wanted, catalog(live("T", live_column("a"), refused_functions=(REFUSED,))))
    assert ("function-privilege-missing", "app.is_ok", "42501") == (found.code, found.object, found.sqlstate)
    assert found.message.endswith(
        'role app_role has no EXECUTE on it, and CHECK constraint t_check of public."T" calls it'
    )
    assert "GRANT EXECUTE ON FUNCTION app.is_ok TO app_role;" == found.help


@pytest.mark.parametrize("use", [{Use.SELECT}, {Use.DELETE}, {Use.TRUNCATE}, {Use.SELECT, Use.DELETE}])
def test_who_stores_nothing_calls_nothing(use: set[Use]) -> None:
    """A reader and a deleter set off no check."""
    wanted = contract(relation("t", use=use))
    assert [] == list(refused_in_writes(wanted, catalog(live("t", refused_functions=(REFUSED,)))))
