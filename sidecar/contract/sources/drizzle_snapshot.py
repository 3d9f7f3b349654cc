"""One Drizzle Kit snapshot, in either of its two shapes → what a contract says of the schema in it.

Versions 5 to 7 are tables with everything inside them; versions 8 and 9 are a flat list of entities. Both are read
into one ``Schema``. The shapes are those of drizzle-kit's own validators (``pgSerializer.ts``, ``ddl.ts``).
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from sidecar.compatibility.type_names import parse_type_name
from sidecar.contract.document import ColumnDocument, ConstraintsDocument, ForeignKeyDocument, RelationDocument
from sidecar.contract.exported import ExportError
from sidecar.contract.sources.drizzle_files import Row, decoded, misshapen, one_line
from sidecar.identifiers import contract_key, display_identifier, display_path, quote_identifier
from sidecar.model import Use

_T = TypeVar("_T")
_Names = Annotated[tuple[str, ...], Meta(min_length=1)]
_Name = tuple[str | None, str]
"""A schema's name, None for public, and a name in it."""

_ARRAY = re.compile(r"(?P<base>.*?)(?P<array>(?:\s*\[\d*\])*)", re.DOTALL)
_MIXED_CASE = re.compile(r"(?=.*[a-z])(?=.*[A-Z])\w+", re.ASCII)
_SERIALS = {"smallserial": "smallint", "serial": "integer", "bigserial": "bigint"}
_PUBLIC = (None, "", "public")


class _Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of a snapshot; keys that no contract needs are passed over."""


class _Identity(_Shape, frozen=True, kw_only=True):
    type: Literal["always", "byDefault"]


class _Column(_Shape, frozen=True, kw_only=True):
    name: str
    type: str
    type_schema: str | None = None
    dimensions: int = 0
    primary_key: bool = False
    not_null: bool = False
    generated: dict[str, Any] | None = None
    identity: _Identity | None = None

    @property
    def is_read_only(self) -> bool:
        """Whether Drizzle leaves the column out of its INSERT and UPDATE."""
        return self.generated is not None or (self.identity is not None and self.identity.type == "always")

    @property
    def is_not_null(self) -> bool:
        return self.not_null or self.primary_key or self.identity is not None or self.type in _SERIALS


class _IndexColumn(_Shape, frozen=True, kw_only=True):
    expression: str | None = None
    value: str | None = None
    is_expression: bool = False


class _Index(_Shape, frozen=True, kw_only=True):
    name: str
    columns: Annotated[tuple[str | _IndexColumn, ...], Meta(min_length=1)]
    is_unique: bool = False
    where: str | None = None

    @property
    def beyond_columns(self) -> str:
        """What the index has that its columns' names do not say, in words."""
        if any(not isinstance(column, str) and column.is_expression for column in self.columns):
            return "expression"
        return "WHERE" if self.where else ""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c if isinstance(c, str) else c.expression or c.value or "" for c in self.columns)


class _Key(_Shape, frozen=True, kw_only=True):
    name: str = ""
    columns: _Names
    nulls_not_distinct: bool = False


class _OldForeignKey(_Shape, frozen=True, kw_only=True):
    columns_from: _Names
    table_to: str
    schema_to: str | None = None


class _ForeignKey(_Shape, frozen=True, kw_only=True):
    columns: _Names
    table_to: str
    schema_to: str | None = None


class _Named(_Shape, frozen=True, kw_only=True):
    name: str
    schema: str | None = None


class _Enum(_Named, frozen=True, kw_only=True):
    values: tuple[str, ...] | dict[str, str]


class _OldTable(_Named, frozen=True, kw_only=True):
    columns: dict[str, msgspec.Raw]
    indexes: dict[str, _Index] = {}
    foreign_keys: dict[str, _OldForeignKey] = {}
    composite_primary_keys: dict[str, _Key] = {}
    unique_constraints: dict[str, _Key] = {}
    check_constraints: dict[str, _Named] = {}
    policies: dict[str, _Named] = {}


class _OldView(_Named, frozen=True, kw_only=True):
    columns: dict[str, msgspec.Raw] = {}
    is_existing: bool = False


class _OldSnapshot(_Shape, frozen=True, kw_only=True):
    tables: dict[str, msgspec.Raw]
    enums: dict[str, msgspec.Raw] = {}
    sequences: dict[str, _Named] = {}
    views: dict[str, msgspec.Raw] = {}
    roles: dict[str, _Named] = {}
    policies: dict[str, _Named] = {}


class _Relation(msgspec.Struct, kw_only=True):
    """A table or a view as both shapes give it."""

    name: _Name
    is_view: bool = False
    columns: list[_Column] = []
    keys: list[_Key] = []
    primary: set[str] = set()
    indexes: list[_Index] = []
    foreign_keys: list[ForeignKeyDocument] = []
    checks: list[str] = []

    def __str__(self) -> str:
        return display_path(*self.name)


class Schema(msgspec.Struct, kw_only=True):
    """What a snapshot says, whatever its version."""

    place: str
    """The snapshot's file, for messages."""
    relations: list[_Relation] = []
    enums: dict[_Name, tuple[str, ...]] = {}
    sequences: list[_Name] = []
    omissions: list[str] = []
    quotes_types: bool = False
    """Whether its migrations put the names of custom types in double quotes."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a contract document that a snapshot fills."""

    relations: dict[str, RelationDocument]
    enums: dict[str, tuple[str, ...]]
    sequences: tuple[str, ...]
    omissions: tuple[str, ...]


def from_tables(data: bytes, place: str) -> Schema:
    """Read a snapshot of version 5, 6 or 7.

    Raises:
        ExportError: a part of it is not of the format's shape.
    """
    snapshot = decoded(data, _OldSnapshot, place)
    schema = Schema(place=place, quotes_types=True)
    for key, raw in snapshot.enums.items():
        _add_enum(schema, decoded(raw, _Enum, f"{place}: enum {key!r}"))
    for key, raw in snapshot.tables.items():
        schema.relations.append(_old_table(schema, decoded(raw, _OldTable, f"{place}: table {key!r}")))
    for key, raw in snapshot.views.items():
        view = decoded(raw, _OldView, f"{place}: view {key!r}")
        if view.is_existing:
            schema.omissions.append(
                f"view {display_path(_schema(view.schema), view.name)}: no migration makes it (.existing());"
                " add it to the contract by hand if the image reads it"
            )
        else:
            columns = _old_columns(view.columns, f"{place}: view {key!r}")
            schema.relations.append(_Relation(name=(_schema(view.schema), view.name), is_view=True, columns=columns))
    schema.sequences += [(_schema(sequence.schema), sequence.name) for sequence in snapshot.sequences.values()]
    schema.omissions += [_omitted("role", role.name) for role in snapshot.roles.values()]
    schema.omissions += [_omitted("policy", policy.name) for policy in snapshot.policies.values()]
    return schema


def from_entities(rows: Iterable[Row], place: str) -> Schema:
    """Read the entities of a snapshot of version 8 or 9.

    Raises:
        ExportError: a part of it is not of the format's shape.
    """
    schema = Schema(place=place)
    relations: dict[_Name, _Relation] = {}
    parts: list[Row] = []
    for row in rows:
        if row.get("entityType") in _PARTS:
            parts.append(row)
        else:
            _add_entity(schema, relations, row)
    for row in parts:
        _add_part(schema, relations, row)
    schema.relations += relations.values()
    return schema


def parts_of(schema: Schema) -> Parts:
    """Return what a contract says of the schema.

    Raises:
        ExportError: two relations have one name.
    """
    writer = _Writer(schema)
    relations: dict[str, RelationDocument] = {}
    for relation in sorted(schema.relations, key=lambda relation: (relation.name[0] or "", relation.name[1])):
        key = contract_key(*relation.name)
        if key in relations:
            raise ExportError(f"{schema.place}: {relation} stands there twice")
        relations[key] = writer.relation(relation)
    enums = {contract_key(*name): labels for name, labels in schema.enums.items() if labels}
    empty = [f"enum {display_path(*name)}: it has no labels" for name, labels in schema.enums.items() if not labels]
    return Parts(
        relations=relations,
        enums=dict(sorted(enums.items())),
        sequences=tuple(sorted(contract_key(*name) for name in schema.sequences)),
        omissions=tuple(sorted({one_line(text) for text in (*schema.omissions, *writer.omissions, *empty)})),
    )


class _Writer:
    """Writes relations down; what a contract cannot say of them gathers in ``omissions``."""

    def __init__(self, schema: Schema) -> None:
        self.omissions: list[str] = []
        self._schema = schema
        self._enums: dict[str, list[str | None]] = {}
        for namespace, name in schema.enums:
            self._enums.setdefault(name, []).append(namespace)
        self._table_columns = {
            (column.name, column.type)
            for relation in schema.relations
            if not relation.is_view
            for column in relation.columns
        }

    def relation(self, relation: _Relation) -> RelationDocument:
        return self._view(relation) if relation.is_view else self._table(relation)

    def _table(self, table: _Relation) -> RelationDocument:
        columns: dict[str, str | ColumnDocument | None] = {}
        for column in sorted(table.columns, key=lambda column: column.name):
            if column.name in columns:
                raise ExportError(f"{self._schema.place}: column {column.name!r} of {table} stands there twice")
            columns[column.name] = ColumnDocument(
                type=self._type(column, table),
                nullable=not (column.is_not_null or column.name in table.primary),
                use=("select",) if column.is_read_only else None,
            )
        use: tuple[Use, ...] = (Use.SELECT, Use.INSERT, Use.UPDATE, Use.DELETE)
        if all(column.is_read_only for column in table.columns):
            use = (Use.SELECT, Use.DELETE)
            self.omissions.append(
                f"table {table}: none of its columns is written; a contract cannot say INSERT of none"
            )
        return RelationDocument(
            use=use, columns=columns, constraints=self._constraints(table), indexes=self._indexes(table)
        )

    def _view(self, view: _Relation) -> RelationDocument:
        columns: dict[str, str | ColumnDocument | None] = {}
        for column in sorted(view.columns, key=lambda column: column.name):
            if (column.name, column.type) in self._table_columns:
                columns[column.name] = self._type(column, view)
            else:
                # A view written in SQL has the types that its query gives it, whatever the schema file declares.
                columns[column.name] = None
                self.omissions.append(f"type of {view}.{display_identifier(column.name)}: only the server knows it")
        return RelationDocument(use=(Use.SELECT,), columns=columns)

    def _constraints(self, table: _Relation) -> ConstraintsDocument:
        uniques = {key.columns for key in table.keys}
        uniques |= {index.names for index in table.indexes if index.is_unique and not index.beyond_columns}
        named = {index.name for index in table.indexes if index.is_unique and index.beyond_columns}
        for key in table.keys:
            if key.nulls_not_distinct:
                self.omissions.append(
                    f"unique {display_identifier(key.name)} of {table}: a contract does not hold NULLS NOT DISTINCT"
                )
        return ConstraintsDocument(
            unique=(*sorted(uniques), *sorted(named)),
            foreign_keys=tuple(sorted(table.foreign_keys, key=lambda key: (key.columns, key.references))),
            checks=tuple(sorted(table.checks)),
        )

    def _indexes(self, table: _Relation) -> tuple[str, ...]:
        for index in table.indexes:
            if index.beyond_columns:
                self.omissions.append(
                    f"index {display_identifier(index.name)} of {table}: a contract holds its name,"
                    f" not its {index.beyond_columns}"
                )
        return tuple(sorted(index.name for index in table.indexes if not index.is_unique))

    def _type(self, column: _Column, relation: _Relation) -> str | None:
        match = _ARRAY.fullmatch(column.type)
        base, array = (match["base"], match["array"]) if match else (column.type, "")
        homes = self._enums.get(base, [])
        if column.type_schema is not None:
            text = _enum_text(_schema(column.type_schema), base)
        elif None in homes or len(homes) == 1:
            text = _enum_text(None if None in homes else homes[0], base)
        else:
            text = self._custom(base)
        text += "[]" if array or column.dimensions > 0 else ""
        try:
            parse_type_name(text)
        except ValueError:
            self.omissions.append(
                f"type of {relation}.{display_identifier(column.name)}: {column.type!r} is not a type's name"
            )
            return None
        return text

    def _custom(self, text: str) -> str:
        """Return the text of a built-in or custom type as PostgreSQL itself spells it, as far as text goes."""
        if '"' in text:
            return text
        if self._schema.quotes_types and _MIXED_CASE.fullmatch(text):
            return quote_identifier(text)
        text = re.sub(r"\s*\(\s*", "(", " ".join(text.split()))
        text = re.sub(r"\s*,\s*", ",", text)
        return _SERIALS.get(text, text)


def _enum_text(schema: str | None, name: str) -> str:
    text = display_path(schema, name)
    if schema is None and text == name and _is_grammar(name):
        return quote_identifier(name)
    return text


def _is_grammar(name: str) -> bool:
    try:
        return parse_type_name(name).is_grammar
    except ValueError:
        return False


def _old_table(schema: Schema, table: _OldTable) -> _Relation:
    name = (_schema(table.schema), table.name)
    place = f"{schema.place}: table {display_path(*name)}"
    shown = display_path(*name)
    schema.omissions += [_omitted("policy", policy.name, shown) for policy in table.policies.values()]
    return _Relation(
        name=name,
        columns=_old_columns(table.columns, place),
        keys=list(table.unique_constraints.values()),
        primary={name for key in table.composite_primary_keys.values() for name in key.columns},
        indexes=list(table.indexes.values()),
        foreign_keys=[
            _foreign_key(key.columns_from, key.schema_to, key.table_to) for key in table.foreign_keys.values()
        ],
        checks=[check.name for check in table.check_constraints.values()],
    )


def _old_columns(columns: dict[str, msgspec.Raw], place: str) -> list[_Column]:
    return [decoded(raw, _Column, f"{place}, column {key!r}") for key, raw in columns.items()]


_PARTS = ("columns", "pks", "uniques", "indexes", "fks", "checks", "policies", "privileges")


def _add_entity(schema: Schema, relations: dict[_Name, _Relation], row: Row) -> None:
    """Add what stands on its own."""
    kind, place = row.get("entityType"), schema.place
    if kind == "enums":
        _add_enum(schema, _converted(row, _Enum, place))
    elif kind == "sequences":
        sequence = _converted(row, _Named, place)
        schema.sequences.append((_schema(sequence.schema), sequence.name))
    elif kind in ("tables", "views"):
        named = _converted(row, _Named, place)
        relation = _Relation(name=(_schema(named.schema), named.name), is_view=kind == "views")
        if relation.name in relations:
            raise ExportError(f"{place}: {relation} stands there twice")
        relations[relation.name] = relation
        if relation.is_view:
            schema.omissions.append(f"columns of view {relation}: the snapshot does not hold them")
    elif kind == "roles":
        schema.omissions.append(_omitted("role", _converted(row, _Named, place).name))
    elif kind != "schemas":
        schema.omissions.append(f"an entity of kind {kind!r}: a contract does not hold it")


def _add_part(schema: Schema, relations: dict[_Name, _Relation], row: Row) -> None:
    """Put an entity into the table that it belongs to."""
    kind, place = row["entityType"], schema.place
    table, namespace = row.get("table"), row.get("schema")
    if not isinstance(table, str) or not isinstance(namespace, str | None):
        raise ExportError(f"{place}: {_words(row)}: it does not say of which table it is")
    relation = relations.get((_schema(namespace), table))
    if relation is None:
        raise ExportError(f"{place}: {_words(row)}: there is no table {display_path(_schema(namespace), table)}")
    if kind == "columns":
        relation.columns.append(_converted(row, _Column, place))
    elif kind == "pks":
        relation.primary.update(_converted(row, _Key, place).columns)
    elif kind == "uniques":
        relation.keys.append(_converted(row, _Key, place))
    elif kind == "indexes":
        relation.indexes.append(_converted(row, _Index, place))
    elif kind == "fks":
        key = _converted(row, _ForeignKey, place)
        relation.foreign_keys.append(_foreign_key(key.columns, key.schema_to, key.table_to))
    elif kind == "checks":
        relation.checks.append(_converted(row, _Named, place).name)
    elif kind == "policies":
        schema.omissions.append(_omitted("policy", _converted(row, _Named, place).name, str(relation)))
    else:
        schema.omissions.append(f"privileges on {relation}: a contract does not hold grants")


def _add_enum(schema: Schema, enum: _Enum) -> None:
    name = (_schema(enum.schema), enum.name)
    if name in schema.enums:
        raise ExportError(f"{schema.place}: enum {display_path(*name)} stands there twice")
    schema.enums[name] = tuple(enum.values.values() if isinstance(enum.values, dict) else enum.values)


def _foreign_key(columns: tuple[str, ...], schema: str | None, table: str) -> ForeignKeyDocument:
    return ForeignKeyDocument(columns=columns, references=contract_key(_schema(schema), table))


def _schema(name: str | None) -> str | None:
    """Return a schema's name; None for public, which Drizzle's statements do not write."""
    return None if name in _PUBLIC else name


def _converted(row: Row, type_: type[_T], place: str) -> _T:
    try:
        return msgspec.convert(row, type_)
    except msgspec.ValidationError as error:
        raise misshapen(f"{place}: {_words(row)}", error) from error


def _words(row: Row) -> str:
    names = [row[key] for key in ("schema", "table", "name") if isinstance(row.get(key), str)]
    return f"{row.get('entityType')} {'.'.join(names)!r}"


def _omitted(kind: str, name: str, table: str | None = None) -> str:
    plural = {"policy": "policies", "role": "roles"}[kind]
    where = f" on {table}" if table else ""
    return f"{kind} {display_identifier(name)}{where}: a contract does not hold {plural}"
