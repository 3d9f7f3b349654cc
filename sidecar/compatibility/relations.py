"""Schemas and relations: is what the contract names there at all?"""

from collections.abc import Iterator

from sidecar.compatibility.codes import RELATION_MISSING, RELATION_NOT_POPULATED, RELATION_REPLACED, SCHEMA_MISSING
from sidecar.compatibility.matching import ROW_KINDS, hiding_relation, is_told_with_schema, matched_relations, names_of
from sidecar.compatibility.nearest import renamed
from sidecar.identifiers import display_identifier, display_path
from sidecar.model import Catalog, Contract, ContractRelation, Finding, Use

BEHIND_OR_REMOVED = (
    "If the database is behind this image, run the migrations first;"
    " if a migration removed it, deploy an image that no longer uses it."
)


def missing_schemas(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find schemas that the contract names and the database does not have."""
    users: dict[str, list[str]] = {}
    for name in names_of(contract):
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
    known = {relation.name.name for relation in contract.relations}
    for relation in contract.relations:
        key = str(relation.name)
        if key in catalog.relations or is_told_with_schema(relation.name, catalog):
            continue
        if hiding_relation(relation.name, catalog) is not None:
            continue  # told as the privilege that it is
        message = f"relation {key} does not exist"
        if relation.name.schema is None:
            message += f" on the search_path ({catalog.database.search_path or 'empty'})"
        yield RELATION_MISSING.at(key, message + _hint(relation, known, catalog), BEHIND_OR_REMOVED)


def _hint(relation: ContractRelation, known: set[str], catalog: Catalog) -> str:
    """Say where else the relation is, or what it may be called now."""
    name = relation.name
    others = catalog.elsewhere.get(str(name), ())
    if others:
        return f"; there is {', '.join(display_path(other.schema, name.name) for other in others[:3])}"
    return renamed(name.name, set(catalog.near.get("relations", ())) - known, name.schema)


def replaced_relations(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find names that lead to something that holds no rows, or none that the image could truncate."""
    for relation in contract.relations:
        live = catalog.relations.get(str(relation.name))
        if live is None:
            continue
        kind = KINDS.get(live.kind, "something else")
        if live.kind not in ROW_KINDS:
            yield RELATION_REPLACED.at(
                str(live), f"{live} is {kind}, and the image uses it as a table", BEHIND_OR_REMOVED
            )
        elif Use.TRUNCATE in relation.use and live.kind in "vm":
            yield RELATION_REPLACED.at(
                str(live), f"{live} is {kind} now, which TRUNCATE does not take", BEHIND_OR_REMOVED
            )


KINDS: dict[str, str] = {
    "v": "a view",
    "m": "a materialized view",
    "S": "a sequence",
    "i": "an index",
    "I": "an index",
    "c": "a composite type",
}
"""What a person calls a ``relkind``."""


def unpopulated_views(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find materialized views that the image reads and nobody has refreshed yet."""
    for relation, live in matched_relations(contract, catalog):
        if live.kind == "m" and not live.is_populated and Use.SELECT in relation.use:
            yield RELATION_NOT_POPULATED.at(
                str(live),
                f"materialized view {live} is not populated yet",
                f"REFRESH MATERIALIZED VIEW {live};",
            )
