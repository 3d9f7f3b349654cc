"""Reads the tables of schema changes in ``cases/*.yaml``: strictly, so that a mistyped key cannot prove nothing."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta

CASES_DIRECTORY = Path(__file__).with_name("cases")
VERSIONS = range(13, 19)
"""The PostgreSQL major versions that the product is tested against."""

_Major = Annotated[int, Meta(ge=VERSIONS[0], le=VERSIONS[-1])]
_SqlState = Annotated[str, Meta(pattern="^[0-9A-Z]{5}$")]
_Found = Annotated[str, Meta(pattern="^[a-z]+(-[a-z]+)* .+$")]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Statement(_Strict, frozen=True, kw_only=True):
    """A statement that the image issues."""

    sql: str
    arguments: str | None = None
    """SQL text of the arguments for its parameters."""
    fails: _SqlState | None = None
    """What it gets after the change, where that is not what the case says."""
    direct: bool = False
    """Sent as it is: statements that cannot be prepared."""


class Case(_Strict, frozen=True, kw_only=True):
    """One schema change, seen from one image."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    kind: Annotated[str, Meta(pattern="^(breaking|harmless) [1-9][0-9]*$")]
    since: _Major = VERSIONS[0]
    until: _Major = VERSIONS[-1]
    setup: str = ""
    contract: dict[str, Any]
    statements: Annotated[tuple[str | Statement, ...], Meta(min_length=1)]
    change: str
    fails: _SqlState | None = None
    misreads: bool = False
    differs: bool = False
    before: tuple[_Found, ...] = ()
    finds: tuple[_Found, ...] = ()
    refuses: tuple[_Found, ...] = ()
    warns: tuple[_Found, ...] = ()
    tells: tuple[_Found, ...] = ()
    retry: str | None = None
    note: str = ""
    file: str = ""
    """The file that the case stands in, without its suffix; set by the loader."""

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"

    @property
    def is_breaking(self) -> bool:
        return self.kind.startswith("breaking")

    def applies_to(self, major: int) -> bool:
        return self.since <= major <= self.until

    @property
    def issued(self) -> tuple[Statement, ...]:
        """The statements, all in their long form."""
        return tuple(s if isinstance(s, Statement) else Statement(sql=s) for s in self.statements)

    def contract_document(self, role: str) -> bytes:
        """Return the contract as the bytes of a document."""
        text = msgspec.json.encode({"contract": 1} | self.contract).decode()
        return text.replace("{role}", role).encode()


def load_cases(directory: Path = CASES_DIRECTORY) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """Return the well-formed cases of every file, and what is wrong with the others."""
    cases: list[Case] = []
    problems: list[str] = []
    for path in sorted(directory.glob("*.yaml")):
        try:
            document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        except yaml.YAMLError as error:
            problems.append(f"{path.name}: {error}")
            continue
        if not isinstance(document, list):
            problems.append(f"{path.name}: not a list of cases")
            continue
        for place, value in enumerate(document, 1):
            named = value.get("name", f"case {place}") if isinstance(value, dict) else f"case {place}"
            try:
                case = msgspec.convert(value, Case)
            except msgspec.ValidationError as error:
                problems.append(f"{path.name}: {named}: {error}")
                continue
            wrong = [f"{path.name}: {case.name}: {problem}" for problem in _problems(case)]
            problems += wrong
            if not wrong:
                cases.append(msgspec.structs.replace(case, file=path.stem))
    counts = Counter(case.name for case in cases)
    problems += [f"the name {name!r} is given {count} times" for name, count in counts.items() if count > 1]
    return tuple(cases), tuple(problems)


def _problems(case: Case) -> Iterator[str]:
    if case.name != case.name.lower():
        yield "names are in lower case"
    if case.file:
        yield "file is not a key"
    if case.since > case.until:
        yield "since is later than until"
    yield from (f"the contract's key {key!r} is not text; quote it" for key in _odd_keys(case.contract))
    yield from _unlike_its_kind(case)
    if case.retry and (case.refuses or case.tells):
        yield "an attempt that ends in a retry gives no findings"


def _unlike_its_kind(case: Case) -> Iterator[str]:
    of_statements = [statement.fails for statement in case.issued]
    if case.is_breaking:
        if case.differs:
            yield "differs is for harmless cases"
        if case.fails and case.misreads:
            yield "a breaking case fails or misreads, not both"
        if not case.fails and not case.misreads and None in of_statements:
            yield "a breaking case says how each statement fails, or that it misreads"
    else:
        if case.fails or case.misreads or any(of_statements):
            yield "a harmless case neither fails nor misreads"
        if case.finds or case.refuses or case.retry:
            yield "a harmless case gives no error"


def _odd_keys(value: object) -> Iterator[object]:
    """Yield the keys that YAML took for something else than text: on, no, 1, null."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield key
            yield from _odd_keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _odd_keys(inner)


CASES, PROBLEMS = load_cases()
