"""A contract file → Contract, or every problem in it with its line.

JSON is read by the standard library's parser, YAML by libyaml through PyYAML. Both refuse duplicate keys. In
YAML every scalar arrives as the text that was written: its 1.1 booleans (``on``, ``no``, ``y``) are legal
column names, and what a number or a boolean is the format's own types decide.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import yaml

from sidecar.contract.document import ContractDocument
from sidecar.contract.errors import ContractError, Problem
from sidecar.contract.shape import shape_problems
from sidecar.contract.translation import to_contract
from sidecar.contract.yaml_values import Lines, YamlBuilder
from sidecar.model import Contract

ARRIVING_S = 2.0
"""A file that was written to within this time, in seconds, may not be all there yet."""
MAX_BYTES = 16 * 1024 * 1024
"""A contract of 21,000 columns takes about one megabyte; past this the file is something else."""


def read_contract(path: str) -> Contract:
    """Read, decode and translate the contract at ``path``.

    Raises:
        ContractError: the file cannot be read or is not a contract; carries every problem with its place.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        words = {2: "there is no such file", 13: "the file may not be read by this user", 21: "this is a directory"}
        message = str(error)
        if isinstance(error, OSError):
            message = words.get(error.errno or 0, error.strerror or message)
        raise ContractError(path, (Problem(place="", message=message),)) from error
    return parse_contract(data, path)


def is_arriving(path: str, now: float) -> bool:
    """True if the file is not there yet, or was written to a moment ago: another container may be copying it.

    Args:
        path: of the contract.
        now: seconds since the epoch.
    """
    try:
        status = Path(path).stat()
    except OSError:
        return True
    return status.st_size == 0 or abs(now - status.st_mtime) < ARRIVING_S


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
        problems = tuple(shape_problems(raw))
    else:
        contract, problems = to_contract(document, digest_of(data))
        if b"\\u0000" in msgspec.json.encode(raw) and not problems:
            problems = (Problem(place="", message="there is a NUL character in it, which no name or text can have"),)
        elif contract is not None:
            return contract
    raise ContractError(path, tuple(_with_line(problem, lines) for problem in problems))


def digest_of(data: bytes) -> str:
    """Return the digest that names a document: of its bytes, so that anyone can compute it with sha256sum."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _load(data: bytes, path: str) -> tuple[Any, "Lines"]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ContractError(path, (Problem(place="", message="the file is not UTF-8 text", line=line),)) from error
    if text.lstrip()[:1] == "{":
        try:
            value = json.loads(text, object_pairs_hook=_no_duplicates)
            if "\\u" in text:
                msgspec.json.encode(value)  # half of a surrogate pair is text to JSON, and to nobody else
        except (ValueError, RecursionError):
            pass  # what is wrong, and on which line, the YAML reader says: JSON is a subset of it
        else:
            return value, Lines(text)
    builder = YamlBuilder()
    try:
        value = builder.build(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = ", ".join(filter(None, (error.context, error.problem)))
        line_found = mark.line + 1 if mark else None
        problem = Problem(place="", message=f"not valid YAML: {words}", line=line_found)
        raise ContractError(path, (problem,)) from error
    except yaml.YAMLError as error:
        message = f"not valid YAML: {' '.join(str(error).split())}"
        raise ContractError(path, (Problem(place="", message=message),)) from error
    if builder.problems:
        raise ContractError(path, tuple(builder.problems))
    return value, Lines(text)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands there twice")
    return result


def _with_line(problem: Problem, lines: Lines) -> Problem:
    return (
        problem if problem.line or not problem.place else msgspec.structs.replace(problem, line=lines.of(problem.place))
    )
