"""The files of Drizzle Kit: reading one, and what tells its snapshot from another's."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sidecar.contract.exported import ExportError

_T = TypeVar("_T")
Row = dict[str, Any]
"""An entity of versions 8 and 9."""

TABLE_VERSIONS = ("5", "6", "7")
"""Versions of the format that hold tables with everything inside them."""
ENTITY_VERSIONS = ("8", "9")
"""Versions that hold a flat list of entities."""
DIALECTS = ("pg", "postgresql", "postgres")
_ORIGIN = "00000000-0000-0000-0000-000000000000"
"""What the first migration has for its parent."""


class Header(msgspec.Struct, frozen=True, rename="camel"):
    """What tells one snapshot from another; the rest of the file is passed over."""

    id: str = ""
    prev_id: str | None = None
    prev_ids: tuple[str, ...] = ()
    version: str | int | None = None
    dialect: str | None = None

    @property
    def parents(self) -> tuple[str, ...]:
        """The ids of the snapshots that this one follows on."""
        return tuple(p for p in (self.prev_id, *self.prev_ids) if p is not None and p != _ORIGIN)


def decoded(data: bytes | msgspec.Raw, type_: type[_T], place: str) -> _T:
    """Decode JSON of a known shape.

    Raises:
        ExportError: it is not JSON, or not of that shape; ``place`` and a path into it are in the message.
    """
    try:
        return msgspec.json.decode(data, type=type_)
    except msgspec.ValidationError as error:
        raise misshapen(place, error) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        why = one_line(error).removeprefix("JSON is malformed: ")
        mend = "restore the file"
        if b"<<<<<<<" in bytes(data):
            why, mend = "it has the marks of a merge conflict", "resolve the conflict"
        raise ExportError(f"{place}: not valid JSON: {why}; {mend}") from error


def misshapen(place: str, error: msgspec.ValidationError) -> ExportError:
    """Return the error for JSON that is not of Drizzle Kit's shape."""
    return ExportError(f"{place}: not of Drizzle Kit's shape: {one_line(error)}")


def one_line(value: object) -> str:
    """Return text with every run of white space as one space."""
    return " ".join(str(value).split())


def version_of(header: Header, file: Path) -> str:
    """Return the version of the snapshot's format.

    Raises:
        ExportError: it is not PostgreSQL's, or of a version that cannot be read.
    """
    if header.dialect is None:
        raise ExportError(f"{file}: this is no snapshot of Drizzle Kit: it names no dialect")
    if header.dialect not in DIALECTS:
        raise other_dialect(file, header.dialect)
    version = str(header.version)
    supported = (*TABLE_VERSIONS, *ENTITY_VERSIONS)
    if version not in supported:
        raise ExportError(
            f"{file}: version {version[:20]!r} of the format is not supported; {', '.join(supported)} are:"
            " run drizzle-kit up, or use a newer sidecar"
        )
    return version


def other_dialect(file: Path, dialect: str) -> ExportError:
    """Return the error for a file of another database."""
    return ExportError(f"{file}: this is of dialect {dialect[:40]!r}; a contract is of a PostgreSQL database")


def parent_missing(place: str) -> ExportError:
    """Return the error for a snapshot that follows on one that is not there."""
    return ExportError(
        f"{place}: what it changes cannot be followed back to a first schema: its parent is not here; restore the"
        " missing migration folder"
    )


def read(file: Path) -> bytes:
    """Return a file's bytes without a byte order mark."""
    return file.read_bytes().removeprefix(b"\xef\xbb\xbf")
