"""Version 9 of Drizzle Kit's snapshots: the first schema in full, and of each later migration what it changes.

The changes are played back as drizzle-kit itself does it (``reconstruct.ts`` and ``ddl.ts``).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from sidecar.contract.exported import ExportError
from sidecar.contract.sources.drizzle_files import Header, Row, decoded, parent_missing, read, version_of


class _Delta(msgspec.Struct, frozen=True):
    op: Literal["create", "drop", "alter", "rename"]
    key: str = ""
    row: Row | None = None
    set: Row = {}


class _Entities(Header, frozen=True):
    """A snapshot of version 8 or 9: a schema in full, or what its migration changes."""

    type: Literal["base", "diff"] = "base"
    ddl: tuple[Row, ...] = ()
    deltas: tuple[_Delta, ...] = ()


_Key = tuple[str, ...]
"""What an entity is known by: its kind, then the names that tell it from others."""
_IDENTITY = {
    kind: fields
    for kinds, fields in (
        (("schemas", "roles"), ("name",)),
        (("tables", "enums", "sequences", "views", "indexes"), ("schema", "name")),
        (("columns", "pks", "uniques", "fks", "checks", "policies"), ("schema", "table", "name")),
        (("privileges",), ("schema", "table", "grantor", "grantee", "type")),
    )
    for kind in kinds
}


def reconstructed(files: Sequence[Path]) -> list[Row]:
    """Return the entities as of the last of the files, which are in the order of their migrations.

    Raises:
        ExportError: a file cannot be read, or the changes do not lead back to a first schema.
    """
    return _Reconstruction(files).entities()


class _Reconstruction:
    """Plays the changes of version 9 back, from the first schema to the last of the files."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._rows: dict[_Key, Row] = {}
        self._snapshots: dict[str, _Entities] = {}
        self._places: dict[str, str] = {}

    def entities(self) -> list[Row]:
        """Return the entities as of the last file."""
        newest = self._load(self._files[-1])
        if newest.type == "base":
            return list(newest.ddl)
        for file in self._files[:-1]:
            self._load(file)
        line = [newest]
        while line[-1].type == "diff":
            line.append(self._parent(line))
        base = line.pop()
        for row in base.ddl:
            self._create(row, base)
        for snapshot in reversed(line):
            self._apply_other_parents(snapshot)
            self._apply(snapshot)
        return list(self._rows.values())

    def _load(self, file: Path) -> _Entities:
        snapshot = decoded(read(file), _Entities, str(file))
        version_of(snapshot, file)
        self._snapshots[snapshot.id] = snapshot
        self._places[snapshot.id] = str(file)
        return snapshot

    def _parent(self, line: Sequence[_Entities]) -> _Entities:
        child = line[-1]
        parent = self._snapshots.get(child.parents[0]) if child.parents else None
        if parent is None or any(parent is known for known in line):
            raise parent_missing(self._places[child.id])
        return parent

    def _ancestors(self, ids: Iterable[str]) -> set[str]:
        found: set[str] = set()
        waiting = list(ids)
        while waiting:
            id_ = waiting.pop()
            if id_ not in found and id_ in self._snapshots:
                found.add(id_)
                waiting += self._snapshots[id_].parents
        return found

    def _apply_other_parents(self, snapshot: _Entities) -> None:
        """Play back what was merged in beside the first parent."""
        first, *others = snapshot.parents
        merged = self._ancestors(others) - self._ancestors([first])
        for id_, other in self._snapshots.items():
            if id_ in merged and other.type == "diff":
                self._apply(other)

    def _apply(self, snapshot: _Entities) -> None:
        for delta in snapshot.deltas:
            if delta.op == "create":
                self._create(delta.row or {}, snapshot)
                continue
            key = self._key(delta.key, snapshot)
            row = self._rows.get(key)
            if delta.op == "drop":
                self._rows.pop(key, None)
            elif row is not None:
                self._change(row, {name: value for name, value in delta.set.items() if name in row}, snapshot)

    def _key(self, text: str, snapshot: _Entities) -> _Key:
        kind, _, names = text.partition("\0")
        try:
            return (kind, *decoded(names.encode(), tuple[str | None, ...], ""))  # type: ignore[arg-type] # a generic alias is no type to mypy
        except (ExportError, ValueError) as error:
            raise ExportError(f"{self._places[snapshot.id]}: the key of a change is unreadable: {text!r}") from error

    def _key_of(self, row: Row) -> _Key:
        kind = str(row.get("entityType"))
        return (kind, *(_plain(row.get(name)) for name in _IDENTITY.get(kind, tuple(sorted(row)))))

    def _create(self, row: Row, snapshot: _Entities) -> None:
        key = self._key_of(row)
        if self._rows.setdefault(key, row) != row:
            raise self._collision(key, snapshot)

    def _collision(self, key: _Key, snapshot: _Entities) -> ExportError:
        name = ".".join(str(part) for part in key[1:])
        return ExportError(f"{self._places[snapshot.id]}: two migrations give one name to two {key[0]}: {name!r}")

    def _change(self, row: Row, values: Row, snapshot: _Entities) -> None:
        """Change an entity, and in a rename all that name it."""
        old = dict(row)
        row.update(values)
        if self._key_of(row) == self._key_of(old):
            return
        rows = list(self._rows.values())
        for other in rows:
            if other is not row:
                _follow(other, old, row)
        self._rows = {}
        for other in rows:
            self._create(other, snapshot)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | None) else json.dumps(value, sort_keys=True)


def _follow(row: Row, old: Row, new: Row) -> None:
    """Change what a row says of an entity that was renamed or moved."""
    kind = old["entityType"]
    if kind == "schemas":
        for field in ("schema", "schemaTo", "typeSchema"):
            _move(row, (field,), (old["name"],), (new["name"],))
    elif kind == "tables":
        for fields in (("schema", "table"), ("schemaTo", "tableTo")):
            _move(row, fields, (old["schema"], old["name"]), (new["schema"], new["name"]))
    elif kind == "enums":
        _move(row, ("typeSchema", "type"), (old["schema"], old["name"]), (new["schema"], new["name"]))
    elif kind == "columns":
        for fields, list_name in ((("schema", "table"), "columns"), (("schemaTo", "tableTo"), "columnsTo")):
            if tuple(row.get(field) for field in fields) == (old["schema"], old["table"]):
                _rename_in_list(row, list_name, old["name"], new["name"])


def _move(row: Row, fields: Sequence[str], old: Sequence[Any], new: Sequence[Any]) -> None:
    if all(field in row for field in fields) and [row[field] for field in fields] == list(old):
        row.update(zip(fields, new, strict=True))


def _rename_in_list(row: Row, field: str, old: str, new: str) -> None:
    """Rename a column in a list of columns: of names, or of an index's columns and expressions."""
    if isinstance(row.get(field), list):
        row[field] = list(_renamed(row[field], old, new))


def _renamed(items: Iterable[Any], old: str, new: str) -> Iterator[Any]:
    for item in items:
        if isinstance(item, dict) and item.get("value") == old and not item.get("isExpression"):
            yield {**item, "value": new}
        else:
            yield new if item == old else item
