"""Types: does a live column hold what the image reads from it and writes to it?

``names``     types are not compared.
``exact``     the same type with the same modifiers.
``widening``  (default) the same type, or one of the pairs below; domains count as what they are made of.

=====================  ============================  ==========================================
the image expects      fine for a reader             fine for a writer
=====================  ============================  ==========================================
smallint               integer                       integer, bigint, numeric
integer                                              bigint, numeric
bigint                                               numeric
real                   double precision              double precision
varchar, char, name    text, varchar                 text, varchar
text                   varchar                       varchar without a length
an enum                text, varchar                 text, varchar without a length
varchar(n), char(n)    any length                    the same length or more, or none
bit varying(n)         any length                    the same length or more, or none
numeric(p,s)           any precision                 no fewer digits on either side, or no bound
time, timestamp (p)    any precision                 any precision
an array               by its elements               by its elements
=====================  ============================  ==========================================

Everything else is a change, in particular where the database gives no error:

- integer → bigint for a reader: drivers hand a bigint out as another type (strings in JavaScript);
- timestamp ↔ timestamptz: every value shifts by the session's time zone;
- json ↔ jsonb: operators, duplicate keys and the order of keys differ;
- text ↔ citext: comparisons find other rows;
- vector(3) → vector(4), and every other type that is not built in: its modifiers are part of the value.

A column that is both read and written has to satisfy both columns of the table. Where an image takes several types, the
contract lists them, and one of them has to be compatible. Enums are compared by schema, name and labels in any order
(``enums.py``).
"""

from collections.abc import Iterator

import msgspec

from sidecar.compatibility.codes import COLUMN_TYPE_CHANGED, TYPE_MISSING
from sidecar.compatibility.matching import (
    hiding_type,
    matched_columns,
    matched_relations,
    type_policy_of,
    unresolved_types,
)
from sidecar.compatibility.nearest import renamed
from sidecar.compatibility.relations import BEHIND_OR_REMOVED
from sidecar.compatibility.type_names import parse_type_name
from sidecar.identifiers import display_path
from sidecar.model import (
    Catalog,
    CatalogColumn,
    CatalogType,
    Contract,
    ContractColumn,
    ContractFunction,
    Finding,
    TypeName,
    TypePolicy,
    Use,
)

READER_ACCEPTS: dict[str, frozenset[str]] = {
    "int2": frozenset({"int4"}),
    "float4": frozenset({"float8"}),
    "varchar": frozenset({"text"}),
    "bpchar": frozenset({"text", "varchar"}),
    "name": frozenset({"text", "varchar"}),
    "text": frozenset({"varchar"}),
}
"""What is fine for a reader beside the type itself; names as in pg_type."""
WRITER_ACCEPTS: dict[str, frozenset[str]] = {
    **READER_ACCEPTS,
    "int2": frozenset({"int4", "int8", "numeric"}),
    "int4": frozenset({"int8", "numeric"}),
    "int8": frozenset({"numeric"}),
}
"""The same for a writer, who wants room for every value."""
_STRINGS = frozenset({"text", "varchar", "bpchar", "name"})
_INTERVAL_FIELDS = ("year", "month", "day", "hour", "minute", "second")
_TIMES = frozenset({"time", "timetz", "timestamp", "timestamptz", "interval"})


class Side(msgspec.Struct, frozen=True):
    """A type with its modifiers, on either side of the comparison."""

    oid: int
    type: CatalogType
    modifiers: tuple[str, ...]


def missing_types(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find types that columns and function signatures of the contract name and the role's statements do not see."""
    enums = {str(enum.name) for enum in contract.enums}  # told by the rule for enums
    for key, type_ in {t.key: t for t in unresolved_types(contract, catalog)}.items():
        if display_path(type_.schema, type_.name) in enums:
            continue
        if hiding_type(key, type_.schema, catalog) is not None:
            continue  # told as the privilege that it is
        near = renamed(type_.name, catalog.near.get("types", ()), type_.schema)
        yield TYPE_MISSING.at(key, f"type {key} does not exist on the search_path{near}", BEHIND_OR_REMOVED)


def changed_types(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find columns whose live type none of the contract's types for them is compatible with."""
    for relation, live in matched_relations(contract, catalog):
        for column, live_column in matched_columns(relation, live):
            if type_policy_of(column, contract) is TypePolicy.NAMES:
                continue
            known = [t for t in column.types if t.key in catalog.type_oids]
            if not known or any(_is_compatible(t, column, live_column, contract, catalog) for t in known):
                continue
            path = display_path(live.schema, live.name, column.name)
            expected = " or ".join(str(t) for t in column.types)
            yield COLUMN_TYPE_CHANGED.at(
                path,
                f"column {path} is of type {live_column.type_text}; the image expects {expected}",
                "Roll out the image that was built for the new type, or change the type back.",
            )


def unresolved_arguments(function: ContractFunction, catalog: Catalog) -> bool:
    """True if the signature names a type that is not visible, so that a call of it cannot be planned."""
    return any(t.key not in catalog.type_oids for t in function.arguments or ())


def takes_text(live: CatalogColumn, length: int, catalog: Catalog, *, in_array: bool) -> bool:
    """True if the column, or the elements of its array, takes any text of that many characters."""
    type_ = catalog.types.get(live.type_oid)
    if type_ is None:
        return False
    side = _base(Side(live.type_oid, type_, _modifiers_of(live.type_text)), catalog)
    if in_array:
        element = catalog.types.get(side.type.element_oid)
        if element is None:
            return False
        side = _base(Side(side.type.element_oid, element, side.modifiers), catalog)
    limits = _numbers(side.modifiers)
    is_text = _is_builtin(side) and side.type.name in ("text", "varchar")
    return is_text and (not limits or limits[0] >= length)


def domain_checks(type_oid: int, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Yield the CHECK constraints of a domain, or of an array of one, and of those below it.

    Each as the domain is shown, and the constraint's name.
    """
    type_ = catalog.types.get(type_oid)
    if type_ is not None and type_.element_oid:
        type_ = catalog.types.get(type_.element_oid)
    while type_ is not None and type_.kind == "d":
        for check in type_.checks:
            yield display_path(type_.schema, type_.name), check
        type_ = catalog.types.get(type_.base_oid)


def refuses_null(type_oid: int, catalog: Catalog) -> bool:
    """True for a domain that is NOT NULL, or made of one that is."""
    for _ in range(len(catalog.types)):
        type_ = catalog.types.get(type_oid)
        if type_ is None or type_.kind != "d":
            return False
        if type_.not_null:
            return True
        type_oid = type_.base_oid
    return False


def is_domain(type_oid: int, catalog: Catalog) -> bool:
    """True for a domain, whatever it is made of."""
    type_ = catalog.types.get(type_oid)
    return type_ is not None and type_.kind == "d"


def supplies_default(type_oid: int, catalog: Catalog) -> bool:
    """True for a domain with a default, which fills a column that has none of its own."""
    type_ = catalog.types.get(type_oid)
    return type_ is not None and type_.kind == "d" and type_.has_default


def _is_compatible(
    expected: TypeName, column: ContractColumn, live: CatalogColumn, contract: Contract, catalog: Catalog
) -> bool:
    expected_oid = catalog.type_oids[expected.key]
    if expected_oid not in catalog.types or live.type_oid not in catalog.types:
        return True  # gone between two snapshots: the reads that follow tell
    wanted = Side(expected_oid, catalog.types[expected_oid], expected.modifiers)
    found = Side(live.type_oid, catalog.types[live.type_oid], _modifiers_of(live.type_text))
    if type_policy_of(column, contract) is TypePolicy.EXACT:
        return wanted.oid == found.oid and wanted.modifiers == found.modifiers
    wanted, found = _below_domains(wanted, found, catalog)
    reads = Use.SELECT in column.use
    writes = bool(column.use & {Use.INSERT, Use.UPDATE})
    return (not reads or _reader_accepts(wanted, found, catalog)) and (
        not writes or _writer_accepts(wanted, found, catalog)
    )


def _modifiers_of(type_text: str) -> tuple[str, ...]:
    """Return the modifiers in a ``format_type`` text; none where the server has no name for the type (``???``)."""
    try:
        return parse_type_name(type_text).modifiers
    except ValueError:
        return ()


def _below_domains(wanted: Side, found: Side, catalog: Catalog) -> tuple[Side, Side]:
    if wanted.oid == found.oid:
        return wanted, found
    return _base(wanted, catalog), _base(found, catalog)


def _base(side: Side, catalog: Catalog) -> Side:
    while side.type.kind == "d" and side.type.base_oid in catalog.types:
        modifiers = _modifiers_of(side.type.base_text)
        side = Side(side.type.base_oid, catalog.types[side.type.base_oid], modifiers)
    return side


def _elements(wanted: Side, found: Side, catalog: Catalog) -> tuple[Side, Side] | None:
    oids = wanted.type.element_oid, found.type.element_oid
    if not all(oid in catalog.types for oid in oids):
        return None
    return _below_domains(
        Side(oids[0], catalog.types[oids[0]], wanted.modifiers),
        Side(oids[1], catalog.types[oids[1]], found.modifiers),
        catalog,
    )


def _reader_accepts(wanted: Side, found: Side, catalog: Catalog) -> bool:
    elements = _elements(wanted, found, catalog)
    if elements is not None:
        return _reader_accepts(*elements, catalog)
    if wanted.oid == found.oid:
        return _same_dimensions(wanted, found)
    return found.type.name in _accepted(READER_ACCEPTS, wanted) and _is_builtin(found)


def _writer_accepts(wanted: Side, found: Side, catalog: Catalog) -> bool:
    elements = _elements(wanted, found, catalog)
    if elements is not None:
        return _writer_accepts(*elements, catalog)
    if wanted.oid != found.oid and not (found.type.name in _accepted(WRITER_ACCEPTS, wanted) and _is_builtin(found)):
        return False
    return holds(wanted, found)


def _accepted(table: dict[str, frozenset[str]], wanted: Side) -> frozenset[str]:
    if wanted.type.kind == "e":
        return frozenset({"text", "varchar"})
    return table.get(wanted.type.name, frozenset()) if _is_builtin(wanted) else frozenset()


def _is_builtin(side: Side) -> bool:
    return side.type.schema == "pg_catalog"


def _same_dimensions(wanted: Side, found: Side) -> bool:
    """Modifiers of built-in types change no reader; those of others (vector(3)) are part of the value."""
    return _is_builtin(found) or not wanted.modifiers or wanted.modifiers == found.modifiers


def holds(wanted: Side, found: Side) -> bool:
    """True if every value that fits ``wanted`` fits ``found``, of the same or an accepted type."""
    if not _is_builtin(found):
        return wanted.modifiers == found.modifiers or not (wanted.modifiers and found.modifiers)
    if found.type.name in _TIMES or not found.modifiers:
        return not _cuts_fields(wanted, found)
    bounds, limits = _numbers(wanted.modifiers), _numbers(found.modifiers)
    if bounds is None or limits is None:
        return wanted.modifiers == found.modifiers
    if found.type.name in _STRINGS | {"varbit"}:
        return bool(bounds) and bounds[0] <= limits[0]
    if found.type.name == "numeric" and len(limits) == 2:
        return _numeric_holds(wanted.type.name, bounds, limits)
    return bounds == limits


def _cuts_fields(wanted: Side, found: Side) -> bool:
    """True for an interval that keeps some fields only (interval year to month), and not those that are written."""
    return found.type.name == "interval" and _finest_field(found) < _finest_field(wanted)


def _finest_field(side: Side) -> int:
    """Return the place of an interval's last field; what is finer is cut (timestamp.c, AdjustIntervalForTypmod)."""
    fields = side.modifiers[0].split() if side.modifiers and side.modifiers[0][:1].isalpha() else ["second"]
    return _INTERVAL_FIELDS.index(fields[-1]) if fields[-1] in _INTERVAL_FIELDS else len(_INTERVAL_FIELDS)


def _numbers(modifiers: tuple[str, ...]) -> tuple[int, ...] | None:
    """Return the modifiers as numbers, or None where one is not: the contract's are anybody's text."""
    try:
        return tuple(int(modifier) for modifier in modifiers)
    except ValueError:
        return None


_INTEGER_DIGITS = {"int2": 5, "int4": 10, "int8": 19}


def _numeric_holds(wanted: str, bounds: tuple[int, ...], limits: tuple[int, ...]) -> bool:
    precision, scale = limits
    if wanted in _INTEGER_DIGITS:
        return scale >= 0 and precision - scale >= _INTEGER_DIGITS[wanted]
    if len(bounds) != 2:
        return False
    return scale >= bounds[1] and precision - scale >= bounds[0] - bounds[1]
