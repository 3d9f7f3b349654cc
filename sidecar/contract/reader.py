"""A contract file → Contract, or every problem in it with its line.

JSON is read by the standard library's parser, YAML by libyaml through PyYAML. Both refuse duplicate keys. In
YAML every scalar arrives as the text that was written: its 1.1 booleans (``on``, ``no``, ``y``) are legal
column names, and what a number or a boolean is the format's own types decide.
"""

import difflib
import hashlib
import json
import re
import types
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import yaml

from sidecar.contract.document import ContractDocument, to_contract
from sidecar.contract.errors import ContractError, Problem
from sidecar.model import Contract

MAX_BYTES = 16 * 1024 * 1024
"""A contract of 21,000 columns takes about one megabyte; past this the file is something else."""
MAX_DEPTH = 16
"""The format needs six levels; the bound keeps a hostile file from exhausting the stack."""
MAX_NODES = 1_000_000
"""A contract of 21,000 columns has about 50,000 values; aliases could make billions out of a few lines."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Place = tuple[str | int, ...]


def read_contract(path: str) -> Contract:
    """Read, decode and translate the contract at ``path``.

    Raises:
        ContractError: the file cannot be read or is not a contract; carries every problem with its place.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        words = {2: "there is no such file", 13: "the file may not be read by this user", 21: "this is a directory"}
        message = words.get(error.errno or 0, error.strerror or str(error))
        raise ContractError(path, (Problem(place="", message=message),)) from error
    return parse_contract(data, path)


def parse_contract(data: bytes, path: str = "<contract>") -> Contract:
    """Decode and translate a document's bytes; ``path`` is for messages.

    Raises:
        ContractError: the bytes are not a contract; carries every problem with its place.
    """
    if len(data) > MAX_BYTES:
        raise ContractError(path, (Problem(place="", message=f"the file is larger than {MAX_BYTES >> 20} MiB"),))
    raw, lines = _load(data, path)
    problems: tuple[Problem, ...]
    try:
        document = msgspec.convert(raw, ContractDocument, strict=False)
    except msgspec.ValidationError:
        problems = tuple(_shape_problems(raw))
    else:
        contract, problems = to_contract(document, digest_of(data))
        if contract is not None:
            return contract
    raise ContractError(path, tuple(_with_line(problem, lines) for problem in problems))


def digest_of(data: bytes) -> str:
    """Return the digest that names a document: of its bytes, so that anyone can compute it with sha256sum."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _load(data: bytes, path: str) -> tuple[Any, "_Lines"]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ContractError(path, (Problem(place="", message="the file is not UTF-8 text", line=line),)) from error
    if text.lstrip()[:1] == "{":
        try:
            return json.loads(text, object_pairs_hook=_no_duplicates), _Lines(text)
        except (json.JSONDecodeError, _DuplicateKeyError, RecursionError):
            pass  # what is wrong, and on which line, the YAML reader says: JSON is a subset of it
    return _load_yaml(text, path), _Lines(text)


class _DuplicateKeyError(Exception):
    pass


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _DuplicateKeyError
    return result


def _load_yaml(text: str, path: str) -> Any:
    try:
        root = yaml.compose(text, _Loader)
        builder = _YamlBuilder()
        value = builder.value(root, ()) if root is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = ", ".join(filter(None, (error.context, error.problem)))
        line = mark.line + 1 if mark else None
        raise ContractError(path, (Problem(place="", message=f"not valid YAML: {words}", line=line),)) from error
    except yaml.YAMLError as error:
        message = f"not valid YAML: {' '.join(str(error).split())}"
        raise ContractError(path, (Problem(place="", message=message),)) from error
    except RecursionError as error:
        raise ContractError(path, (Problem(place="", message="the document is nested too deeply"),)) from error
    if builder.problems:
        raise ContractError(path, tuple(builder.problems))
    return value


class _YamlBuilder:
    """Builds plain values from YAML nodes; bounded in depth and, as aliases multiply, in number."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._budget = MAX_NODES

    def value(self, node: yaml.Node, place: _Place) -> Any:
        self._budget -= 1
        if self._budget < 0 or len(place) > MAX_DEPTH:
            if not self.problems or self._budget >= 0:
                words = "has too many values (aliases?)" if self._budget < 0 else "is nested too deeply"
                self._problem(place, f"the document {words}", node)
            return None
        if isinstance(node, yaml.ScalarNode):
            return None if node.value == "" and not node.style else node.value
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*place, index)) for index, item in enumerate(node.value)]
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(place, "a key must be plain text", key_node)
                continue
            key = key_node.value
            if key in result:
                self._problem((*place, key), "this key stands there twice", key_node)
            result[key] = self.value(value_node, (*place, key))
        return result

    def _problem(self, place: _Place, message: str, node: yaml.Node) -> None:
        self.problems.append(Problem(place=_dotted(place), message=message, line=node.start_mark.line + 1))


class _Lines:
    """Finds the line of a place, composing the document once more: only ever asked when something is wrong."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: dict[str, int] | None = None

    def of(self, place: str) -> int | None:
        if self._lines is None:
            self._lines = {}
            try:
                root = yaml.compose(self._text, _Loader)
            except yaml.YAMLError:
                root = None
            if root is not None:
                self._note(root, ())
        return self._lines.get(place)

    def _note(self, node: yaml.Node, place: _Place) -> None:
        assert self._lines is not None
        if isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                here = (*place, key_node.value)
                self._lines.setdefault(_dotted(here), key_node.start_mark.line + 1)
                self._note(value_node, here)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self._lines.setdefault(_dotted((*place, index)), item.start_mark.line + 1)
                self._note(item, (*place, index))


def _with_line(problem: Problem, lines: _Lines) -> Problem:
    return problem if problem.line else msgspec.structs.replace(problem, line=lines.of(problem.place))


def _dotted(place: _Place) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


# What is wrong with a document that does not decode: msgspec stops at the first error and names a mapping's key
# "[...]", so the types are walked again here, piece by piece.


def _shape_problems(raw: Any) -> Iterator[Problem]:
    if not isinstance(raw, dict):
        message = "the file is empty" if raw is None else "the document must be a mapping"
        yield Problem(place="", message=f"{message}; a contract starts with the line: contract: 1")
        return
    version = raw.get("contract")
    if version is None:
        yield Problem(place="", message="the key contract (the format's version) is missing; write: contract: 1")
    elif str(version) != "1":
        message = f"version {str(version)[:40]!r} is not supported; this sidecar reads version 1"
        yield Problem(place="contract", message=message)
        return
    rest = {key: value for key, value in raw.items() if key != "contract"}
    yield from _walk({**rest, "contract": 1}, ContractDocument, ())


def _walk(raw: Any, type_: Any, place: _Place) -> Iterator[Problem]:
    try:
        msgspec.convert(raw, type_, strict=False)
    except msgspec.ValidationError as error:
        message = str(error).partition(" - at `")[0]
    else:
        return
    options = list(_options(type_))
    inside = [problem for option in options for problem in _walk_inside(raw, option, place)]
    yield from inside or [Problem(place=_dotted(place), message=_plain(message, raw, options))]


def _walk_inside(raw: Any, option: Any, place: _Place) -> Iterator[Problem]:
    """Yield what is wrong inside ``raw``, where it is of the outward shape that ``option`` asks for."""
    if isinstance(raw, dict) and isinstance(option, type) and issubclass(option, msgspec.Struct):
        yield from _walk_struct(raw, option, place)
    elif isinstance(raw, dict) and get_origin(option) is dict:
        for key, value in raw.items():
            yield from _walk(value, get_args(option)[1], (*place, key))
    elif isinstance(raw, list) and get_origin(option) is tuple:
        for index, item in enumerate(raw):
            yield from _walk(item, get_args(option)[0], (*place, index))


def _walk_struct(raw: dict[str, Any], struct: type[msgspec.Struct], place: _Place) -> Iterator[Problem]:
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    for key, value in raw.items():
        if key in fields:
            yield from _walk(value, fields[key].type, (*place, key))
        else:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(fields)}"
            yield Problem(place=_dotted((*place, key)), message=f"unknown key; {hint}")
    for field in fields.values():
        if field.required and field.name not in raw:
            yield Problem(place=_dotted(place), message=f"the key {field.name} is missing")


def _options(type_: Any) -> Iterator[Any]:
    if get_origin(type_) is Annotated:
        yield from _options(get_args(type_)[0])
    elif get_origin(type_) in (Union, types.UnionType):
        for option in get_args(type_):
            yield from _options(option)
    else:
        yield type_


_PLAIN_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
}


def _plain(message: str, raw: Any, options: list[Any]) -> str:
    """Put the decoder's words into the format's own: no Python or JSON type names."""
    allowed = [str(value) for option in options for value in _allowed_values(option)]
    if message.startswith("Invalid enum value") and allowed:
        return f"{str(raw)[:40]!r} is not one of {', '.join(allowed)}"
    match = re.fullmatch(r"Expected `([^`]*)`(?: of length >= (\d+))?(?:, got `([^`]*)`)?", message)
    if match is None:
        return message[:1].lower() + message[1:]
    if match[2]:
        return "must not be empty"
    wanted = [_PLAIN_WORDS.get(word, word) for word in match[1].split(" | ") if word != "null"]
    got = "nothing" if raw is None else repr(raw)[:40] if isinstance(raw, str | int | float) else ""
    return f"expected {' or '.join(wanted)}, got {got or _PLAIN_WORDS.get(match[3] or '', match[3])}"


def _allowed_values(option: Any) -> Iterator[Any]:
    if get_origin(option) is Literal:
        yield from get_args(option)
    elif isinstance(option, type) and issubclass(option, Enum):
        yield from option
