"""Enums: do they have every label that the image uses? Order and further labels do not matter."""

from collections.abc import Iterator

from sidecar.compatibility.codes import ENUM_LABEL_MISSING, ENUM_REPLACED, TYPE_MISSING
from sidecar.compatibility.matching import (
    hiding_type,
    is_told_with_schema,
    matched_columns,
    matched_relations,
    type_policy_of,
)
from sidecar.compatibility.nearest import nearest, renamed
from sidecar.compatibility.relations import BEHIND_OR_REMOVED
from sidecar.compatibility.types import takes_text
from sidecar.identifiers import display_path, quote_literal
from sidecar.model import (
    Catalog,
    Contract,
    ContractColumn,
    ContractEnum,
    ContractFunction,
    Finding,
    Name,
    Severity,
    TypeName,
    TypePolicy,
    Use,
)


def changed_enums(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find enums that are gone or became another kind of type, and labels that are gone."""
    for enum in contract.enums:
        key = str(enum.name)
        live = catalog.enums.get(key)
        if live is None:
            yield from _missing(enum, contract, catalog)
            continue
        shown = display_path(live.schema, live.name)
        if live.kind != "e":
            yield ENUM_REPLACED.at(shown, f"type {shown} is not an enum any more", BEHIND_OR_REMOVED)
            continue
        for label in enum.labels:
            if label not in live.labels:
                near = nearest(label, set(live.labels) - set(enum.labels))
                guess = "" if near is None else f"; renamed to {quote_literal(near).strip()}?"
                yield ENUM_LABEL_MISSING.at(
                    f"{shown}.{quote_literal(label).strip()}",
                    f"enum {shown} has no label {quote_literal(label).strip()}{guess}",
                    f"ALTER TYPE {shown} ADD VALUE {quote_literal(label).strip()};"
                    " or deploy an image that does not use the label.",
                )


def _missing(enum: ContractEnum, contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    key = str(enum.name)
    if is_told_with_schema(enum.name, catalog) or hiding_type(key, enum.name.schema, catalog) is not None:
        return
    near = renamed(enum.name.name, catalog.near.get("types", ()), enum.name.schema)
    if _became_text(enum, contract, catalog):
        yield TYPE_MISSING.at(
            key,
            f"type {key} does not exist; its columns are text now, so only statements that name the type fail",
            "Check that no statement of the image casts to the type; then take the enum out of the contract.",
            severity=Severity.WARNING,
        )
    else:
        yield TYPE_MISSING.at(key, f"type {key} does not exist{near}", BEHIND_OR_REMOVED)


def _became_text(enum: ContractEnum, contract: Contract, catalog: Catalog) -> bool:
    """True if every column that the contract gives this enum takes its labels as text: fine for untyped parameters."""
    if any(_names(type_, enum) for function in contract.functions for type_ in _signature(function)):
        return False
    longest = max(map(len, enum.labels), default=0)
    held = [
        takes_text(live_column, longest if _writes(column) else 0, catalog, in_array=type_.is_array)
        and type_policy_of(column, contract) is not TypePolicy.EXACT
        for relation, live in matched_relations(contract, catalog)
        for column, live_column in matched_columns(relation, live)
        for type_ in column.types
        if _names(type_, enum)
    ]
    return bool(held) and all(held)


def _names(type_: TypeName, enum: ContractEnum) -> bool:
    return not type_.is_grammar and Name(type_.schema, type_.name) == enum.name


def _signature(function: ContractFunction) -> Iterator[TypeName]:
    yield from function.arguments or ()
    if function.result is not None:
        yield function.result


def _writes(column: ContractColumn) -> bool:
    return bool(column.use & {Use.INSERT, Use.UPDATE})
