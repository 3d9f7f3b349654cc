"""SQL files and folders of migrations → the statements that build their schema, in order, with their places.

Nothing of SQL's grammar is parsed: text is cut at the semicolons between statements, as psql does it
(``psqlscan.l``), and the migration tools' marks for what undoes a migration are followed.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

from sidecar.compatibility.migrations import head_of
from sidecar.contract.document import MigrationsDocument
from sidecar.contract.exported import ExportError
from sidecar.contract.sql_text import token_at

MAX_WORDS = 64
"""How many words of a statement are kept for telling what it does."""
_SHOWN = 100


class SqlStatement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of a file."""

    sql: str
    line: int
    """1-based line of its first word."""
    words: tuple[str, ...]
    """Its first words, lower-cased, without what is quoted."""

    @property
    def first_line(self) -> str:
        """The statement's first line, for people."""
        line = self.sql.split("\n", 1)[0].rstrip()
        return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


class SqlFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file's statements."""

    path: str
    statements: tuple[SqlStatement, ...]
    omissions: tuple[str, ...] = ()

    @property
    def needs_transaction(self) -> bool:
        """True if a statement has an effect in a transaction alone, and the file opens none: its tool does."""
        opens = any(s.words[:1] == ("begin",) or s.words[:2] == ("start", "transaction") for s in self.statements)
        return not opens and any(
            s.words[:2] in (("set", "local"), ("set", "constraints"))
            or s.words[:1] in (("lock",), ("savepoint",), ("declare",))
            for s in self.statements
        )


class SqlFolder(msgspec.Struct, frozen=True, kw_only=True):
    """What the given paths lead to."""

    files: tuple[Path, ...]
    omissions: tuple[str, ...] = ()
    migrations: MigrationsDocument | None = None
    """The newest migration, where the files' names tell the tool that made them."""


def find_sql_files(paths: Iterable[str]) -> SqlFolder:
    """Return the files of ``paths`` in the order in which they are applied.

    A path that is a file is taken as it is. Of a folder are taken its ``.sql`` files and those that Prisma
    (``NAME/migration.sql``) and Diesel (``NAME/up.sql``) keep in folders of their own, in the natural order of names.

    Raises:
        ExportError: a path does not exist, or a folder has no SQL files.
    """
    found = [_found(Path(path)) for path in paths]
    if not found:
        raise ExportError("no path given; name SQL files or a folder of migrations")
    return SqlFolder(
        files=tuple(path for folder in found for path in folder.files),
        omissions=tuple(line for folder in found for line in folder.omissions),
        migrations=found[0].migrations if len(found) == 1 else None,
    )


def read_sql_file(path: Path) -> SqlFile:
    """Return the statements of a file; of a migration, those that apply it.

    Raises:
        ExportError: the file cannot be read, or is not SQL text.
    """
    text = _up_part(_text_of(path))
    copies: list[SqlStatement] = []
    statements = tuple(_statements(text, str(path), copies))
    omissions = []
    if copies:
        more = f" and {len(copies) - 1} more" if len(copies) > 1 else ""
        omissions.append(f"{path}, line {copies[0].line}: {copies[0].first_line}{more}: rows are left out")
    return SqlFile(path=str(path), statements=statements, omissions=tuple(omissions))


# Which files


_DOWN = re.compile(r"(?i).*(?:\.down\.sql|(?:^|[._-])down\.sql)\Z")
_FLYWAY = re.compile(r"(?P<kind>[VUB])(?P<version>[0-9]+(?:[._][0-9]+)*)__.*\.sql\Z|(?P<repeatable>R)__.*\.sql\Z")
_INNER = ("migration.sql", "up.sql")


def _found(path: Path) -> SqlFolder:
    if path.is_file():
        return SqlFolder(files=(path,))
    if not path.is_dir():
        raise ExportError(f"{path}: no such file or folder")
    try:
        names = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
        flyway = [entry for entry in path.rglob("*.sql") if _FLYWAY.match(entry.name)]
    except OSError as error:
        raise ExportError(f"{path}: {(error.strerror or 'unreadable').lower()}") from None
    folder = _flyway(path, flyway) if flyway else _plain(path, sorted(names, key=lambda entry: _natural(entry.name)))
    if not folder.files:
        raise ExportError(f"{path}: no .sql files there")
    return folder


def _plain(folder: Path, entries: list[Path]) -> SqlFolder:
    files: list[Path] = []
    omissions = []
    for entry in entries:
        if entry.is_dir():
            inner = next((entry / name for name in _INNER if (entry / name).is_file()), None)
            if inner is not None:
                files.append(inner)
            elif any(entry.glob("*.sql")):
                omissions.append(f"folder {entry}: left out; name it to take its files, too")
        elif entry.suffix.lower() == ".sql" and not _DOWN.match(entry.name):
            files.append(entry)
    return SqlFolder(files=tuple(files), omissions=tuple(omissions), migrations=_migrations(files))


def _flyway(folder: Path, entries: list[Path]) -> SqlFolder:
    """Return the versioned ones from the newest baseline on, then the repeatable ones, as Flyway does."""
    kinds: dict[str, list[tuple[tuple[int, ...], Path]]] = {"V": [], "B": [], "R": [], "U": []}
    for entry in entries:
        match = _FLYWAY.match(entry.name)
        assert match is not None, "the entries are those that match"
        version = _version(match["version"] or "0")
        kinds[match["kind"] or "R"].append((version, entry))
    baseline = max(kinds["B"], default=((-1,), folder))
    versioned = sorted(pair for pair in kinds["V"] if pair[0] > baseline[0])
    repeatable = sorted((entry for _, entry in kinds["R"]), key=lambda entry: entry.name)
    base = [baseline[1]] if kinds["B"] else []
    others = set(folder.rglob("*.sql")) - set(entries)
    newest = max((*kinds["V"], *kinds["B"]), default=None)
    head = None if newest is None else _FLYWAY.match(newest[1].name)
    return SqlFolder(
        files=(*base, *(entry for _, entry in versioned), *repeatable),
        omissions=tuple(f"{other}: not named as Flyway's migrations are; left out" for other in sorted(others)),
        migrations=None
        if head is None
        else MigrationsDocument(
            tool="flyway", head=str(head["version"]).replace("_", "."), count=len(kinds["V"]) or None
        ),
    )


def _version(text: str) -> tuple[int, ...]:
    numbers = [int(part) for part in re.split(r"[._]", text)]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return what sorts names with their numbers as numbers: 2_x before 10_x."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return (*((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts),)


def _migrations(files: list[Path]) -> MigrationsDocument | None:
    """Return the newest migration where names and marks tell the tool."""
    if not files:
        return None
    newest, count = files[-1], len(files)
    number = re.match(r"[0-9]+", newest.name)
    if all(path.name == "migration.sql" for path in files):
        if not (newest.parent.parent / "migration_lock.toml").is_file():
            return None
        return _checked("prisma", newest.parent.name, count)
    if number is None or any(path.name == "up.sql" for path in files):
        return None
    if all(path.name.endswith(".up.sql") for path in files):
        return _checked("golang-migrate", str(int(number[0])), None)
    marks = {_tool_marking(path) for path in files}
    tool = marks.pop() if len(marks) == 1 else None
    version = str(int(number[0])) if tool == "goose" else number[0]
    return None if tool is None else _checked(tool, version, count)


def _checked(tool: str, head: str, count: int | None) -> MigrationsDocument | None:
    try:
        head_of(tool, head)
    except ValueError:
        return None
    return MigrationsDocument(tool=tool, head=head, count=count)


def _tool_marking(path: Path) -> str | None:
    text = _text_of(path)
    return next((tool for tool, up, _ in _MARKS if tool in ("goose", "dbmate") and up.search(text)), None)


# Which part of a file

_MARKS: tuple[tuple[str, re.Pattern[str], re.Pattern[str]], ...] = (
    ("goose", re.compile(r"(?im)^--\s*\+goose\s+Up\b.*$"), re.compile(r"(?im)^--\s*\+goose\s+Down\b.*$")),
    ("dbmate", re.compile(r"(?m)^--\s*migrate:up\b.*$"), re.compile(r"(?m)^--\s*migrate:down\b.*$")),
    ("sql-migrate", re.compile(r"(?im)^--\s*\+migrate\s+Up\b.*$"), re.compile(r"(?im)^--\s*\+migrate\s+Down\b.*$")),
    ("tern", re.compile(r"\A"), re.compile(r"(?m)^---- create above / drop below ----\s*$")),
)
"""Tools that keep both directions in one file: the line before what applies a migration, and before what undoes it."""


def _up_part(text: str) -> str:
    """Return the text with empty lines in place of what undoes the migration."""
    for tool, up, down in _MARKS:
        start, end = up.search(text), down.search(text)
        if start is None or (tool == "tern" and end is None):
            continue
        begin = start.end()
        if end is not None and end.start() < begin:  # undone first, applied afterwards
            return "\n" * text.count("\n", 0, begin) + text[begin:]
        kept = text[begin:] if end is None else text[begin : end.start()]
        return "\n" * text.count("\n", 0, begin) + kept
    return text


def _text_of(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ExportError(f"{path}: {(error.strerror or 'unreadable').lower()}") from None
    if data.startswith(b"PGDMP"):
        raise ExportError(
            f"{path}: pg_dump's custom format; make SQL of it: pg_restore --schema-only -f schema.sql {path}"
        )
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # what PowerShell's > writes
    try:
        text = data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ExportError(f"{path}, line {line}: not UTF-8 text") from None
    text = text.replace("\r\n", "\n")
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise ExportError(f"{path}, line {line}: a NUL character, which no SQL text can have")
    return text


# Which statements

_PSQL = frozenset(
    "c connect restrict unrestrict echo qecho warn set unset pset timing encoding x t a o errverbose conninfo".split()
)
"""psql's commands that change nothing in the database."""
_BREAKPOINT = re.compile(r"-->\s*statement-breakpoint\s*\Z")
_COPY_END = re.compile(r"^\\\.[ \t]*(?:\n|\Z)", re.MULTILINE)
_CREATES_ROUTINE = re.compile(r"create (?:or replace )?(?:function|procedure)\b")
_END_OF_LINE = re.compile(r"[^\n]*")


class _Pending:
    """The statement that is being read."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        self.words: list[str] = []
        self._parentheses = 0
        self._blocks = 0
        self._is_routine = False

    def take(self, kind: str, text: str, end: int) -> None:
        self.end = end
        if kind == "word":
            word = text.lower()
            if len(self.words) < MAX_WORDS:
                self.words.append(word)
                self._is_routine = self._is_routine or (
                    len(self.words) <= 4 and bool(_CREATES_ROUTINE.match(" ".join(self.words)))
                )
            if self._is_routine and not self._parentheses:
                self._nest(word)
        elif kind == "other" and text in "()":
            self._parentheses = max(0, self._parentheses + (1 if text == "(" else -1))

    def _nest(self, word: str) -> None:
        # BEGIN ATOMIC … END around statements, with CASE … END inside
        if word == "begin" or (word == "case" and self._blocks):
            self._blocks += 1
        elif word == "end" and self._blocks:
            self._blocks -= 1

    @property
    def is_open(self) -> bool:
        """True if a semicolon here is inside the statement."""
        return bool(self._parentheses or self._blocks)


def _statements(text: str, path: str, copies: list[SqlStatement]) -> Iterator[SqlStatement]:
    position, pending = 0, None
    lines = _Lines(text)
    while position < len(text):
        token = token_at(text, position)
        piece = text[position : token.end]
        start, position = position, token.end
        if token.kind == "unclosed":
            raise ExportError(f"{path}, line {lines.at(start)}: a {piece} is never closed")
        if token.kind in ("space", "block_comment"):
            continue
        is_breakpoint = token.kind == "line_comment" and _BREAKPOINT.match(piece) is not None
        if token.kind == "line_comment" and not is_breakpoint:
            continue
        if pending is None and piece == "\\":
            position = _skip_psql(text, start, path, lines)
        elif (token.kind == "semicolon" and (pending is None or not pending.is_open)) or is_breakpoint:
            if pending is not None:
                statement = _statement(text, pending, lines)
                if _copies(statement):
                    copies.append(statement)
                    position = _skip_copied(text, position, statement, path)
                else:
                    yield statement
            pending = None
        else:
            pending = pending or _Pending(start)
            pending.take(token.kind, piece, token.end)
    if pending is not None:
        yield _statement(text, pending, lines)


class _Lines:
    """Counts lines forward: a dump is long, and its statements are asked for in order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._line = 1

    def at(self, position: int) -> int:
        self._line += self._text.count("\n", self._position, position)
        self._position = position
        return self._line


def _statement(text: str, pending: _Pending, lines: _Lines) -> SqlStatement:
    return SqlStatement(sql=text[pending.start : pending.end], line=lines.at(pending.start), words=tuple(pending.words))


def _copies(statement: SqlStatement) -> bool:
    """True for a COPY from or to the client."""
    return statement.words[:1] == ("copy",) and bool({"stdin", "stdout"} & set(statement.words))


def _skip_copied(text: str, position: int, statement: SqlStatement, path: str) -> int:
    """Return where the text goes on after the rows of a COPY."""
    if "stdin" not in statement.words:
        return position
    end = _COPY_END.search(text, position)
    if end is None:
        raise ExportError(rf"{path}, line {statement.line}: the rows of {statement.first_line} do not end with \.")
    return end.end()


def _skip_psql(text: str, start: int, path: str, lines: _Lines) -> int:
    line = _END_OF_LINE.match(text, start)
    assert line is not None, "any text matches"
    command = re.match(r"\\(\w*)", line[0])
    name = command[1] if command is not None else ""
    if name in ("i", "include", "ir", "include_relative"):
        raise ExportError(
            f"{path}, line {lines.at(start)}: {line[0].strip()}: name that file on the command line instead"
        )
    if name not in _PSQL:
        raise ExportError(f"{path}, line {lines.at(start)}: {line[0].strip()}: a command of psql, not SQL; take it out")
    return line.end()


# What a statement is about


class Scope(StrEnum):
    """How far a statement reaches."""

    DATABASE = "database"
    ROLES = "roles"
    """Roles, owners and privileges: nothing that a contract holds."""
    OUTSIDE = "outside"
    """Other databases, or the server as a whole."""


def scope_of(statement: SqlStatement) -> Scope:
    """Return how far a statement reaches; what is inside functions and DO blocks is not looked at."""
    first, second, third, *_ = (*statement.words, "", "", "")
    line = f" {' '.join(statement.words)} "
    if first in ("create", "alter", "drop"):
        if second in ("database", "tablespace", "subscription", "system"):
            return Scope.OUTSIDE
        is_role = second in ("role", "user", "group") and third != "mapping"
        is_privilege = (second, third) == ("default", "privileges") or second == "owned"
        is_owner = first == "alter" and " owner to " in line
        return Scope.ROLES if is_role or is_privilege or is_owner else Scope.DATABASE
    if first in ("grant", "revoke"):
        return Scope.OUTSIDE if " on database " in line or " on tablespace " in line else Scope.ROLES
    if first in ("comment", "security") and (" on database " in line or " on tablespace " in line):
        return Scope.OUTSIDE
    is_role = (first, second) == ("comment", "on") and third == "role"
    is_login = re.match(r" (?:re)?set (?:session |local )?(?:role|authorization) ", line) is not None
    return Scope.ROLES if is_role or is_login or first == "reassign" else Scope.DATABASE
