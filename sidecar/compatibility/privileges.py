"""Privileges: may the role do what the image does?"""

from collections.abc import Iterator

from sidecar.compatibility.codes import (
    COLUMN_PRIVILEGE_MISSING,
    RELATION_PRIVILEGE_MISSING,
    SCHEMA_PRIVILEGE_MISSING,
)
from sidecar.compatibility.matching import (
    hiding_function,
    hiding_relation,
    hiding_type,
    matched_columns,
    matched_relations,
    types_of,
)
from sidecar.identifiers import display_identifier, display_path
from sidecar.model import Catalog, CatalogColumn, CatalogRelation, Contract, ContractRelation, Finding, Use


def missing_on_schemas(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find schemas whose USAGE the role lacks: told once each, with what becomes unreachable."""
    hidden: dict[str, list[str]] = {}
    for schema, name in _behind_schemas(contract, catalog):
        if schema is not None:
            hidden.setdefault(schema, []).append(name)
    for schema, names in hidden.items():
        shown = display_identifier(schema)
        role = display_identifier(catalog.database.role)
        yield SCHEMA_PRIVILEGE_MISSING.at(
            shown,
            f"permission denied for schema {shown}: role {role} has no USAGE on it, so {', '.join(sorted(set(names)))}"
            " cannot be reached",
            f"GRANT USAGE ON SCHEMA {shown} TO {role};",
        )


def _behind_schemas(contract: Contract, catalog: Catalog) -> Iterator[tuple[str | None, str]]:
    """Yield what the contract names and a schema without USAGE keeps from the role, with that schema."""
    for relation in contract.relations:
        live = catalog.relations.get(str(relation.name))
        if live is None or not live.can_use_schema:
            schema = hiding_relation(relation.name, catalog) if live is None else live.schema
            yield schema, display_identifier(relation.name.name)
    yield from _types_behind_schemas(contract, catalog)
    for name in (*contract.sequences, *contract.collations, *contract.text_search_configurations):
        if name.schema is not None and not catalog.schemas.get(name.schema, True):
            yield name.schema, display_identifier(name.name)
    for function in contract.functions:
        yield hiding_function(function, catalog), display_identifier(function.name.name)


def _types_behind_schemas(contract: Contract, catalog: Catalog) -> Iterator[tuple[str | None, str]]:
    for enum in contract.enums:
        if str(enum.name) not in catalog.enums:
            yield hiding_type(str(enum.name), enum.name.schema, catalog), display_identifier(enum.name.name)
    for type_ in types_of(contract):
        if type_.key not in catalog.type_oids:
            yield hiding_type(type_.key, type_.schema, catalog), display_identifier(type_.name)


def missing_on_relations(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find privileges that the image's statements need on relations and columns, and the role does not have."""
    for relation, live in matched_relations(contract, catalog):
        for use in sorted(relation.use):
            if not _has_on_relation(live, use):
                yield from _missing(relation, live, use, catalog)


def _missing(relation: ContractRelation, live: CatalogRelation, use: Use, catalog: Catalog) -> Iterator[Finding]:
    role = display_identifier(catalog.database.role)
    verb = use.upper()
    columns = [(c, v) for c, v in matched_columns(relation, live) if use in c.use]
    denied = [live_column for _, live_column in columns if not _has_on_column(live_column, use)]
    if denied and len(denied) < len(columns):
        for column in denied:
            name = display_identifier(column.name)
            yield COLUMN_PRIVILEGE_MISSING.at(
                display_path(live.schema, live.name, column.name),
                f"permission denied for column {name} of {live}: role {role} has no {verb} on it",
                f"GRANT {verb} ({name}) ON {live} TO {role};",
            )
    elif denied or not columns:
        yield RELATION_PRIVILEGE_MISSING.at(
            str(live),
            f"permission denied for relation {live}: role {role} has no {verb} on it",
            f"GRANT {verb} ON {live} TO {role};",
        )


def _has_on_relation(live: CatalogRelation, use: Use) -> bool:
    match use:
        case Use.SELECT:
            return live.can_select
        case Use.INSERT:
            return live.can_insert
        case Use.UPDATE:
            return live.can_update
        case Use.DELETE:
            return live.can_delete
        case Use.TRUNCATE:
            return live.can_truncate


def _has_on_column(column: CatalogColumn, use: Use) -> bool:
    match use:
        case Use.SELECT:
            return column.can_select
        case Use.INSERT:
            return column.can_insert
        case Use.UPDATE:
            return column.can_update
        case Use.DELETE | Use.TRUNCATE:
            return False
