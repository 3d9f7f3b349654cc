import pytest

from sidecar.compatibility.functions import changed_functions
from sidecar.model import CatalogFunction, ContractFunction
from tests.unit.builders import catalog, contract, function, live_function


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
