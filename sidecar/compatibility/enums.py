"""Enums: do they have every label that the image uses? Order and further labels do not matter."""

from collections.abc import Iterator

from sidecar.compatibility.codes import ENUM_LABEL_MISSING, ENUM_REPLACED, TYPE_MISSING
from sidecar.compatibility.matching import hiding_type
from sidecar.compatibility.relations import BEHIND_OR_REMOVED
from sidecar.identifiers import display_path, quote_literal
from sidecar.model import Catalog, Contract, Finding


def changed_enums(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find enums that are gone or became another kind of type, and labels that are gone."""
    for enum in contract.enums:
        key = str(enum.name)
        live = catalog.enums.get(key)
        if live is None:
            is_told = enum.name.schema is not None and enum.name.schema not in catalog.schemas
            if not is_told and hiding_type(key, enum.name.schema, catalog) is None:
                yield TYPE_MISSING.at(key, f"type {key} does not exist", BEHIND_OR_REMOVED)
            continue
        shown = display_path(live.schema, live.name)
        if live.kind != "e":
            yield ENUM_REPLACED.at(shown, f"type {shown} is not an enum any more", BEHIND_OR_REMOVED)
            continue
        for label in enum.labels:
            if label not in live.labels:
                yield ENUM_LABEL_MISSING.at(
                    f"{shown}.{quote_literal(label).strip()}",
                    f"enum {shown} has no label {quote_literal(label).strip()}",
                    f"ALTER TYPE {shown} ADD VALUE {quote_literal(label).strip()};"
                    " or deploy an image that does not use the label.",
                )
