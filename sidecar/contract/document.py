"""The contract document, version 1: its shape on paper, and its translation into a Contract.

The classes are the format: decoding, the JSON Schema in ``config/contract.schema.json`` and the reference
are all made from them.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from sidecar.compatibility.type_names import parse_type_name
from sidecar.contract.errors import Problem
from sidecar.contract.sql_text import parse_statement
from sidecar.identifiers import split_path, truncate_identifier
from sidecar.model import (
    Contract,
    ContractColumn,
    ContractEnum,
    ContractFunction,
    ContractQuery,
    ContractRelation,
    ContractSource,
    Name,
    TypeName,
    TypePolicy,
    Use,
)

_T = TypeVar("_T")

PLANNABLE_VERBS = ("select", "with", "insert", "update", "delete", "values", "table", "merge", "(")
"""First words of the statements that EXPLAIN takes (PostgreSQL documentation, "EXPLAIN")."""


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Strict: an unknown key is an error, for a mistyped key would otherwise check nothing."""


class ColumnDocument(_Document, frozen=True):
    """A column, where its type alone does not say enough."""

    type: Annotated[
        str | Annotated[tuple[str, ...], Meta(min_length=1)] | None,
        Meta(description="SQL text of the type, or a list of accepted types. Left out: only the name matters."),
    ] = None
    nullable: Annotated[
        bool | None,
        Meta(description="true: the image may write NULL. false: its readers rely on a value. Left out: no claim."),
    ] = None
    use: Annotated[
        Annotated[tuple[Literal["select", "insert", "update"], ...], Meta(min_length=1)] | None,
        Meta(description="What the image does with this column, where it is less than with the relation."),
    ] = None


class RelationDocument(_Document, frozen=True):
    """A table or view that the image uses."""

    use: Annotated[
        tuple[Use, ...],
        Meta(min_length=1, description="Kinds of statement that the image issues on the relation."),
    ] = (Use.SELECT,)
    columns: Annotated[
        dict[str, str | ColumnDocument | None],
        Meta(description="Every column that the image's statements name: its SQL type, a mapping, or nothing."),
    ] = {}
    upserts: Annotated[
        tuple[Annotated[tuple[str, ...], Meta(min_length=1)], ...],
        Meta(description="Column lists of the image's ON CONFLICT clauses."),
    ] = ()


class SourceDocument(_Document, frozen=True):
    """Where the document came from; information only."""

    kind: Annotated[str, Meta(description="What made it: drizzle, sqlalchemy, sql, database, hand.")]
    migration: Annotated[str | None, Meta(description="The newest migration that the image was built with.")] = None


class ContractDocument(_Document, frozen=True):
    """What an image expects of its PostgreSQL database."""

    contract: Annotated[Literal[1], Meta(description="Version of this format.")]
    name: Annotated[str, Meta(min_length=1, description="The image's name, for reports and metrics.")] = "contract"
    source: SourceDocument | None = None
    search_path: Annotated[
        tuple[str, ...] | None,
        Meta(description="Schemas, if the application sets its own search_path; left out, the role's own counts."),
    ] = None
    types: Annotated[TypePolicy, Meta(description="How strictly column types are compared.")] = TypePolicy.WIDENING
    relations: Annotated[
        dict[str, RelationDocument],
        Meta(description="By exact name, with a schema where the image writes one: workflow, billing.invoice."),
    ] = {}
    enums: Annotated[
        dict[str, Annotated[tuple[str, ...], Meta(min_length=1)]],
        Meta(description="Enum types by exact name, and the labels that the image uses, in any order."),
    ] = {}
    functions: Annotated[
        tuple[str, ...],
        Meta(description="Functions that the image calls, as SQL: now(), similarity(text, text). Bare: any overload."),
    ] = ()
    extensions: Annotated[tuple[str, ...], Meta(description="Extensions that have to be installed.")] = ()
    queries: Annotated[
        dict[str, str],
        Meta(description="The image's own statements, one each, with $1 … $n for parameters: planned, never run."),
    ] = {}


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
        if not (document.relations or document.enums or document.functions or document.extensions or document.queries):
            self._problem(
                "",
                "the contract is empty: it asks nothing of the database, so it would pass against any;"
                " name at least one of relations, enums, functions, extensions, queries",
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
            queries=tuple(self._queries(document.queries)),
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
            for index, upsert in enumerate(document.upserts):
                if Use.INSERT not in use:
                    self._problem(f"{place}.upserts[{index}]", "an upsert inserts: add insert to the relation's use")
                for column in upsert:
                    if truncate_identifier(column) not in known:
                        self._problem(f"{place}.upserts[{index}]", f"{column!r} is not among the relation's columns")
            if Use.INSERT in use and not any(Use.INSERT in column.use for column in columns):
                self._problem(place, "use has insert, but no column is inserted: name the columns")
            upserts = tuple(tuple(truncate_identifier(c) for c in upsert) for upsert in document.upserts)
            yield ContractRelation(name=name, use=use, columns=columns, upserts=upserts)

    def _columns(self, place: str, document: RelationDocument, use: frozenset[Use]) -> Iterator[ContractColumn]:
        seen: set[str] = set()
        inherited_use = use - {Use.DELETE}
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
                name=name, types=tuple(t for t in types if t is not None), nullable=column.nullable, use=column_use
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

    def _queries(self, documents: dict[str, str]) -> Iterator[ContractQuery]:
        for key, sql in documents.items():
            place = f"queries.{key}"
            statement = self._parse(place, parse_statement, sql)
            if statement is None:
                continue
            if statement.verb not in PLANNABLE_VERBS:
                self._problem(
                    place,
                    f"{statement.verb.upper()} cannot be planned; write a SELECT, INSERT, UPDATE, DELETE, MERGE,"
                    " WITH, VALUES or TABLE statement",
                )
            yield ContractQuery(name=key, sql=statement.sql, parameters=statement.parameters)


def parse_function(text: str) -> ContractFunction:
    """Take the SQL text of a function's signature apart: ``now()``, ``public.f(text, int[])`` or a bare name.

    Raises:
        ValueError: the text is not a signature; the message says why.
    """
    head, parenthesis, rest = text.strip().partition("(")
    named = parse_type_name(head)  # a function's name folds and quotes exactly as a type's does
    if named.is_array or named.modifiers:
        raise ValueError(f"{text!r} is not a function signature")
    name = Name(named.schema, head.strip().lower() if named.is_grammar else named.name)
    if not parenthesis:
        return ContractFunction(name=name, arguments=None)
    if not rest.endswith(")"):
        raise ValueError(f"{text!r} is not a function signature: it does not end in a parenthesis")
    return ContractFunction(name=name, arguments=tuple(_arguments(rest[:-1])))


def _arguments(text: str) -> Iterator[TypeName]:
    if not text.strip():
        return
    depth, start = 0, 0
    for index, character in enumerate(text + ","):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0 or (depth and index == len(text)):
            raise ValueError(f"{text!r} is not a list of types: its parentheses do not match")
        if character == "," and depth == 0:
            yield parse_type_name(text[start:index])
            start = index + 1


def json_schema() -> dict[str, Any]:
    """Return the document's JSON Schema, for editors and pipelines."""
    (reference,), components = msgspec.json.schema_components((ContractDocument,), ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "contract.schema.json",
        **reference,
        "$defs": components,
    }
