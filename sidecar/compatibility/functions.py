"""Functions: is there one of that name that takes that many arguments, and may the role call it?

Whether the argument types fit is left to the server, which plans a call of each function that passes here.
"""

from collections.abc import Iterator

from sidecar.compatibility.codes import (
    FUNCTION_MISSING,
    FUNCTION_PRIVILEGE_MISSING,
    FUNCTION_REPLACED,
    FUNCTION_RESULT_CHANGED,
)
from sidecar.compatibility.matching import hiding_function, is_told_with_schema, matched_relations
from sidecar.compatibility.nearest import renamed
from sidecar.compatibility.relations import BEHIND_OR_REMOVED
from sidecar.identifiers import display_identifier, display_path
from sidecar.model import Catalog, CatalogFunction, Contract, ContractFunction, Finding


def changed_functions(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find functions that are gone, became procedures, or may not be executed."""
    for function in contract.functions:
        if not is_told_with_schema(function.name, catalog) and hiding_function(function, catalog) is None:
            yield from _changed(function, catalog)


def _changed(function: ContractFunction, catalog: Catalog) -> Iterator[Finding]:
    candidates = catalog.functions.get(str(function.name), ())
    visible = [candidate for candidate in candidates if candidate.is_visible]
    if not visible:
        message = f"function {function} does not exist"
        if candidates:
            message += f" on the search_path; there is {display_path(candidates[0].schema, function.name.name)}"
        else:
            message += renamed(function.name.name, catalog.near.get("functions", ()), function.name.schema)
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
    else:
        yield from _result_changed(function, fitting, catalog)


def _result_changed(function: ContractFunction, fitting: list[CatalogFunction], catalog: Catalog) -> Iterator[Finding]:
    """Compare the result of the one function that is called, where it is clear which one that is."""
    if function.result is None or function.result.key not in catalog.type_oids:
        return
    wanted = tuple(catalog.type_oids.get(type_.key) for type_ in function.arguments or ())
    is_exact = function.arguments is not None
    exact = [candidate for candidate in fitting if is_exact and candidate.arguments == wanted]
    chosen = (exact or fitting)[0]
    if len(exact or fitting) > 1:
        return
    oid = catalog.type_oids[function.result.key]
    if chosen.result_oid == oid and chosen.returns_set == function.returns_set:
        return
    now = _shown_type(chosen.result_oid, catalog)
    yield FUNCTION_RESULT_CHANGED.at(
        str(function),
        f"function {function} returns {_rows(chosen.returns_set)}{now}; the image expects"
        f" {_rows(function.returns_set)}{function.result}",
        "Deploy the image that was built for the new result, or put the function back.",
    )


def _shown_type(oid: int, catalog: Catalog) -> str:
    live = catalog.types.get(oid)
    if live is None:
        return "something else"
    if live.element_oid:
        return f"{_shown_type(live.element_oid, catalog)}[]"
    return display_path(None if live.schema == "pg_catalog" else live.schema, live.name)


def _rows(returns_set: bool) -> str:
    return "SETOF " if returns_set else ""


def refused_in_writes(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find functions that a written table's checks, indexes or generated columns call and the role may not execute."""
    role = display_identifier(catalog.database.role)
    for relation, live in matched_relations(contract, catalog):
        for function in live.refused_functions if relation.writes else ():
            yield FUNCTION_PRIVILEGE_MISSING.at(
                function.name,
                f"permission denied for function {function.name}: role {role} has no EXECUTE on it, and"
                f" {function.caller} of {live} calls it",
                f"GRANT EXECUTE ON FUNCTION {function.name} TO {role};",
            )
