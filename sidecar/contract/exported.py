"""What a source of contracts gives: a document, and what the source says that no contract can."""

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from sidecar.contract.document import ColumnDocument, ContractDocument, RelationDocument
from sidecar.model import Use

LINE_LENGTH = 100
"""Of what is written; a name or a query that is longer keeps its line to itself."""


class ExportError(Exception):
    """A source that cannot be read. The message names the place and the mend, in one line."""


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A contract as a source gives it, before anything is chosen from it."""

    document: ContractDocument
    omissions: tuple[str, ...] = ()
    """What the source has and a contract cannot express, a line each: ``index t_lower_idx: an expression index``."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What to take of an export, and what the image does with it."""

    only: tuple[str, ...] = ()
    """Globs over the names of relations as the document writes them; none means all."""
    without: tuple[str, ...] = ()
    use: tuple[Use, ...] | None = None
    """What the image does with the relations; None leaves what the source says."""
    name: str | None = None


def chosen(document: ContractDocument, choice: Choice) -> ContractDocument:
    """Return the document with what ``choice`` takes of it.

    Raises:
        ExportError: a glob matches nothing: a mistyped one would check less than it seems to.
    """
    for glob in (*choice.only, *choice.without):
        if not any(fnmatchcase(name, glob) for name in document.relations):
            raise ExportError(f"no relation matches {glob!r}; there are {_some(document.relations)}")
    relations = {
        name: relation if choice.use is None else _used(relation, choice.use)
        for name, relation in document.relations.items()
        if _matches(name, choice.only or ("*",)) and not _matches(name, choice.without)
    }
    return msgspec.structs.replace(document, relations=relations, name=choice.name or document.name)


def written(document: ContractDocument) -> str:
    """Return the document as JSON text: the same document gives the same text, and a column takes one line."""
    return _laid_out(_plain(document), "") + "\n"


def _laid_out(value: Any, indent: str) -> str:
    """Return JSON text in which what fits into a line takes one."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or (indent and len(indent) + len(line) <= LINE_LENGTH):
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key, ensure_ascii=False)}: {_laid_out(item, inner)}" for key, item in value.items()]
    else:
        parts = [_laid_out(item, inner) for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{indent}{closing}"


def _matches(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def _used(relation: RelationDocument, use: tuple[Use, ...]) -> RelationDocument:
    """Return the relation used so; a column keeps what it cannot be used for."""
    columns: dict[str, str | ColumnDocument | None] = {}
    for name, column in relation.columns.items():
        if isinstance(column, ColumnDocument) and column.use is not None:
            kept = tuple(word for word in column.use if word in use)
            columns[name] = msgspec.structs.replace(column, use=kept) if kept else None
        else:
            columns[name] = column
    writes = {Use.INSERT, Use.UPDATE} & set(use)
    return msgspec.structs.replace(
        relation,
        use=tuple(word for word in Use if word in use),
        columns=columns,
        constraints=relation.constraints if writes else None,
        upserts=relation.upserts if Use.INSERT in use else (),
    )


def _some(names: Mapping[str, Any]) -> str:
    shown = ", ".join(sorted(names)[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown or "none"


def _plain(document: ContractDocument) -> dict[str, Any]:
    """Return the document as plain values, without what is at its default, names in order."""
    value: dict[str, Any] = _without_defaults(document)
    for key in ("relations", "enums", "queries"):
        if key in value:
            value[key] = dict(sorted(value[key].items()))
    return value


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _without_defaults(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        given = {f.name: getattr(value, f.name) for f in fields if f.required or getattr(value, f.name) != _default(f)}
        plain = {name: _without_defaults(item) for name, item in given.items()}
        return plain["type"] if isinstance(value, ColumnDocument) and list(plain) == ["type"] else plain
    if isinstance(value, dict):
        return {key: _without_defaults(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_without_defaults(item) for item in value]
    return msgspec.to_builtins(value)
