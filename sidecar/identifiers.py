"""PostgreSQL identifiers: the one place that quotes, truncates, splits and displays them.

Source of the rules: PostgreSQL documentation, "Lexical Structure: Identifiers and Key Words", and
the server's own ``quote_ident``.
"""

import re

MAX_IDENTIFIER_BYTES = 63
"""NAMEDATALEN - 1 in a stock PostgreSQL build: the server silently truncates longer identifiers."""

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")

KEYWORDS = frozenset(
    # Every word for which pg_get_keywords() gives a category other than "unreserved" on PostgreSQL 18:
    # quote_ident() quotes exactly these. A test compares the list with the live server.
    """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean
    both case cast char character check coalesce collate collation column concurrently constraint create
    cross current_catalog current_date current_role current_schema current_time current_timestamp
    current_user dec decimal default deferrable desc distinct do else end except exists extract false
    fetch float for foreign freeze from full grant greatest group grouping having ilike in initially
    inner inout int integer intersect interval into is isnull join json json_array json_arrayagg
    json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value
    lateral leading least left like limit localtime localtimestamp merge_action national natural nchar
    none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay
    placing position precision primary real references returning right row select session_user setof
    similar smallint some substring symmetric system_user table tablesample then time timestamp to
    trailing treat trim true union unique user using values varchar variadic verbose when where window
    with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot
    xmlserialize xmltable
    """.split()
)


def quote_identifier(name: str) -> str:
    """Return ``name`` quoted for use in SQL text, always with double quotes."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(value: str) -> str:
    """Return ``value`` as an SQL string literal that means the same whatever standard_conforming_strings is."""
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f" E'{escaped}'" if "\\" in value else f"'{escaped}'"


def display_identifier(name: str) -> str:
    """Return ``name`` as PostgreSQL itself would show it: quoted only where it has to be."""
    if _PLAIN.match(name) and name not in KEYWORDS:
        return name
    return quote_identifier(name)


def display_path(*names: str | None) -> str:
    """Return the dotted form of ``names`` for people, leaving out those that are None."""
    return ".".join(display_identifier(name) for name in names if name is not None)


def printable(text: str) -> str:
    """Return the text with whatever a terminal would obey, a line break included, written out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def truncate_identifier(name: str) -> str:
    """Return ``name`` cut to 63 bytes at a character boundary, as the server does when it reads SQL."""
    encoded = name.encode()
    if len(encoded) <= MAX_IDENTIFIER_BYTES:
        return name
    return encoded[:MAX_IDENTIFIER_BYTES].decode(errors="ignore")


def split_path(text: str) -> tuple[str, ...]:
    """Split a dotted name such as ``billing.invoice`` or ``"odd.name"`` into its exact parts.

    Nothing is folded to lower case: a contract writes names as the catalog has them. A part in double
    quotes may hold dots; a doubled quote inside it stands for one.

    Raises:
        ValueError: an empty part, an unclosed quote, or text after a closing quote; the message says which.
    """
    parts: list[str] = []
    rest = text
    while True:
        if rest.startswith('"'):
            match = re.match(r'"((?:[^"]|"")*)"', rest)
            if match is None:
                raise ValueError(f"the name {text!r} has an opening double quote that is never closed")
            part, rest = match[1].replace('""', '"'), rest[match.end() :]
            if rest and not rest.startswith("."):
                raise ValueError(f"the name {text!r} has text right after a closing double quote; expected a dot")
        else:
            part, dot, tail = rest.partition(".")
            rest = dot + tail
        if not part:
            raise ValueError(f"the name {text!r} has an empty part")
        if "\x00" in part:
            raise ValueError(f"the name {text!r} has a NUL character, which no PostgreSQL name can have")
        parts.append(truncate_identifier(part))
        if not rest:
            return tuple(parts)
        rest = rest[1:]


def contract_key(schema: str | None, name: str) -> str:
    """Return the exact name as a contract writes it: what ``split_path`` takes apart again."""
    parts = (name,) if schema is None else (schema, name)
    return ".".join(quote_identifier(part) if "." in part or '"' in part else part for part in parts)
