"""What is wrong with a document that does not decode, piece by piece.

msgspec stops at the first error and names a mapping's key ``[...]``, so the format's types are walked again here.
"""

import difflib
import re
import types
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from sidecar.contract.document import ContractDocument
from sidecar.contract.errors import Problem
from sidecar.contract.yaml_values import Place, dotted


def shape_problems(raw: Any) -> Iterator[Problem]:
    """Yield every place of ``raw``, a document's plain value, that is not of the format's shape."""
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


def _walk(raw: Any, type_: Any, place: Place) -> Iterator[Problem]:
    try:
        msgspec.convert(raw, type_, strict=False)
    except msgspec.ValidationError as error:
        message = str(error).partition(" - at `")[0]
    else:
        return
    options = list(_options(type_))
    inside = [problem for option in options for problem in _walk_inside(raw, option, place)]
    yield from inside or [Problem(place=dotted(place), message=_plain(message, raw, options))]


def _walk_inside(raw: Any, option: Any, place: Place) -> Iterator[Problem]:
    """Yield what is wrong inside ``raw``, where it is of the outward shape that ``option`` asks for."""
    if isinstance(raw, dict) and isinstance(option, type) and issubclass(option, msgspec.Struct):
        yield from _walk_struct(raw, option, place)
    elif isinstance(raw, dict) and get_origin(option) is dict:
        for key, value in raw.items():
            yield from _walk(value, get_args(option)[1], (*place, key))
    elif isinstance(raw, list) and get_origin(option) is tuple:
        for index, item in enumerate(raw):
            yield from _walk(item, get_args(option)[0], (*place, index))


def _walk_struct(raw: dict[str, Any], struct: type[msgspec.Struct], place: Place) -> Iterator[Problem]:
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    for key, value in raw.items():
        if key in fields:
            yield from _walk(value, fields[key].type, (*place, key))
        else:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(fields)}"
            yield Problem(place=dotted((*place, key)), message=f"unknown key; {hint}")
    for field in fields.values():
        if field.required and field.name not in raw:
            yield Problem(place=dotted(place), message=f"the key {field.name} is missing")


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


_BOUNDS = {">": "greater than {:g}", ">=": "{:g} or more", "<=": "{:g} or less", "<": "less than {:g}"}


def _plain(message: str, raw: Any, options: list[Any]) -> str:
    """Put the decoder's words into the format's own: no Python or JSON type names."""
    allowed = [str(value) for option in options for value in _allowed_values(option)]
    if message.startswith("Invalid enum value") and allowed:
        return f"{str(raw)[:40]!r} is not one of {', '.join(allowed)}"
    bound = re.fullmatch(r"Expected `(?:int|float)` (>|>=|<=|<) ([\d.]+)", message)
    if bound is not None:
        return f"must be {_BOUNDS[bound[1]].format(float(bound[2]))}"
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
