"""Schemas and relations: is what the contract names there at all?"""

from collections.abc import Iterator

from sidecar.compatibility.codes import RELATION_MISSING, SCHEMA_MISSING
from sidecar.compatibility.matching import hiding_relation
from sidecar.identifiers import display_identifier, display_path
from sidecar.model import Catalog, Contract, Finding

BEHIND_OR_REMOVED = (
    "If the database is behind this image, run the migrations first;"
    " if a migration removed it, deploy an image that no longer uses it."
)


def missing_schemas(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find schemas that relations, enums or functions of the contract name and the database does not have."""
    users: dict[str, list[str]] = {}
    for name in (
        *(relation.name for relation in contract.relations),
        *(enum.name for enum in contract.enums),
        *(function.name for function in contract.functions),
    ):
        if name.schema is not None and name.schema not in catalog.schemas:
            users.setdefault(name.schema, []).append(display_identifier(name.name))
    for schema, names in users.items():
        shown = ", ".join(sorted(names)[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        yield SCHEMA_MISSING.at(
            display_identifier(schema),
            f"schema {display_identifier(schema)} does not exist; the image uses {shown} in it",
            BEHIND_OR_REMOVED,
        )


def missing_relations(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find relations that the role's statements would not reach by the name that the contract gives."""
    for relation in contract.relations:
        key = str(relation.name)
        if key in catalog.relations:
            continue
        if relation.name.schema is not None and relation.name.schema not in catalog.schemas:
            continue  # told once, with the schema
        if hiding_relation(relation.name, catalog) is not None:
            continue  # told as the privilege that it is
        message = f"relation {key} does not exist"
        if relation.name.schema is None:
            message += f" on the search_path ({catalog.database.search_path or 'empty'})"
        others = catalog.elsewhere.get(key, ())
        if others:
            shown = ", ".join(display_path(other.schema, relation.name.name) for other in others[:3])
            message += f"; there is {shown}"
        yield RELATION_MISSING.at(key, message, BEHIND_OR_REMOVED)
