"""Type names as people write them → TypeName.

The server resolves names (by pg_type and the search path); this module only takes the text apart. The one
list it holds is SQL's own: the types whose names are grammar, not identifiers (gram.y, ``SimpleTypename``).
"""

import re
from functools import lru_cache

from sidecar.identifiers import truncate_identifier
from sidecar.model import TypeName

_GRAMMAR: dict[str, str] = {
    "int": "integer",
    "integer": "integer",
    "smallint": "smallint",
    "bigint": "bigint",
    "real": "real",
    "float": "double precision",
    "double precision": "double precision",
    "dec": "numeric",
    "decimal": "numeric",
    "numeric": "numeric",
    "bool": "boolean",
    "boolean": "boolean",
    "bit": "bit",
    "bit varying": "bit varying",
    "char": "character",
    "character": "character",
    "nchar": "character",
    "national char": "character",
    "national character": "character",
    "varchar": "character varying",
    "char varying": "character varying",
    "character varying": "character varying",
    "national char varying": "character varying",
    "national character varying": "character varying",
    "nchar varying": "character varying",
    "time": "time without time zone",
    "time without time zone": "time without time zone",
    "time with time zone": "time with time zone",
    "timestamp": "timestamp without time zone",
    "timestamp without time zone": "timestamp without time zone",
    "timestamp with time zone": "timestamp with time zone",
    "interval": "interval",
}

_CATALOG_NAMES: dict[str, str] = {
    # The same types under the names they have in pg_type, so that equal types compare equal as values.
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "varbit": "bit varying",
    "timetz": "time with time zone",
    "timestamptz": "timestamp with time zone",
    # Serial types are grammar that makes a column of an integer type; they do not exist in pg_type.
    "smallserial": "smallint",
    "serial2": "smallint",
    "serial": "integer",
    "serial4": "integer",
    "bigserial": "bigint",
    "serial8": "bigint",
}

_SAME_NAMES = frozenset(("bool", "interval", "numeric", "time", "timestamp", "varchar"))
"""Names in pg_type that mean the same as words of the grammar; pg_catalog.char and .bit do not."""

# A letter is written as what it is not: a range to the end of Unicode takes long to compile, above all without case.
_WORD = r"""(?:"(?:[^"]|"")+"|[^\x00-\x40\x5b-\x5e\x60\x7b-\x7f][\w$]*)"""
_TYPE = re.compile(
    rf"""
    (?P<words>{_WORD}(?:\s*\.\s*{_WORD}|(?:\s+{_WORD})*))
    \s*(?:\((?P<modifiers>[^()]*)\))?
    (?P<tail>\s*(?i:with(?:out)?\s+time\s+zone))?
    (?P<array>(?:\s*\[\s*\d*\s*\])+|\s*(?i:array)(?:\s*\[\s*\d+\s*\])?)?
    """,
    re.VERBOSE,
)
# Modifiers are the one part of a type that SQL text takes unquoted, so nothing else may be in them.
_MODIFIER = re.compile(r"(-?\d{1,9}|[A-Za-z_]\w{0,62})\Z", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,9}\Z")
_INTERVAL_FIELDS = frozenset(("year", "month", "day", "hour", "minute", "second", "to"))
_Words = list[tuple[str, bool]]
"""Words of a name and whether each was quoted."""


@lru_cache(maxsize=4096)  # a thousand tables share a few dozen types: a tenth of the time, and one value each
def parse_type_name(text: str) -> TypeName:
    """Take the SQL text of a type apart.

    Accepts what a column definition accepts: ``int4``, ``varchar(20)``, ``timestamp(3) with time zone``,
    ``public."Mood"``, ``text[]``, ``integer ARRAY``, ``serial``.

    Raises:
        ValueError: the text is not the name of a type; the message says what is wrong with it.
    """
    match = _TYPE.fullmatch(text.strip())
    if match is None or "\x00" in text:
        raise ValueError(f"{text!r} is not a type name")
    found = re.findall(rf"{_WORD}|\.", match["words"] + (match["tail"] or ""))
    has_dot = "." in found
    words: _Words = [
        (word[1:-1].replace('""', '"'), True) if word.startswith('"') else (_folded(word), False)
        for word in found
        if word != "."
    ]
    is_array = match["array"] is not None
    if len(words) > 1 and words[-1] == ("array", False) and not has_dot:
        words, is_array = words[:-1], True
    modifiers = tuple(part.strip().lower() for part in (match["modifiers"] or "").split(","))
    if match["modifiers"] is None:
        modifiers = ()
    elif not all(_MODIFIER.match(modifier) for modifier in modifiers):
        raise ValueError(f"{text!r} is not a type name: a type modifier is a number or a word")
    name = (_qualified if has_dot else _unqualified)(text, words, modifiers, is_array)
    if name.is_grammar and not all(_INTEGER.match(modifier) for modifier in modifiers):
        raise ValueError(f"{text!r} is not a type name: its modifiers must be whole numbers")
    return name


def _folded(word: str) -> str:
    """Fold as the server does in a multi-byte encoding: ASCII letters alone."""
    return "".join(c.lower() if c.isascii() else c for c in word)


def _qualified(text: str, words: _Words, modifiers: tuple[str, ...], is_array: bool) -> TypeName:
    if len(words) != 2:
        raise ValueError(f"{text!r} is not a type name: expected schema.name")
    schema, name = (truncate_identifier(word) for word, _ in words)
    if schema == "pg_catalog" and (name in _CATALOG_NAMES or name in _SAME_NAMES):
        return _unqualified(text, [(name, False)], modifiers, is_array)
    return TypeName(schema=schema, name=name, modifiers=modifiers, is_array=is_array)


def _unqualified(text: str, words: _Words, modifiers: tuple[str, ...], is_array: bool) -> TypeName:
    if not any(quoted for _, quoted in words):
        spelled = " ".join(word for word, _ in words)
        if spelled == "bpchar" and modifiers:  # without a length it has no name in SQL's grammar
            return TypeName(name="character", is_grammar=True, modifiers=modifiers, is_array=is_array)
        if spelled in _CATALOG_NAMES and len(words) == 1:
            return TypeName(name=_CATALOG_NAMES[spelled], is_grammar=True, modifiers=modifiers, is_array=is_array)
        if spelled == "float" and modifiers:
            return _float(text, modifiers, is_array)
        if spelled in _GRAMMAR:
            name = _GRAMMAR[spelled]
            return TypeName(name=name, is_grammar=True, modifiers=_implied(name, modifiers), is_array=is_array)
        if words[0][0] == "interval" and all(word in _INTERVAL_FIELDS for word, _ in words[1:]):
            fields = " ".join(word for word, _ in words[1:])
            return TypeName(name="interval", is_grammar=True, modifiers=(fields, *modifiers), is_array=is_array)
    if len(words) != 1:
        raise ValueError(f"{text!r} is not a type name: quote a name that has spaces in it")
    return TypeName(name=truncate_identifier(words[0][0]), modifiers=modifiers, is_array=is_array)


def _float(text: str, modifiers: tuple[str, ...], is_array: bool) -> TypeName:
    # float(1..24) is real and float(25..53) is double precision: SQL's binary precision, gone once it is read.
    if len(modifiers) != 1 or not modifiers[0].isdigit() or not 1 <= int(modifiers[0]) <= 53:
        raise ValueError(f"{text!r} is not a type name: the precision of float is a number from 1 to 53")
    name = "real" if int(modifiers[0]) <= 24 else "double precision"
    return TypeName(name=name, is_grammar=True, is_array=is_array)


def _implied(name: str, modifiers: tuple[str, ...]) -> tuple[str, ...]:
    if name in ("character", "bit") and not modifiers:
        return ("1",)
    if name == "numeric" and len(modifiers) == 1:
        return (*modifiers, "0")
    return modifiers
