"""A decoded document → a Contract, or every problem with its place."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeVar

from sidecar.compatibility.codes import BY_CODE
from sidecar.compatibility.migrations import head_of, tool_of
from sidecar.compatibility.nearest import nearest
from sidecar.compatibility.type_names import parse_type_name
from sidecar.contract.document import (
    AcceptanceDocument,
    ColumnDocument,
    ConstraintsDocument,
    ContractDocument,
    MigrationsDocument,
    QueryDocument,
    RelationDocument,
    UpsertDocument,
)
from sidecar.contract.errors import Problem
from sidecar.contract.signatures import parse_function
from sidecar.contract.sql_text import parse_expression, parse_statement, with_declared_types
from sidecar.identifiers import split_path, truncate_identifier
from sidecar.model import (
    Acceptance,
    Contract,
    ContractColumn,
    ContractEnum,
    ContractFunction,
    ContractMigrations,
    ContractQuery,
    ContractRelation,
    ContractSource,
    ContractUpsert,
    ForeignKey,
    KnownConstraints,
    Name,
    SessionNeeds,
    Use,
)

_T = TypeVar("_T")

_ASKS = (
    "relations",
    "enums",
    "functions",
    "extensions",
    "sequences",
    "collations",
    "text_search_configurations",
    "queries",
)
"""The keys that ask something of the database."""
READING_VERBS = ("select", "with", "values", "table", "(")
PLANNABLE_VERBS = ("select", "with", "insert", "update", "delete", "values", "table", "merge", "(")
"""First words of the statements that EXPLAIN takes (PostgreSQL documentation, "EXPLAIN")."""


def to_contract(document: ContractDocument, digest: str) -> tuple[Contract | None, tuple[Problem, ...]]:
    """Translate a decoded document.

    Args:
        document: the document as decoded.
        digest: digest of its bytes, carried along.

    Returns:
        The contract and no problems, or None and every problem with its place.
    """
    reader = _Reader()
    contract = reader.contract(document, digest)
    return (None, tuple(reader.problems)) if reader.problems else (contract, ())


class _Reader:
    """Collects problems while it translates, so that one run shows all of them."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def contract(self, document: ContractDocument, digest: str) -> Contract:
        source = document.source
        if not any(getattr(document, key) for key in _ASKS):
            self._problem(
                "",
                "the contract is empty: it asks nothing of the database, so it would pass against any;"
                f" name at least one of {', '.join(_ASKS)}",
            )
        return Contract(
            name=document.name,
            digest=digest,
            source=None if source is None else ContractSource(kind=source.kind, migration=source.migration),
            search_path=document.search_path,
            type_policy=document.types,
            relations=tuple(self._relations(document.relations)),
            enums=tuple(self._enums(document.enums)),
            functions=tuple(self._functions(document.functions)),
            extensions=document.extensions,
            sequences=tuple(self._names("sequences", document.sequences)),
            collations=tuple(self._names("collations", document.collations)),
            text_search_configurations=tuple(
                self._names("text_search_configurations", document.text_search_configurations)
            ),
            queries=tuple(self._queries(document.queries)),
            session=SessionNeeds(
                **{name: getattr(document.session, name) for name in document.session.__struct_fields__}
            ),
            migrations=None if document.migrations is None else self._migrations(document.migrations),
            acceptances=tuple(self._acceptances(document.accept)),
        )

    def _problem(self, place: str, message: str) -> None:
        self.problems.append(Problem(place=place, message=message))

    def _parse(self, place: str, parse: Callable[[str], _T], text: str) -> _T | None:
        try:
            return parse(text)
        except ValueError as error:
            self._problem(place, str(error))
            return None

    def _name(self, place: str, text: str) -> Name | None:
        parts = self._parse(place, split_path, text)
        if parts is None:
            return None
        if len(parts) > 2:
            self._problem(place, f"{text!r} has {len(parts)} parts; write name or schema.name, quoting names with dots")
            return None
        return Name(parts[0] if len(parts) == 2 else None, parts[-1])

    def _names(self, key: str, texts: tuple[str, ...]) -> Iterator[Name]:
        seen: set[Name] = set()
        for index, text in enumerate(texts):
            name = self._name(f"{key}[{index}]", text)
            if name is not None and name in seen:
                self._problem(f"{key}[{index}]", f"{name} stands there twice")
            elif name is not None:
                seen.add(name)
                yield name

    def _relations(self, documents: dict[str, RelationDocument]) -> Iterator[ContractRelation]:
        seen: Counter[Name] = Counter()
        for key, document in documents.items():
            place = f"relations.{key}"
            name = self._name(place, key)
            if name is None:
                continue
            seen[name] += 1
            if seen[name] == 2:
                self._problem(place, f"the relation {name} is named twice (names are cut to 63 bytes)")
            use = frozenset(document.use)
            columns = tuple(self._columns(place, document, use))
            known = {column.name for column in columns}
            if document.upserts and Use.INSERT not in use:
                self._problem(f"{place}.upserts[0]", "an upsert inserts: add insert to the relation's use")
            if Use.INSERT in use and not any(Use.INSERT in column.use for column in columns):
                self._problem(place, "use has insert, but no column is inserted: name the columns")
            yield ContractRelation(
                name=name,
                use=use,
                columns=columns,
                upserts=tuple(
                    self._upsert(f"{place}.upserts[{index}]", upsert, known)
                    for index, upsert in enumerate(document.upserts)
                ),
                constraints=None
                if document.constraints is None
                else self._constraints(f"{place}.constraints", document.constraints),
                indexes=tuple(_by_columns_or_name(index) for index in document.indexes),
            )

    def _upsert(self, place: str, document: tuple[str, ...] | UpsertDocument, known: set[str]) -> ContractUpsert:
        if not isinstance(document, UpsertDocument):
            document = UpsertDocument(columns=document)
        for column in document.columns:
            if truncate_identifier(column) not in known:
                self._problem(place, f"{column!r} is not among the relation's columns")
        if document.constraint is not None and (document.columns or document.expressions or document.where):
            self._problem(place, "constraint stands alone: ON CONFLICT takes a constraint's name or columns, not both")
        if document.constraint is None and not (document.columns or document.expressions):
            self._problem(place, "name columns, expressions or a constraint")
        for key, text in (*(("expressions", text) for text in document.expressions), ("where", document.where)):
            if text is not None:
                self._expression(f"{place}.{key}", text)
        return ContractUpsert(
            columns=_truncated(document.columns),
            expressions=document.expressions,
            where=document.where,
            constraint=None if document.constraint is None else truncate_identifier(document.constraint),
            action=document.do,
        )

    def _expression(self, place: str, text: str) -> None:
        """Make sure that the text is one expression: it stands inside a statement of ours."""
        self._parse(place, parse_expression, text)

    def _constraints(self, place: str, document: ConstraintsDocument) -> KnownConstraints:
        keys = []
        for index, key in enumerate(document.foreign_keys):
            name = self._name(f"{place}.foreign_keys[{index}].references", key.references)
            if name is not None:
                keys.append(ForeignKey(columns=_truncated(key.columns), references=name))
        return KnownConstraints(
            unique=tuple(_by_columns_or_name(item) for item in document.unique),
            foreign_keys=tuple(keys),
            checks=_truncated(document.checks),
            exclusions=_truncated(document.exclusions),
            triggers=_truncated(document.triggers),
        )

    def _migrations(self, document: MigrationsDocument) -> ContractMigrations | None:
        table = None if document.table is None else self._name("migrations.table", document.table)
        if table is None and document.table is not None:
            return None
        try:
            tool, table = tool_of(document.tool, table)
        except ValueError as error:
            self._problem("migrations.tool" if document.tool is not None else "migrations", str(error))
            return None
        written = document.head
        heads = {key: str(value) for key, value in written.items()} if isinstance(written, dict) else str(written)
        head = self._parse("migrations.head", lambda _: head_of(tool, heads), "")
        if head is None:
            return None
        return ContractMigrations(tool=tool, table=table, head=head, count=document.count)

    def _acceptances(self, documents: tuple[AcceptanceDocument, ...]) -> Iterator[Acceptance]:
        seen: set[tuple[str, str]] = set()
        for index, document in enumerate(documents):
            place = f"accept[{index}]"
            if document.code not in BY_CODE:
                near = nearest(document.code, BY_CODE)
                hint = f"; did you mean {near}?" if near else ""
                self._problem(f"{place}.code", f"{document.code!r} is not the code of a finding{hint}")
            if not document.reason.strip():
                self._problem(f"{place}.reason", "say why the finding is accepted")
            if (document.code, document.object) in seen:
                self._problem(place, f"{document.code} of {document.object} is accepted twice")
            seen.add((document.code, document.object))
            yield Acceptance(code=document.code, object=document.object, reason=" ".join(document.reason.split()))

    def _columns(self, place: str, document: RelationDocument, use: frozenset[Use]) -> Iterator[ContractColumn]:
        seen: set[str] = set()
        inherited_use = use - {Use.DELETE, Use.TRUNCATE}
        for key, value in document.columns.items():
            here = f"{place}.columns.{key}"
            if not key or "\x00" in key:
                self._problem(here, "a column's name cannot be empty or hold a NUL character")
                continue
            name = truncate_identifier(key)
            if name in seen:
                self._problem(here, f"the column {key!r} is named twice (names are cut to 63 bytes)")
            seen.add(name)
            column = value if isinstance(value, ColumnDocument) else ColumnDocument(type=value)
            texts = (column.type,) if isinstance(column.type, str) else column.type or ()
            types = (self._parse(f"{here}.type" if column is value else here, parse_type_name, text) for text in texts)
            column_use = inherited_use
            if column.use is not None:
                column_use = frozenset(Use(text) for text in column.use)
                for extra in sorted(column_use - use):
                    self._problem(f"{here}.use", f"{extra} is not in the relation's use; add it there first")
            yield ContractColumn(
                name=name,
                types=tuple(t for t in types if t is not None),
                nullable=column.nullable,
                use=column_use,
                type_policy=column.types,
            )

    def _enums(self, documents: dict[str, tuple[str, ...]]) -> Iterator[ContractEnum]:
        for key, labels in documents.items():
            name = self._name(f"enums.{key}", key)
            repeated = [label for label, count in Counter(labels).items() if count > 1]
            if repeated:
                self._problem(f"enums.{key}", f"the label {repeated[0]!r} stands there twice")
            if name is not None:
                yield ContractEnum(name=name, labels=labels)

    def _functions(self, texts: tuple[str, ...]) -> Iterator[ContractFunction]:
        for index, text in enumerate(texts):
            function = self._parse(f"functions[{index}]", parse_function, text)
            if function is not None:
                yield function

    def _queries(self, documents: dict[str, str | QueryDocument]) -> Iterator[ContractQuery]:
        for key, value in documents.items():
            document = value if isinstance(value, QueryDocument) else QueryDocument(sql=value)
            place = f"queries.{key}.sql" if document is value else f"queries.{key}"
            statement = self._parse(place, parse_statement, document.sql)
            if statement is None:
                continue
            if statement.verb not in PLANNABLE_VERBS:
                self._problem(
                    place,
                    f"{statement.verb.upper()} cannot be planned; write a SELECT, INSERT, UPDATE, DELETE, MERGE,"
                    " WITH, VALUES or TABLE statement",
                )
            if document.run and statement.verb not in READING_VERBS:
                self._problem(f"queries.{key}.run", f"{statement.verb.upper()} is planned, never run; leave run out")
            types = [
                self._parse(f"queries.{key}.parameters[{index}]", parse_type_name, text)
                for index, text in enumerate(document.parameters)
            ]
            if types and len(types) != statement.parameters:
                self._problem(
                    f"queries.{key}.parameters",
                    f"the statement has {statement.parameters} parameters, and {len(types)} types are given",
                )
            declared = tuple(type_ for type_ in types if type_ is not None)
            is_typed = bool(declared) and len(declared) == statement.parameters
            yield ContractQuery(
                name=key,
                sql=statement.sql,
                parameters=statement.parameters,
                parameter_types=declared,
                typed_sql=with_declared_types(statement.sql, tuple(map(str, declared))) if is_typed else None,
                run=document.run,
            )


def _truncated(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(truncate_identifier(name) for name in names)


def _by_columns_or_name(item: tuple[str, ...] | str) -> tuple[str, ...] | str:
    return truncate_identifier(item) if isinstance(item, str) else _truncated(item)
