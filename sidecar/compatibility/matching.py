"""Which live object a name of the contract leads to; shared by the rules."""

import re
from collections.abc import Iterable, Iterator

from sidecar.model import (
    Catalog,
    CatalogColumn,
    CatalogRelation,
    Contract,
    ContractColumn,
    ContractFunction,
    ContractRelation,
    Elsewhere,
    Name,
    TypeName,
    TypePolicy,
)

ROW_KINDS = frozenset("rpvmf")
"""What can stand where SQL wants a table (``relkind``)."""
SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
"""Columns that every table has and no catalog query of ours lists (documentation, "System Columns")."""


def matched_relations(contract: Contract, catalog: Catalog) -> Iterator[tuple[ContractRelation, CatalogRelation]]:
    """Yield the contract's relations that exist and hold rows, each with the live one."""
    for relation in contract.relations:
        live = catalog.relations.get(str(relation.name))
        if live is not None and live.kind in ROW_KINDS:
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


def types_of(contract: Contract) -> Iterator[TypeName]:
    """Yield every type that columns and signatures of the contract name, once each."""
    seen: dict[str, TypeName] = {}
    for relation in contract.relations:
        for column in relation.columns:
            for type_ in column.types:
                seen.setdefault(type_.key, type_)
    for function in contract.functions:
        for type_ in (*(function.arguments or ()), *((function.result,) if function.result else ())):
            seen.setdefault(type_.key, type_)
    yield from seen.values()


def names_of(contract: Contract) -> Iterator[Name]:
    """Yield the name of everything that the contract asks for and that lives in a schema; types of columns aside."""
    for things in (contract.relations, contract.enums, contract.functions):
        yield from (thing.name for thing in things)
    yield from (*contract.sequences, *contract.collations, *contract.text_search_configurations)


def type_policy_of(column: ContractColumn, contract: Contract) -> TypePolicy:
    """Return how strictly the column's type is compared: its own policy, else the contract's."""
    return column.type_policy or contract.type_policy


def unresolved_types(contract: Contract, catalog: Catalog) -> Iterator[TypeName]:
    """Yield the types that matter and lead nowhere; of a column's accepted ones, one that leads somewhere will do."""
    for function in contract.functions:
        for type_ in (*(function.arguments or ()), *((function.result,) if function.result else ())):
            if type_.key not in catalog.type_oids:
                yield type_
    for relation in contract.relations:
        for column in relation.columns:
            is_compared = type_policy_of(column, contract) is not TypePolicy.NAMES
            if is_compared and not any(t.key in catalog.type_oids for t in column.types):
                yield from column.types[:1]


def configured_path(catalog: Catalog) -> tuple[str, ...]:
    """Return the schemas of the search_path setting as it is written, those the role may not use included."""
    names = [
        quoted.replace('""', '"') if quoted else plain.strip().lower()
        for quoted, plain in re.findall(r'"((?:[^"]|"")+)"|([^\s,"][^,"]*)', catalog.database.search_path)
    ]
    return tuple(catalog.database.role if name == "$user" else name for name in names)


def is_told_with_schema(name: Name, catalog: Catalog) -> bool:
    """True if the name's whole schema is missing, which is told once and not for each name in it."""
    return name.schema is not None and name.schema not in catalog.schemas


def hiding_schema(name: Name, others: Iterable[Elsewhere], catalog: Catalog) -> str | None:
    """Return the schema that has the object and refuses USAGE to the role, if that is why it is not found.

    PostgreSQL itself calls such an object missing where the name is found through the search path.

    Args:
        name: the contract's name for the object, which leads nowhere.
        others: where else objects of that name are.
        catalog: for the search path.
    """
    path = configured_path(catalog) if name.schema is None else (name.schema,)
    hidden = {other.schema for other in others if not other.can_use_schema}
    return next((schema for schema in path if schema in hidden), None)


def hiding_relation(name: Name, catalog: Catalog) -> str | None:
    """Return the schema that hides a relation from the role, if one does."""
    return hiding_schema(name, catalog.elsewhere.get(str(name), ()), catalog)


def hiding_type(key: str, schema: str | None, catalog: Catalog) -> str | None:
    """Return the schema that hides a type from the role, if one does; ``key`` is the contract's name for it."""
    return hiding_schema(Name(schema, key), catalog.types_elsewhere.get(key, ()), catalog)


def hiding_function(function: ContractFunction, catalog: Catalog) -> str | None:
    """Return the schema that hides every function of that name from the role, if one does."""
    candidates = catalog.functions.get(str(function.name), ())
    if any(candidate.is_visible and candidate.can_use_schema for candidate in candidates):
        return None
    return hiding_schema(function.name, (Elsewhere(c.schema, c.can_use_schema) for c in candidates), catalog)
