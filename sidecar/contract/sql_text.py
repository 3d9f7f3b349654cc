"""Just enough of SQL's lexical structure to count statements and parameters.

Source of the rules: PostgreSQL documentation, "Lexical Structure". String constants are read as with
standard_conforming_strings on, which the session sets for itself before it sends any of this text.
"""

import re

import msgspec

_TOKEN = re.compile(
    r"""
      (?P<line_comment>--[^\n]*)
    | (?P<block_comment>/\*)
    | (?P<escape_string>(?<![\w$])[eE]'(?:[^'\\]|\\.|'')*')
    | (?P<string>'(?:[^']|'')*')
    | (?P<identifier>"(?:[^"]|"")*")
    | (?P<dollar>(?<![\w$])\$(?P<tag>(?:[A-Za-z_\u0080-\U0010ffff][\w]*)?)\$.*?\$(?P=tag)\$)
    | (?P<parameter>(?<![\w$])\$(?P<number>\d+))
    | (?P<semicolon>;)
    | (?P<unclosed>['"]|(?<![\w$])\$(?:[A-Za-z_\u0080-\U0010ffff][\w]*)?\$)
    | (?P<space>\s+)
    | (?P<word>[A-Za-z_\u0080-\U0010ffff][\w$]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK_EDGE = re.compile(r"/\*|\*/")


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A single SQL statement."""

    sql: str
    """The text without trailing semicolons and surrounding space, newline-terminated comments kept whole."""
    verb: str
    """The first word in lower case, or the first character where there is no word."""
    parameters: int
    """The highest $n, 0 for none."""


def parse_statement(text: str) -> Statement:
    """Return the one statement in ``text``.

    Raises:
        ValueError: there is none, there are several, a quote or comment is never closed, or there is a NUL.
    """
    if "\x00" in text:
        raise ValueError("the statement has a NUL character")
    position, parameters, end, verb = 0, 0, None, ""
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None, "the last alternative matches any character"
        position = match.end()
        match match.lastgroup:
            case "space" | "line_comment":
                continue
            case "block_comment":
                position = _skip_block_comment(text, position)
                continue
            case "semicolon":
                end = match.start() if end is None else end
                continue
            case "unclosed":
                raise ValueError(f"a {match[0]} is never closed")
            case "parameter":
                parameters = max(parameters, int(match["number"]))
        if end is not None:
            raise ValueError("there is more than one statement; write one query each")
        verb = verb or match[0].lower()
    if not verb:
        raise ValueError("there is no statement")
    return Statement(sql=text[:end].strip(), verb=verb, parameters=parameters)


def _skip_block_comment(text: str, position: int) -> int:
    depth = 1
    while depth:
        edge = _BLOCK_EDGE.search(text, position)
        if edge is None:
            raise ValueError("a /* comment is never closed")
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return position
