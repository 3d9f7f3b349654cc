"""Functions: is there one of that name that takes that many arguments, and may the role call it?

Whether the argument types fit is left to the server, which plans a call of each function that passes here.
"""

from collections.abc import Iterator

from sidecar.compatibility.codes import FUNCTION_MISSING, FUNCTION_PRIVILEGE_MISSING, FUNCTION_REPLACED
from sidecar.compatibility.matching import hiding_function
from sidecar.compatibility.relations import BEHIND_OR_REMOVED
from sidecar.identifiers import display_identifier, display_path
from sidecar.model import Catalog, Contract, ContractFunction, Finding


def changed_functions(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find functions that are gone, became procedures, or may not be executed."""
    for function in contract.functions:
        is_told = function.name.schema is not None and function.name.schema not in catalog.schemas
        if not is_told and hiding_function(function, catalog) is None:
            yield from _changed(function, catalog)


def _changed(function: ContractFunction, catalog: Catalog) -> Iterator[Finding]:
    candidates = catalog.functions.get(str(function.name), ())
    visible = [candidate for candidate in candidates if candidate.is_visible]
    if not visible:
        message = f"function {function} does not exist"
        if candidates:
            message += f" on the search_path; there is {display_path(candidates[0].schema, function.name.name)}"
        yield FUNCTION_MISSING.at(str(function), message, BEHIND_OR_REMOVED)
        return
    arguments = function.arguments
    fitting = [c for c in visible if arguments is None or c.takes(len(arguments))]
    if not fitting:
        count = len(arguments or ())
        yield FUNCTION_MISSING.at(
            str(function),
            f"function {function} does not exist: no {function.name} takes {count} argument{'s' * (count != 1)}",
            BEHIND_OR_REMOVED,
        )
    elif all(candidate.kind == "p" for candidate in fitting):
        yield FUNCTION_REPLACED.at(
            str(function), f"{function} is a procedure now, and the image calls it as a function", BEHIND_OR_REMOVED
        )
    elif not any(candidate.can_execute for candidate in fitting):
        role = display_identifier(catalog.database.role)
        yield FUNCTION_PRIVILEGE_MISSING.at(
            str(function),
            f"permission denied for function {function}: role {role} has no EXECUTE on it",
            f"GRANT EXECUTE ON FUNCTION {function} TO {role};",
        )
