"""Which live object a name of the contract leads to; shared by the rules."""

from collections.abc import Iterator

from sidecar.identifiers import split_path
from sidecar.model import Catalog, CatalogColumn, CatalogRelation, Contract, ContractColumn, ContractRelation, Name

SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
"""Columns that every table has and no catalog query of ours lists (documentation, "System Columns")."""


def matched_relations(contract: Contract, catalog: Catalog) -> Iterator[tuple[ContractRelation, CatalogRelation]]:
    """Yield the contract's relations that exist, each with the live one."""
    for relation in contract.relations:
        live = catalog.relations.get(str(relation.name))
        if live is not None:
            yield relation, live


def matched_columns(
    relation: ContractRelation, live: CatalogRelation
) -> Iterator[tuple[ContractColumn, CatalogColumn]]:
    """Yield the relation's columns that exist, each with the live one."""
    by_name = {column.name: column for column in live.columns}
    for column in relation.columns:
        live_column = by_name.get(column.name)
        if live_column is not None:
            yield column, live_column


def configured_path(catalog: Catalog) -> tuple[str, ...]:
    """Return the schemas of the search_path setting as it is written, those the role may not use included."""
    schemas: list[str] = []
    for part in catalog.database.search_path.split(","):
        text = part.strip()
        if not text:
            continue
        schema = split_path(text)[0] if text.startswith('"') else text.lower()
        schemas.append(catalog.database.role if schema == "$user" else schema)
    return tuple(schemas)


def is_hidden_on_path(name: Name, catalog: Catalog) -> bool:
    """True if the name would be found, had the role USAGE on the schema: PostgreSQL calls that a missing table."""
    return hiding_schema(name, catalog) is not None


def hiding_schema(name: Name, catalog: Catalog) -> str | None:
    """Return the schema that has the relation and refuses USAGE to the role, if that is why it is not found."""
    path = configured_path(catalog) if name.schema is None else (name.schema,)
    hidden = {e.schema for e in catalog.elsewhere.get(str(name), ()) if not e.can_use_schema}
    return next((schema for schema in path if schema in hidden), None)
