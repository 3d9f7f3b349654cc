"""SQLAlchemy's MetaData → what a contract says of the schema in it.

Types and names are those that SQLAlchemy's own compiler for PostgreSQL writes. Constraints without a name get the
names that the server chooses for them (``ChooseConstraintName`` and ``ChooseIndexName`` in PostgreSQL's sources).

SQLAlchemy 1.4 and 2 differ in types, so its objects are ``Any`` here.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from sidecar.compatibility.type_names import parse_type_name
from sidecar.contract.document import ColumnDocument, ConstraintsDocument, ForeignKeyDocument, RelationDocument
from sidecar.contract.exported import ExportError
from sidecar.contract.sources.drizzle_files import one_line
from sidecar.contract.sources.sqlalchemy_target import failed, library
from sidecar.identifiers import MAX_IDENTIFIER_BYTES, contract_key, display_identifier, display_path, split_path
from sidecar.model import Use

_COLLATE = re.compile(r'\s+COLLATE\s+(?:"(?:[^"]|"")*"|[\w$]+)(?:\.(?:"(?:[^"]|"")*"|[\w$]+))*')
# Strings with a type before them, types in casts, fields in extract(), names of functions.
_NO_COLUMN = re.compile(
    r"""(?:\w+\s*)?'(?:[^']|'')*'|::\s*[\w.]+|\bAS\s+[\w.]+|\bEXTRACT\s*\(\s*\w+\s+FROM\b|[\w.]+\s*(?=\()""",
    re.IGNORECASE,
)
_WORDS = re.compile(r'"((?:[^"]|"")+)"|([^\W\d][\w$]*)')


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a contract document that metadata fills."""

    relations: dict[str, RelationDocument]
    enums: dict[str, tuple[str, ...]]
    sequences: tuple[str, ...]
    omissions: tuple[str, ...]


class _Unnamed(msgspec.Struct, frozen=True):
    """What the server makes a constraint's name of."""

    table: str
    column: str
    label: str

    def numbered(self, number: int) -> str:
        """Return the name that the server takes once it has found ``number`` of them in use."""
        return _object_name(self.table, self.column, f"{self.label}{number or ''}")


def parts_of(metadata: Any, place: str) -> Parts:
    """Return what a contract says of the metadata.

    Args:
        metadata: SQLAlchemy's.
        place: what leads there, for messages.

    Raises:
        ExportError: PostgreSQL has no such type, or a name is missing; the message says of which table.
    """
    writer = _Writer(place)
    tables = sorted(metadata.tables.values(), key=lambda table: (table.schema or "", table.name))
    for table in tables:
        writer.count_names(table)
    relations = {contract_key(_exact(table.schema), _exact(table.name)): writer.relation(table) for table in tables}
    return Parts(
        relations=relations,
        enums=dict(sorted(writer.enums.items())),
        sequences=tuple(sorted(writer.sequences(metadata))),
        omissions=tuple(sorted({one_line(text) for text in writer.omissions})),
    )


class _Writer:
    """Writes tables down; what a contract cannot say of them gathers in ``omissions``."""

    def __init__(self, place: str) -> None:
        self.omissions: list[str] = []
        self.enums: dict[str, tuple[str, ...]] = {}
        self._place = place
        self._library = library("sqlalchemy")
        self._postgresql = library("sqlalchemy.dialects.postgresql")
        self._dialect = library("sqlalchemy.dialects.postgresql.base").PGDialect(paramstyle="named")
        self._ddl = self._dialect.ddl_compiler(self._dialect, None)
        # 1.4 has it under the shorter name; 2 gives the class there
        self._types = getattr(self._dialect, "type_compiler_instance", None) or self._dialect.type_compiler
        self._names: Counter[tuple[str | None, str]] = Counter()

    def count_names(self, table: Any) -> None:
        """Note the constraints' names, for the server numbers those that it would give twice."""
        for constraint in self._of(table, "CheckConstraint", "ExcludeConstraint"):
            given = self._name(constraint, table)
            for name in (given,) if given is not None else (u.numbered(0) for u in self._candidates(constraint, table)):
                self._names[_exact(table.schema), name] += 1

    def relation(self, table: Any) -> RelationDocument:
        """Return what a contract says of a table, or of a view that SQLAlchemy makes."""
        columns: dict[str, str | ColumnDocument | None] = {}
        checks: set[str] = set()
        live = sorted((column for column in table.columns if not column.system), key=lambda column: str(column.name))
        is_view = getattr(getattr(table, "_creator_ddl", None), "__visit_name__", "") == "create_view"
        for column in live:
            text = self._type(column, table)
            domains = list(self._read_type(column.type, column, table))
            checks.update(name for domain in domains for name in self._domain_checks(domain))
            is_required = bool(domains) and _refuses_null(domains[0]) and not self._is_array(column.type)
            columns[_exact(column.name) or ""] = (
                text
                if is_view
                else ColumnDocument(
                    type=text,
                    nullable=not (column.primary_key or not column.nullable or is_required),
                    use=("select",) if _is_read_only(column) else None,
                )
            )
        if is_view:
            return RelationDocument(use=(Use.SELECT,), columns=columns, indexes=self._indexes(table))
        use: tuple[Use, ...] = (Use.SELECT, Use.INSERT, Use.UPDATE, Use.DELETE)
        if all(_is_read_only(column) for column in live):
            use = (Use.SELECT, Use.DELETE)
            self.omissions.append(
                f"table {_shown(table)}: none of its columns is written; a contract cannot say INSERT of none"
            )
        return RelationDocument(
            use=use, columns=columns, constraints=self._constraints(table, checks), indexes=self._indexes(table)
        )

    def sequences(self, metadata: Any) -> Iterator[str]:
        """Yield the sequences that stand on their own."""
        for sequence in metadata._sequences.values():
            if not (sequence.optional and self._dialect.sequences_optional):
                yield contract_key(_exact(sequence.schema), _exact(sequence.name))

    def _type(self, column: Any, table: Any) -> str | None:
        where = f"{_shown(table)}.{display_identifier(column.name)}"
        try:
            text = self._types.process(column.type, type_expression=column)
        except Exception as error:
            why = one_line(error).partition(" (Background on this error")[0]
            raise ExportError(f"{self._place}: {where}: PostgreSQL has no type for it here: {why}") from error
        try:
            return str(parse_type_name(_COLLATE.sub("", text)))
        except ValueError:
            self.omissions.append(f"type of {where}: {text!r} is not a type's name")
            return None

    def _implementation(self, type_: Any) -> Any:
        """Return the type that PostgreSQL gets in the end."""
        found = type_.dialect_impl(self._dialect)
        while isinstance(found, self._library.types.TypeDecorator):
            found = found.impl.dialect_impl(self._dialect)
        return found

    def _is_array(self, type_: Any) -> bool:
        return isinstance(self._implementation(type_), self._library.types.ARRAY)

    def _read_type(self, type_: Any, column: Any, table: Any) -> Iterator[Any]:
        """Note the enum that the type is made of, and yield the domains, the outermost first."""
        found = self._implementation(type_)
        if isinstance(found, self._library.types.ARRAY):
            yield from self._read_type(found.item_type, column, table)
        elif isinstance(found, self._library.types.Enum) and found.native_enum:
            key = contract_key(_exact(found.schema), _exact(found.name))
            labels = tuple(found.enums)
            if self.enums.setdefault(key, labels) != labels:
                where = f"{_shown(table)}.{display_identifier(column.name)}"
                raise ExportError(
                    f"{self._place}: enum {key} has other labels at {where} than elsewhere; make them one type"
                )
        elif hasattr(self._postgresql, "DOMAIN") and isinstance(found, self._postgresql.DOMAIN):
            yield found
            yield from self._read_type(found.data_type, column, table)

    def _domain_checks(self, domain: Any) -> Iterator[str]:
        if domain.check is not None:
            name = domain.constraint_name
            if name is not None:
                yield str(_exact(name))
            # SQLAlchemy writes CONSTRAINT name NOT NULL CHECK (…): the name goes to the first of the two.
            if name is None or domain.not_null:
                yield _object_name(str(_exact(domain.name)), "", "check")

    def _of(self, table: Any, *kinds: str) -> list[Any]:
        """Return the constraints that SQLAlchemy would write for PostgreSQL."""
        classes = tuple(getattr(self._library, kind, None) or getattr(self._postgresql, kind) for kind in kinds)
        own = [constraint for column in table.columns for constraint in column.constraints]
        found = {c for c in (*table.constraints, *own) if isinstance(c, classes) and self._is_written(c)}
        return sorted(found, key=lambda constraint: constraint._creation_order)

    def _is_written(self, item: Any) -> bool:
        rule, condition = getattr(item, "_create_rule", None), getattr(item, "_ddl_if", None)
        if rule is not None and not rule(self._ddl):
            return False
        return condition is None or bool(condition._should_execute(item, item, None, compiler=self._ddl))

    def _name(self, item: Any, table: Any) -> str | None:
        """Return the name that SQLAlchemy writes, conventions and all; None if it leaves the choice to the server."""
        if item.name is None:
            return None
        try:
            text = self._dialect.identifier_preparer.format_constraint(item)
        except Exception as error:  # a convention may be anyone's code
            raise failed(f"{self._place}: naming a constraint of {_shown(table)}", error) from error
        return None if text is None else split_path(text if text.startswith('"') else text.lower())[0]

    def _constraints(self, table: Any, checks: set[str]) -> ConstraintsDocument | None:
        exclusions: set[str] = set()
        for constraint in self._of(table, "CheckConstraint", "ExcludeConstraint"):
            is_check = isinstance(constraint, self._library.CheckConstraint)
            name = self._name(constraint, table)
            names = {name} if name is not None else self._guessed(constraint, table)
            if not names:
                self.omissions.append(
                    f"constraints of {_shown(table)}: the server names an exclusion constraint after its expressions;"
                    " name it"
                )
                return None
            (checks if is_check else exclusions).update(names)
        if table.dialect_options["postgresql"].get("inherits"):
            self.omissions.append(f"constraints of {_shown(table)}: it has those of the tables that it inherits, too")
            return None
        keys = {self._foreign_key(key, table) for key in table.foreign_key_constraints if self._is_written(key)}
        return ConstraintsDocument(
            unique=self._unique(table),
            foreign_keys=tuple(sorted(keys, key=lambda key: (key.columns, key.references))),
            checks=tuple(sorted(checks)),
            exclusions=tuple(sorted(exclusions)),
        )

    def _guessed(self, constraint: Any, table: Any) -> set[str]:
        names: set[str] = set()
        for unnamed in self._candidates(constraint, table):
            count = self._names[_exact(table.schema), unnamed.numbered(0)]
            names.update(unnamed.numbered(number) for number in range(count))
        return names

    def _candidates(self, constraint: Any, table: Any) -> list[_Unnamed]:
        """Return what the server names a constraint after; nothing where that cannot be told."""
        name = _exact(table.name) or ""
        columns = list(dict.fromkeys(_exact(column.name) or "" for column in constraint.columns))
        if not isinstance(constraint, self._library.CheckConstraint):
            plain = len(columns) == len(constraint._render_exprs)
            plain = plain and all(isinstance(e[0], self._library.Column) for e in constraint._render_exprs)
            return [_Unnamed(name, "_".join(columns), "excl")] if plain else []
        if not columns:
            text = _NO_COLUMN.sub(" ", str(constraint.sqltext))
            named = {match[1] or match[2].lower() for match in _WORDS.finditer(text)}
            columns = sorted(named & {_exact(column.name) or "" for column in table.columns})
        return [_Unnamed(name, columns[0] if len(columns) == 1 else "", "check")]

    def _foreign_key(self, key: Any, table: Any) -> ForeignKeyDocument:
        try:
            other = key.referred_table
        except self._library.exc.SQLAlchemyError as error:
            raise ExportError(
                f"{self._place}: foreign key of {_shown(table)}: {one_line(error)};"
                " give the module that imports every module with models in it"
            ) from error
        return ForeignKeyDocument(
            columns=tuple(_exact(element.parent.name) or "" for element in key.elements),
            references=contract_key(_exact(other.schema), _exact(other.name)),
        )

    def _unique(self, table: Any) -> tuple[tuple[str, ...] | str, ...]:
        columns: set[tuple[str, ...]] = set()
        names: set[str] = set()
        for constraint in self._of(table, "UniqueConstraint"):
            columns.add(tuple(_exact(column.name) or "" for column in constraint.columns))
            self._tell_nulls(constraint, table)
        for index in table.indexes:
            if not index.unique or not self._is_written(index):
                continue
            self._tell_nulls(index, table)
            if self._beyond_columns(index):
                names.add(self._index_name(index, table))
            else:
                columns.add(tuple(_exact(column.name) or "" for column in index.columns))
        return (*sorted(c for c in columns if c), *sorted(names))

    def _tell_nulls(self, item: Any, table: Any) -> None:
        if item.dialect_options["postgresql"].get("nulls_not_distinct"):
            columns = ", ".join(display_identifier(column.name) for column in item.columns)
            self.omissions.append(f"unique ({columns}) of {_shown(table)}: a contract does not hold NULLS NOT DISTINCT")

    def _beyond_columns(self, index: Any) -> str:
        """Return what the index has that its columns' names do not say, in words."""
        if not all(isinstance(expression, self._library.Column) for expression in index.expressions):
            return "expression"
        return "WHERE" if index.dialect_options["postgresql"].get("where") is not None else ""

    def _indexes(self, table: Any) -> tuple[str, ...]:
        names = set()
        for index in table.indexes:
            if not self._is_written(index):
                continue
            name = self._index_name(index, table)
            if beyond := self._beyond_columns(index):
                self.omissions.append(
                    f"index {display_identifier(name)} of {_shown(table)}: a contract holds its name, not its {beyond}"
                )
            if not index.unique:
                names.add(name)
        return tuple(sorted(names))

    def _index_name(self, index: Any, table: Any) -> str:
        name = self._name(index, table)
        if name is None:
            raise ExportError(f"{self._place}: an index of {_shown(table)} has no name; give it one")
        return name


def _is_read_only(column: Any) -> bool:
    """Whether SQLAlchemy leaves the column out of its INSERT and UPDATE."""
    return column.computed is not None or (column.identity is not None and bool(column.identity.always))


def _refuses_null(domain: Any) -> bool:
    """True for a domain that is NOT NULL, or made of one that is."""
    return bool(domain.not_null) or (hasattr(domain.data_type, "not_null") and _refuses_null(domain.data_type))


def _exact(name: Any) -> Any:
    """Return a name as the catalog has it: folded where it is told never to be quoted."""
    if name is None:
        return None
    return str(name).lower() if getattr(name, "quote", None) is False else str(name)


def _shown(table: Any) -> str:
    return display_path(_exact(table.schema), _exact(table.name))


def _object_name(first: str, second: str, label: str) -> str:
    """Return the name that the server makes of the three (``makeObjectName``): the longer of the two is cut first."""
    sizes = [len(first.encode()), len(second.encode())]
    room = MAX_IDENTIFIER_BYTES - len(label) - 1 - (1 if second else 0)
    while sum(sizes) > room:
        sizes[0 if sizes[0] > sizes[1] else 1] -= 1
    parts: Iterable[str] = (
        text.encode()[:size].decode(errors="ignore") for text, size in zip((first, second), sizes, strict=True)
    )
    return "_".join([*(part for part in parts if part), label])
