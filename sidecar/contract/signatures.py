"""The SQL text of a function's signature → ContractFunction."""

import re
from collections.abc import Iterator

from sidecar.compatibility.type_names import parse_type_name
from sidecar.model import ContractFunction, Name, TypeName


def parse_function(text: str) -> ContractFunction:
    """Take the SQL text of a function's signature apart: ``now()``, ``public.f(text, int[])`` or a bare name.

    What it returns may follow: ``f(int) returns setof text``.

    Raises:
        ValueError: the text is not a signature; the message says why.
    """
    call, result, returns_set = _split_result(text)
    head, parenthesis, rest = call.partition("(")
    named = parse_type_name(head)  # a function's name folds and quotes exactly as a type's does
    if named.is_array or named.modifiers:
        raise ValueError(f"{text!r} is not a function signature")
    name = Name(named.schema, head.strip().lower() if named.is_grammar else named.name)
    if not parenthesis:
        return ContractFunction(name=name, arguments=None, result=result, returns_set=returns_set)
    if not rest.endswith(")"):
        raise ValueError(f"{text!r} is not a function signature: it does not end in a parenthesis")
    arguments = tuple(_arguments(rest[:-1]))
    return ContractFunction(name=name, arguments=arguments, result=result, returns_set=returns_set)


# What stands in quotes belongs to a name.
_RESULT = re.compile(
    r"""(?P<call>(?:[^"]|"[^"]*")*?[\s)])returns\s+(?P<set>setof\s+)?(?P<type>(?:[^"]|"[^"]*")*)""", re.IGNORECASE
)


def _split_result(text: str) -> tuple[str, TypeName | None, bool]:
    """Return the call, the type that it returns and whether it returns rows."""
    match = _RESULT.fullmatch(text.strip())
    if match is None:
        return text.strip(), None, False
    if match["type"].lower() == "setof":
        raise ValueError(f"{text!r} is not a function signature: setof what?")
    return match["call"].strip(), parse_type_name(match["type"]), match["set"] is not None


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
