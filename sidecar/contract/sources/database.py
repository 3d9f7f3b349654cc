"""What a live database has → a contract document."""

from collections.abc import Iterable, Iterator

import msgspec

from sidecar.compatibility.migrations import TOOLS, head_of
from sidecar.compatibility.type_names import parse_type_name
from sidecar.contract.document import (
    ColumnDocument,
    ConstraintsDocument,
    ContractDocument,
    ForeignKeyDocument,
    MigrationsDocument,
    RelationDocument,
    SourceDocument,
)
from sidecar.contract.exported import Exported, ExportError
from sidecar.identifiers import contract_key, display_path
from sidecar.model import Use
from sidecar.model.introspection import (
    FoundColumn,
    FoundFunction,
    FoundIndex,
    FoundMigrations,
    FoundName,
    FoundRelation,
    FoundType,
    Introspection,
)

_COMPANIONS = frozenset({"ar_internal_metadata"})
"""Tables of migration tools that say nothing of what has been applied."""
_TABLE_KINDS = frozenset("rp")
_ROW_USES = (Use.SELECT, Use.INSERT, Use.UPDATE, Use.DELETE)
_COLUMN_USES = (Use.SELECT, Use.INSERT, Use.UPDATE)
_SHOWN = 5


def exported(
    found: Introspection,
    *,
    kind: str = "database",
    schemas: tuple[str, ...] = (),
    with_privileges: bool = True,
    migrations: MigrationsDocument | None = None,
    place: str | None = None,
) -> Exported:
    """Return what the database has as a contract.

    Args:
        found: the database.
        kind: for the document's ``source``.
        schemas: those that were asked for; each has to be there.
        with_privileges: ask only for what the role that looked may do; false where it is not the application's.
        migrations: where the source knows better than the database's own table.
        place: what to call the database in an error; None is by its name.

    Raises:
        ExportError: a schema is missing, or there is nothing to ask for.
    """
    place = place or f"database {found.database}"
    missing = sorted(set(schemas) - set(found.schemas))
    if missing:
        others = _listed([*found.schemas, *found.other_schemas])
        raise ExportError(f"{place}: schema {missing[0]} does not exist; there are {others}")
    writer = _Writer(found, with_privileges=with_privileges)
    document = writer.document(kind, migrations)
    if not any((document.relations, document.enums, document.functions, document.sequences, document.extensions)):
        where = _listed(found.schemas)
        raise ExportError(f"{place}: nothing in {where} for a contract to ask for")
    return Exported(document=document, omissions=tuple(writer.omissions))


class _Writer:
    """Collects what is left out while it writes."""

    def __init__(self, found: Introspection, *, with_privileges: bool) -> None:
        self.omissions: list[str] = []
        self._found = found
        self._types = found.types
        self._with_privileges = with_privileges

    def document(self, kind: str, migrations: MigrationsDocument | None) -> ContractDocument:
        found = self._found
        relations = dict(self._relations())
        enums = dict(self._enums())
        functions = tuple(self._functions())
        sequences = tuple(self._names("sequence", found.sequences))
        collations = tuple(self._names("collation", found.collations))
        configurations = tuple(self._names("text search configuration", found.text_search_configurations))
        for composite in found.composites:
            name = _key(composite.schema, composite.name, is_visible=composite.is_visible)
            self._omit(f"type {name}", "a contract does not hold the fields of a composite type")
        head = migrations or self._migrations()
        newest = head.head if head is not None and not isinstance(head.head, dict) else None
        return ContractDocument(
            contract=1,
            source=SourceDocument(kind=kind, migration=None if newest is None else str(newest)),
            relations=relations,
            enums=enums,
            functions=functions,
            extensions=tuple(name for name in found.extensions if name != "plpgsql"),
            sequences=sequences,
            collations=collations,
            text_search_configurations=configurations,
            migrations=head,
        )

    def _omit(self, what: str, why: str) -> None:
        self.omissions.append(f"{what}: {why}")

    def _relations(self) -> Iterator[tuple[str, RelationDocument]]:
        own = {(table.schema, table.name) for table in self._found.migration_tables}
        for relation in self._found.relations:
            key = _key(relation.schema, relation.name, is_visible=relation.is_visible)
            if (relation.schema, relation.name) in own or relation.name in _COMPANIONS:
                self._omit(f"table {key}", "the migration tool's own; left out")
                continue
            document = self._relation(key, relation)
            if document is not None:
                yield key, document
                self._tell(key, relation)

    def _relation(self, key: str, relation: FoundRelation) -> RelationDocument | None:
        shown = f"{_KINDS[relation.kind]} {key}"
        wanted = _ROW_USES if relation.kind in _TABLE_KINDS else (Use.SELECT,)
        uses = tuple(use for use in wanted if self._may(relation, use))
        denied = [use.upper() for use in wanted if use not in uses]
        if not uses:
            self._omit(shown, f"role {self._found.role} may do nothing with it; left out")
            return None
        if denied:
            self._omit(
                shown, f"role {self._found.role} may not {', '.join(denied)}, so the contract does not ask for it"
            )
        if not relation.has_partitions and Use.INSERT in uses:
            self._omit(shown, "without a partition it takes no row, so the contract does not ask for INSERT")
            uses = tuple(use for use in uses if use is not Use.INSERT)
        columns = {column.name: self._column_uses(relation, column, uses) for column in relation.columns}
        empty = [use for use in (Use.INSERT, Use.UPDATE) if use in uses and not any(use in c for c in columns.values())]
        if empty:  # a contract inserts into columns
            words = " and ".join(use.upper() for use in empty)
            self._omit(shown, f"no column takes a value, so the contract does not ask for {words}")
            uses = tuple(use for use in uses if use not in empty)
        closed = [name for name, column_uses in columns.items() if not column_uses and Use.SELECT in uses]
        if closed:
            self._omit(shown, f"role {self._found.role} may do nothing with {_listed(closed)}; left out")
        return RelationDocument(
            use=uses,
            columns={
                column.name: self._column(relation, column, columns[column.name], uses)
                for column in relation.columns
                if columns[column.name]
            },
            constraints=self._constraints(relation) if relation.kind in _TABLE_KINDS else None,
            indexes=tuple(
                index.name for index in relation.indexes if index.is_valid and not _is_constraint(relation, index)
            ),
        )

    def _may(self, relation: FoundRelation, use: Use) -> bool:
        if not self._with_privileges:
            return True
        if not relation.can_use or use in relation.denied_by_policy:
            return False
        if use is Use.DELETE:
            return relation.can_delete
        return not relation.columns or any(_has_privilege(column, use) for column in relation.columns)

    def _column_uses(self, relation: FoundRelation, column: FoundColumn, uses: tuple[Use, ...]) -> tuple[Use, ...]:
        return tuple(
            use
            for use in _COLUMN_USES
            if use in uses
            and (use is Use.SELECT or not column.is_computed)
            and (not self._with_privileges or _has_privilege(column, use))
        )

    def _column(
        self, relation: FoundRelation, column: FoundColumn, uses: tuple[Use, ...], all_uses: tuple[Use, ...]
    ) -> str | ColumnDocument | None:
        text = self._type_text(column.type_oid, column.type_text)
        if relation.kind not in _TABLE_KINDS:
            return text
        is_whole = uses == tuple(use for use in _COLUMN_USES if use in all_uses)
        return ColumnDocument(
            type=text,
            nullable=not (column.not_null or self._refuses_null(column.type_oid)),
            use=None if is_whole else tuple(use.value for use in uses),  # type: ignore[misc] # TRUNCATE is no use of a column
        )

    def _constraints(self, relation: FoundRelation) -> ConstraintsDocument:
        plain = {index.columns: None for index in relation.indexes if index.is_unique and not _needs_name(index)}
        named = [index.name for index in relation.indexes if index.is_unique and _needs_name(index)]
        keys = {
            (
                constraint.columns,
                _key(
                    constraint.references_schema,
                    constraint.references_name,
                    is_visible=constraint.is_reference_visible,
                ),
            ): None
            for constraint in relation.constraints
            if constraint.kind == "f"
        }
        checks = {constraint.name for constraint in relation.constraints if constraint.kind == "c"}
        for column in relation.columns:
            checks |= set(self._domain_checks(column.type_oid))
        return ConstraintsDocument(
            unique=(*sorted(plain), *sorted(named)),
            foreign_keys=tuple(
                ForeignKeyDocument(columns=columns, references=other) for columns, other in sorted(keys)
            ),
            checks=tuple(sorted(checks)),
            exclusions=tuple(sorted(c.name for c in relation.constraints if c.kind == "x")),
            triggers=tuple(sorted(relation.triggers)),
        )

    def _tell(self, key: str, relation: FoundRelation) -> None:
        """Tell what hangs on the relation and a contract cannot say."""
        for policy in relation.policies:
            self._omit(f"policy {policy} on {key}", "a contract does not hold policies")
        for rule in relation.rules:
            self._omit(f"rule {rule} on {key}", "a contract does not hold rules")
        for index in relation.indexes:
            if not index.is_valid:
                self._omit(f"index {index.name} on {key}", "it is INVALID; left out")
            elif index.is_null_a_value:
                self._omit(f"index {index.name} on {key}", "a contract does not hold NULLS NOT DISTINCT")
        if relation.kind == "f":
            self._omit(
                f"foreign table {key}", "taken as read only: whether it takes rows is for the other server to say"
            )

    def _enums(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for enum in self._found.enums:
            key = _key(enum.schema, enum.name, is_visible=enum.is_visible)
            if not enum.labels:
                self._omit(f"enum {key}", "it has no labels; left out")
            elif not enum.can_use and self._with_privileges:
                self._omit(f"enum {key}", f"role {self._found.role} may not use it; left out")
            else:
                yield key, enum.labels

    def _names(self, what: str, things: tuple[FoundName, ...]) -> Iterator[str]:
        for thing in things:
            key = _key(thing.schema, thing.name, is_visible=thing.is_visible)
            if thing.can_use or not self._with_privileges:
                yield key
            else:
                self._omit(f"{what} {key}", f"role {self._found.role} may not use it; left out")

    def _functions(self) -> Iterator[str]:
        for function in self._found.functions:
            text = self._signature(function)
            why = self._why_not(function)
            if why:
                self._omit(f"{_ROUTINES.get(function.kind, 'function')} {text}", why)
                continue
            result = self._type_text(function.result_oid)
            yield f"{text} returns {'setof ' if function.returns_set else ''}{result}"

    def _signature(self, function: FoundFunction) -> str:
        is_bare = function.schema == "public" and function.is_visible
        path = display_path(None if is_bare else function.schema, function.name)
        return f"{path}({', '.join(self._type_text(oid) for oid in function.arguments)})"

    def _why_not(self, function: FoundFunction) -> str:
        """Return why a contract cannot say that the function is called; nothing if it can."""
        if function.kind not in "fa":
            return f"a contract does not hold {_ROUTINES[function.kind]}s"
        if any(oid not in self._types or self._types[oid].kind == "p" for oid in function.arguments):
            return "a contract does not hold functions that take any type"
        if function.result_oid not in self._types:
            return "its result is of no known type"
        if self._with_privileges and not function.can_execute:
            return f"role {self._found.role} may not execute it; left out"
        return ""

    def _migrations(self) -> MigrationsDocument | None:
        tables, found = self._found.migration_tables, self._found.migrations
        if len(tables) > 1:
            names = _listed([contract_key(table.schema, table.name) for table in tables])
            self._omit("migrations", f"{names} are all tables of migration tools; write migrations by hand")
        if found is None:
            return None
        key = contract_key(found.schema, found.table)
        if found.problem or not found.heads:
            self._omit("migrations", f"{key} not read: {found.problem}" if found.problem else f"{key} has no row")
            return None
        try:
            return _head(found)
        except ValueError as error:
            self._omit("migrations", f"{key}: {error}")
            return None

    def _type_text(self, oid: int, text: str = "") -> str:
        """Return SQL text for the type.

        Args:
            oid: the type.
            text: ``format_type``, with the modifiers; without it, a built-in type's own name is taken.
        """
        type_ = self._types.get(oid)
        element = None if type_ is None else self._types.get(type_.element_oid)
        inner = element or type_
        if inner is None:
            return text or "unknown"
        if inner.schema == "pg_catalog":
            return text or (_builtin(inner) + ("[]" if element is not None else ""))
        is_bare = inner.schema == "public" and inner.is_visible
        name = display_path(None if is_bare else inner.schema, inner.name)
        modifiers = parse_type_name(text).modifiers if text else ()
        return name + (f"({','.join(modifiers)})" if modifiers else "") + ("[]" if element is not None else "")

    def _below(self, oid: int) -> Iterator[FoundType]:
        """Yield the domain and those that it is made of."""
        type_ = self._types.get(oid)
        while type_ is not None and type_.kind == "d":
            yield type_
            type_ = self._types.get(type_.base_oid)

    def _refuses_null(self, oid: int) -> bool:
        return any(type_.not_null for type_ in self._below(oid))

    def _domain_checks(self, oid: int) -> Iterator[str]:
        type_ = self._types.get(oid)
        for domain in self._below(oid if type_ is None or not type_.element_oid else type_.element_oid):
            yield from domain.checks


_KINDS: dict[str, str] = {
    "r": "table",
    "p": "table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}
_ROUTINES: dict[str, str] = {
    "p": "procedure",
    "a": "aggregate",
    "o": "ordered-set aggregate",
    "w": "window function",
}


def _builtin(type_: FoundType) -> str:
    name = parse_type_name(display_path("pg_catalog", type_.name))
    is_bare = type_.is_visible and not name.is_grammar
    return str(msgspec.structs.replace(name, schema=None) if is_bare else name)


def _key(schema: str, name: str, *, is_visible: bool) -> str:
    """Return the name, with its schema unless that is ``public`` and the name alone leads there."""
    return contract_key(None if schema == "public" and is_visible else schema, name)


def _head(found: FoundMigrations) -> MigrationsDocument:
    """Return the head as the contract writes it.

    Raises:
        ValueError: the table has something that the tool does not write.
    """
    tool = TOOLS[found.tool]
    head = dict(found.heads) if tool.by_application else found.heads.get("", "")
    head_of(found.tool, head)
    usual = tool.table.name == found.table and found.schema == (tool.table.schema or "public")
    return MigrationsDocument(
        tool=found.tool,
        head=head,  # type: ignore[arg-type] # dict is invariant
        table=None if usual else contract_key(found.schema, found.table),
        count=found.count,
    )


def _has_privilege(column: FoundColumn, use: Use) -> bool:
    return {Use.SELECT: column.can_select, Use.INSERT: column.can_insert, Use.UPDATE: column.can_update}[use]


def _needs_name(index: FoundIndex) -> bool:
    return index.is_partial or index.has_expressions


def _is_constraint(relation: FoundRelation, index: FoundIndex) -> bool:
    """True if the index is told among the constraints: it refuses rows, and the contract says what is known to."""
    return index.is_unique and relation.kind in _TABLE_KINDS


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown or "none"
