"""Drizzle Kit's output folder → a contract.

Two layouts are read: ``meta/_journal.json`` with a snapshot a migration beside it (drizzle-kit up to 0.31), and a
folder a migration with its ``snapshot.json`` (drizzle-kit 1.0).

Drizzle's INSERT names every column of its table but those that the database computes, so a contract says the same.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from sidecar.compatibility.nearest import nearest
from sidecar.contract.document import ContractDocument, MigrationsDocument, SourceDocument
from sidecar.contract.errors import ContractError
from sidecar.contract.exported import Exported, ExportError
from sidecar.contract.reader import parse_contract
from sidecar.contract.sources.drizzle_changes import reconstructed
from sidecar.contract.sources.drizzle_files import (
    DIALECTS,
    TABLE_VERSIONS,
    Header,
    decoded,
    one_line,
    other_dialect,
    parent_missing,
    read,
    version_of,
)
from sidecar.contract.sources.drizzle_snapshot import Schema, from_entities, from_tables, parts_of

_JOURNAL = "_journal.json"
_CONFIGS = tuple(f"drizzle.config.{ending}" for ending in ("ts", "mts", "js", "mjs", "cjs", "json"))
_OUT = re.compile(r"""^\s*["']?out["']?\s*:\s*(["'`])(?P<folder>[^"'`\n]+)\1""", re.MULTILINE)
_TIMESTAMP = re.compile(r"[0-9]{14}(?![0-9])")


class _Entry(msgspec.Struct, frozen=True):
    tag: str
    when: int


class _Journal(msgspec.Struct, frozen=True):
    entries: tuple[_Entry, ...]
    dialect: str = "postgresql"


class _Migration(msgspec.Struct, frozen=True, kw_only=True):
    tag: str
    when: int | None
    """What the migrator writes to created_at; None where the folder's name has no time in it."""
    snapshot: Path


def export_drizzle(path: Path, migration: str | None = None) -> Exported:
    """Read a contract out of what Drizzle Kit wrote.

    Args:
        path: its output folder, the ``meta`` folder in it, or the folder of ``drizzle.config``.
        migration: a migration's tag or the number that it begins with; None for the newest.

    Raises:
        ExportError: the folder, its journal or the snapshot cannot be read; the message says which and why.
    """
    try:
        history = _history(_out_folder(path))
        index = _index_of(history, migration, path)
        schema = _schema_at(history[: index + 1])
    except (OSError, ValueError) as error:  # ValueError: a NUL in a name
        why = getattr(error, "strerror", None) or str(error)
        raise ExportError(f"{getattr(error, 'filename', None) or path}: {why}") from error
    return _exported(schema, history[index], index + 1)


def _exported(schema: Schema, migration: _Migration, count: int) -> Exported:
    parts = parts_of(schema)
    document = ContractDocument(
        contract=1,
        source=SourceDocument(kind="drizzle", migration=migration.tag),
        relations=parts.relations,
        enums=parts.enums,
        sequences=parts.sequences,
        migrations=None
        if migration.when is None
        else MigrationsDocument(tool="drizzle", head=migration.when, count=count),
    )
    try:
        parse_contract(msgspec.json.encode(document))
    except ContractError as error:
        problem = msgspec.structs.replace(error.problems[0], line=None)
        raise ExportError(f"{schema.place}: it makes no contract: {one_line(problem)}") from error
    return Exported(document=document, omissions=parts.omissions)


def _out_folder(path: Path) -> Path:
    """Return the folder that ``path`` means: itself, or what the ``drizzle.config`` in it names."""
    if not path.exists():
        raise ExportError(f"{path}: there is no such folder")
    if path.name in _CONFIGS:
        return _configured(path)
    if not path.is_dir():
        raise ExportError(f"{path}: this is a file; give the folder that Drizzle Kit writes to, or the meta folder")
    if not _journal(path) and not _snapshots(path):
        for name in _CONFIGS:
            if (path / name).is_file():
                return _configured(path / name)
    return path


def _configured(config: Path) -> Path:
    match = _OUT.search(read(config).decode(errors="replace"))
    folder = config.parent / (match["folder"] if match else "drizzle")
    if not folder.is_dir():
        named = f"its out is {match['folder']!r}" if match else "it names no out that can be read here"
        raise ExportError(f"{config}: {named}, and {folder} is no folder; give the folder that Drizzle Kit writes to")
    return folder


def _journal(folder: Path) -> Path | None:
    return next((file for file in (folder / _JOURNAL, folder / "meta" / _JOURNAL) if file.is_file()), None)


def _snapshots(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/snapshot.json"), key=lambda file: file.parent.name)


def _history(folder: Path) -> list[_Migration]:
    """Return the migrations, the oldest first."""
    journal, snapshots = _journal(folder), _snapshots(folder)
    if journal and snapshots:
        raise ExportError(
            f"{folder}: there is a journal of an older Drizzle Kit and {snapshots[0].relative_to(folder)} of a newer"
            " one; run drizzle-kit up, or give the meta folder"
        )
    if journal:
        return _of_journal(journal)
    if snapshots:
        return [_Migration(tag=f.parent.name, when=_when(f.parent.name), snapshot=f) for f in snapshots]
    meta = next((m for m in (folder / "meta", folder) if next(m.glob("*_snapshot.json"), None)), None)
    if meta is not None or (folder / "meta").is_dir():
        raise ExportError(f"{(meta or folder / 'meta') / _JOURNAL}: the journal is missing; restore it")
    raise ExportError(
        f"{folder}: no snapshot of Drizzle Kit is here; give the folder that out of drizzle.config names, once"
        " drizzle-kit generate has run"
    )


def _of_journal(file: Path) -> list[_Migration]:
    journal = decoded(read(file), _Journal, str(file))
    if journal.dialect not in DIALECTS:
        raise other_dialect(file, journal.dialect)
    if not journal.entries:
        raise ExportError(f"{file}: the journal has no migrations; run drizzle-kit generate")
    return [
        _Migration(tag=e.tag, when=e.when, snapshot=file.parent / f"{e.tag.partition('_')[0]}_snapshot.json")
        for e in journal.entries
    ]


def _when(folder: str) -> int | None:
    """Return the milliseconds that Drizzle's migrator reads out of a folder's name."""
    if not _TIMESTAMP.match(folder):
        return None
    try:
        moment = datetime.strptime(folder[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000


def _index_of(history: Sequence[_Migration], wanted: str | None, path: Path) -> int:
    if wanted is None:
        return len(history) - 1
    tags = [migration.tag for migration in history]
    found = [i for i, tag in enumerate(tags) if tag == wanted]
    found = found or [i for i, tag in enumerate(tags) if _number(tag.partition("_")[0]) == (_number(wanted) or wanted)]
    if len(found) > 1:
        raise ExportError(
            f"{path}: {wanted!r} may be {' or '.join(repr(tags[i]) for i in found[:3])}; give a whole tag"
        )
    if not found:
        near = nearest(wanted, tags)
        hint = f"did you mean {near!r}?" if near else f"the newest is {tags[-1]!r}"
        raise ExportError(f"{path}: there is no migration {wanted!r}; {hint}")
    return found[0]


def _number(text: str) -> str | None:
    """Return a number without its leading zeros, or None."""
    return (text.lstrip("0") or "0") if text.isdecimal() and text.isascii() else None


def _schema_at(history: Sequence[_Migration]) -> Schema:
    """Read the schema as of the last of the migrations."""
    newest = history[-1]
    _refuse_absent(history)
    data = read(newest.snapshot)
    header = decoded(data, Header, str(newest.snapshot))
    version = version_of(header, newest.snapshot)
    _refuse_two_heads(history, header)
    if version in TABLE_VERSIONS:
        return from_tables(data, str(newest.snapshot))
    files = [migration.snapshot for migration in history]
    return from_entities(reconstructed(files), str(newest.snapshot))


def _refuse_absent(history: Sequence[_Migration]) -> None:
    newest = history[-1]
    if newest.snapshot.is_file():
        return
    present = [migration.tag for migration in history if migration.snapshot.is_file()]
    mend = f"restore it, or take an older one: --migration {present[-1]}" if present else "restore it"
    raise ExportError(f"{newest.snapshot}: there is no snapshot of the journal's migration {newest.tag!r}; {mend}")


def _refuse_two_heads(history: Sequence[_Migration], header: Header) -> None:
    """Refuse migrations of which none has all the others before it: each snapshot lacks what the others changed."""
    owners: dict[Path, str] = {}
    for migration in history:
        other = owners.setdefault(migration.snapshot, migration.tag)
        if other != migration.tag:
            raise _two_heads(migration.snapshot.parent, other, migration.tag, "have one number and one snapshot")
    if header.prev_ids:
        _refuse_two_leaves(history)
        return
    children: dict[str, str] = {}
    for migration in history:
        if not migration.snapshot.is_file():  # older ones may be gone
            continue
        parent = decoded(read(migration.snapshot), Header, str(migration.snapshot)).prev_id
        other = children.setdefault(parent or migration.tag, migration.tag)
        if other != migration.tag:
            raise _two_heads(migration.snapshot.parent, other, migration.tag, "follow on one and the same")


def _refuse_two_leaves(history: Sequence[_Migration]) -> None:
    headers = [(m, decoded(read(m.snapshot), Header, str(m.snapshot))) for m in history]
    parents = {parent for _, header in headers for parent in header.parents}
    leaves = [migration.tag for migration, header in headers if header.id not in parents]
    if len(leaves) > 1:
        known = {header.id for _, header in headers}
        for migration, header in headers:
            if not known.issuperset(header.parents):
                raise parent_missing(str(migration.snapshot))
        raise _two_heads(history[0].snapshot.parents[1], leaves[0], leaves[-1], "are both the newest")


def _two_heads(place: Path, one: str, other: str, why: str) -> ExportError:
    return ExportError(
        f"{place}: two heads: {one!r} and {other!r} {why}; make one follow on the other: remove the later one and run"
        " drizzle-kit generate again"
    )
