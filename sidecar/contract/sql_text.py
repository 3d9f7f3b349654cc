"""Just enough of SQL's lexical structure to tell statements apart and count their parameters.

Source of the rules: PostgreSQL documentation, "Lexical Structure". String constants are read as with
standard_conforming_strings on, which the session sets for itself before it sends any of this text.
"""

import re
from typing import NamedTuple

import msgspec

# White space and letters are the server's (scan.l): a no-break space is a letter there, and both line ends count.
# Written as what they are not: a class with a range to the end of Unicode costs a millisecond or two to compile each.
_LETTER = r"[^\x00-\x40\x5b-\x5e\x60\x7b-\x7f]"
_IN_TAG = r"[^\x00-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]"
_IN_WORD = r"[^\x00-\x23\x25-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]"
_SPACES = " \t\n\r\f\v"
_SPACE = r"[ \t\n\r\f\v]"
# Words are taken whole, so that what begins a token below never stands inside of one.
# A string goes on after white space with a line end in it, and goes on with the same rules for backslashes.
# Possessive: a comment goes to the end of its line, and a row of dashes could be cut into comments in countless ways.
_CONTINUED = rf"(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:{_SPACE}|--[^\n\r]*+[\n\r])*+'"
_TOKEN = re.compile(
    rf"""
      (?P<line_comment>--[^\n\r]*)
    | (?P<block_comment>/\*)
    | (?P<escape_string>[eE]'(?:[^'\\]|\\.|'')*'(?:{_CONTINUED}(?:[^'\\]|\\.|'')*')*)
    | (?P<unclosed_escape>[eE]')
    | (?P<string>'(?:[^']|'')*')
    | (?P<identifier>"(?:[^"]|"")*")
    | (?P<dollar>\$(?P<tag>(?:{_LETTER}{_IN_TAG}*)?)\$.*?\$(?P=tag)\$)
    | (?P<parameter>\$(?P<number>[0-9]+))
    | (?P<semicolon>;)
    | (?P<unclosed>['"]|\$(?:{_LETTER}{_IN_TAG}*)?\$)
    | (?P<space>{_SPACE}+)
    | (?P<word>{_LETTER}{_IN_WORD}*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK_EDGE = re.compile(r"/\*|\*/")


MAX_PARAMETERS = 65_535
"""What a message of the protocol can carry (documentation, "PostgreSQL Limits")."""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A single SQL statement."""

    sql: str
    """The text without trailing semicolons and surrounding space, newline-terminated comments kept whole."""
    verb: str
    """The first word in lower case, or the first character where there is no word."""
    parameters: int
    """The highest $n, 0 for none."""


class Token(NamedTuple):
    """A piece of SQL text."""

    kind: str
    """``space``, ``line_comment``, ``block_comment``, ``word``, ``semicolon``, ``unclosed`` …, else ``other``."""
    end: int


def token_at(text: str, position: int) -> Token:
    """Return the token that begins at ``position``, which is inside the text and inside of no other token."""
    match = _TOKEN.match(text, position)
    assert match is not None, "the last alternative matches any character"
    kind = str(match.lastgroup)
    if kind == "block_comment":
        try:
            return Token(kind, _skip_block_comment(text, match.end()))
        except ValueError:
            return Token("unclosed", match.end())
    return Token("unclosed" if kind == "unclosed_escape" else kind, match.end())


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
            case "unclosed" | "unclosed_escape":
                raise ValueError(f"a {match[0]} is never closed")
            case "parameter":
                parameters = max(parameters, _parameter(match["number"]))
        if end is not None:
            raise ValueError("there is more than one statement; write one query each")
        verb = verb or match[0].lower()
    if not verb:
        raise ValueError("there is no statement")
    return Statement(sql=text[:end].strip(_SPACES), verb=verb, parameters=parameters)


def with_declared_types(sql: str, types: tuple[str, ...]) -> str:
    """Return the statement with the type of each parameter written beside it.

    A parameter is taken out of an array of its type: as an array it can be NULL for planning, where a domain that
    refuses NULL could not.

    Args:
        sql: a statement that ``parse_statement`` has read.
        types: SQL text of the types of $1 … $n, arrays ending in ``[]``.
    """
    parts: list[str] = []
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        assert match is not None, "the last alternative matches any character"
        position = _skip_block_comment(sql, match.end()) if match.lastgroup == "block_comment" else match.end()
        text = sql[match.start() : position]
        if match.lastgroup == "parameter":
            type_ = types[int(match["number"]) - 1]
            text = f"({text}::{type_})" if type_.endswith("[]") else f"(({text}::{type_}[])[1])"
        parts.append(text)
    return "".join(parts)


def parse_expression(text: str) -> None:
    """Make sure that ``text`` can stand in parentheses inside another statement.

    Raises:
        ValueError: it holds more than one statement, a parameter, or parentheses that do not match.
    """
    depth, position = 0, 0
    if parse_statement(text).parameters:
        raise ValueError("an expression takes no parameters")
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None, "the last alternative matches any character"
        position = match.end()
        if match.lastgroup == "block_comment":
            position = _skip_block_comment(text, position)
        elif match.lastgroup == "semicolon":
            raise ValueError("an expression has no semicolon")
        elif match.lastgroup == "other":
            depth += {"(": 1, ")": -1}.get(match[0], 0)
            if depth < 0:
                break
    if depth:
        raise ValueError("the parentheses do not match")


def _parameter(digits: str) -> int:
    if len(digits) > 5 or int(digits) > MAX_PARAMETERS:
        raise ValueError(f"a statement has at most {MAX_PARAMETERS} parameters")
    return int(digits)


def _skip_block_comment(text: str, position: int) -> int:
    depth = 1
    while depth:
        edge = _BLOCK_EDGE.search(text, position)
        if edge is None:
            raise ValueError("a /* comment is never closed")
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return position
