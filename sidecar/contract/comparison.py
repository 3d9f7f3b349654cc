"""Two contracts: what does the second demand of a database beyond the first, and what no more?

Nobody asks a server here. What fits the first contract is known only by the rules of ``compatibility``; a demand
of the second is left out where every database that those rules let pass for the first meets it, too. Whatever
cannot be proved so is told. A demand whose finding would be an error may keep a database that fits the first from
fitting the second; where the finding would be a warning, it does so only where warnings gate.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TypeVar

import msgspec

from sidecar.compatibility.matching import SYSTEM_COLUMNS, type_policy_of, types_of
from sidecar.compatibility.types import READER_ACCEPTS, WRITER_ACCEPTS, Side, holds
from sidecar.compatibility.upserts import action_of
from sidecar.identifiers import display_identifier, display_path, quote_literal
from sidecar.model import (
    CatalogType,
    Contract,
    ContractColumn,
    ContractEnum,
    ContractFunction,
    ContractQuery,
    ContractRelation,
    ContractUpsert,
    ForeignKey,
    KnownConstraints,
    Name,
    OnConflict,
    Severity,
    TypeName,
    TypePolicy,
    Use,
)

_WRITES = frozenset({Use.INSERT, Use.UPDATE})
_STRICTNESS = {TypePolicy.NAMES: 0, TypePolicy.WIDENING: 1, TypePolicy.EXACT: 2}
_GRAMMAR_NAMES = {
    # Words of SQL's grammar → names as in pg_type, by which the table of accepted types goes.
    "smallint": "int2",
    "integer": "int4",
    "bigint": "int8",
    "real": "float4",
    "double precision": "float8",
    "numeric": "numeric",
    "boolean": "bool",
    "bit": "bit",
    "bit varying": "varbit",
    "character": "bpchar",
    "character varying": "varchar",
    "time without time zone": "time",
    "time with time zone": "timetz",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "interval": "interval",
}
_PLAIN_NAMES = frozenset(
    "bpchar box bytea cidr circle date daterange inet int4range int8range json jsonb jsonpath line lseg"
    " macaddr macaddr8 money name numrange oid path pg_lsn point polygon text tsquery tsrange tstzrange tsvector"
    " uuid xml".split()
)
"""Built-in types that SQL spells without a grammar of their own; any other name counts as one of the database's."""

_T = TypeVar("_T")


class Demand(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One thing that a contract asks of the database."""

    object: str
    """What it is asked of, as PostgreSQL would show it: ``relation``, ``relation.column`` or the thing's own name."""
    kind: str
    """The sort of demand: ``column``, ``type``, ``use``; one of a few words."""
    what: str
    """The demand in words."""
    severity: Severity
    """Error: a database that fits the other contract may not fit this one. Warning: only where warnings gate."""

    def may_not_fit(self, *, strict: bool) -> bool:
        """True if a database that fits the other contract may not meet this."""
        return strict or self.severity is Severity.ERROR


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What the second contract demands beyond the first, and what it no longer needs; sorted."""

    demands: tuple[Demand, ...]
    no_longer: tuple[Demand, ...]

    def may_not_fit(self, *, strict: bool = False) -> bool:
        """True if a database that fits the first contract may not fit the second."""
        return any(demand.may_not_fit(strict=strict) for demand in self.demands)


def compare_contracts(a: Contract, b: Contract) -> Comparison:
    """Return what ``b`` demands beyond ``a`` and what ``a`` demands beyond ``b``; the order of neither matters."""
    return Comparison(demands=_in_order(_beyond(a, b)), no_longer=_in_order(_beyond(b, a)))


def _in_order(demands: Iterable[Demand]) -> tuple[Demand, ...]:
    unique = set(demands)
    return tuple(sorted(unique, key=lambda d: (d.severity is not Severity.ERROR, d.object, d.kind, d.what)))


def _error(kind: str, object_: str, what: str) -> Demand:
    return Demand(object=object_, kind=kind, what=what, severity=Severity.ERROR)


def _warning(kind: str, object_: str, what: str) -> Demand:
    return Demand(object=object_, kind=kind, what=what, severity=Severity.WARNING)


def _beyond(a: Contract, b: Contract) -> Iterator[Demand]:
    """Yield what ``b`` demands and ``a`` does not."""
    yield from _path_and_policy(a, b)
    old = {relation.name: relation for relation in a.relations}
    for relation in b.relations:
        yield from _relation(old.get(relation.name), relation, a, b)
    yield from _enums(a, b)
    yield from _type_names(a, b)
    for function in b.functions:
        if not any(_call_is_covered(other, function) for other in a.functions):
            returns = f" returning {'rows of ' * function.returns_set}{function.result}" if function.result else ""
            yield _error("function", str(function), f"the function{returns}")
    for query in b.queries:
        if not any(_query_is_covered(other, query, a) for other in a.queries):
            yield _error("query", query.name, "the query is planned" + (", and run" if query.run else ""))
    yield from _missing("extension", a.extensions, b.extensions, display_identifier)
    yield from _missing("sequence", a.sequences, b.sequences, str)
    yield from _missing("collation", a.collations, b.collations, str)
    configurations = a.text_search_configurations, b.text_search_configurations
    yield from _missing("text search configuration", *configurations, str)
    yield from _session(a, b)
    yield from _acceptances(a, b)


def _missing(kind: str, old: Collection[_T], new: Collection[_T], shown: Callable[[_T], str]) -> Iterator[Demand]:
    for item in new:
        if item not in old:
            yield _error(kind, shown(item), f"the {kind}")


def _path_and_policy(a: Contract, b: Contract) -> Iterator[Demand]:
    if a.search_path != b.search_path:
        path = (
            "the role's own" if b.search_path is None else ", ".join(map(display_identifier, b.search_path)) or "none"
        )
        yield _error("search_path", "search_path", f"names are looked up along the path {path}")
    inherits = any(
        column.types and column.type_policy is None for relation in b.relations for column in relation.columns
    )
    if inherits and _STRICTNESS[b.type_policy] > _STRICTNESS[a.type_policy]:
        yield _error("type policy", "types", f"types are compared by {b.type_policy}, not by {a.type_policy}")


def _relation(old: ContractRelation | None, new: ContractRelation, a: Contract, b: Contract) -> Iterator[Demand]:
    shown = str(new.name)
    if old is None:
        count = len(new.columns)
        uses = ", ".join(use.value for use in Use if use in new.use)
        yield _error("relation", shown, f"the relation with {count} column{'s' * (count != 1)} ({uses})")
        return
    yield from _uses(old, new)
    columns = {column.name: column for column in old.columns}
    for column in new.columns:
        yield from _column(columns.get(column.name), column, display_path(*_path(new.name), column.name), a, b)
    yield from _unwritten(old, new)
    for upsert in new.upserts:
        if not any(_upsert_is_covered(old, other, new, upsert) for other in old.upserts):
            does = action_of(new, upsert).value
            yield _error(
                "upsert", f"{shown} {shown_upsert(upsert)}", f"a unique index for ON CONFLICT DO {does.upper()}"
            )
    if new.constraints is not None and new.use - {Use.SELECT}:
        yield from _constraints(old, new, new.constraints)
    for index in new.indexes:
        if not any(_index_is_covered(other, index) for other in old.indexes):
            yield _warning("index", f"{shown} {shown_key(index)}", "an index, to be fast")


def _uses(old: ContractRelation, new: ContractRelation) -> Iterator[Demand]:
    shown = str(new.name)
    for use in Use:
        if use in new.use and use not in old.use:
            yield _error("use", shown, f"{use.upper()} on the relation")
        elif use in new.use and _names_columns(old, use) and not _names_columns(new, use):
            # A privilege on single columns is enough for statements that name them.
            yield _error("use", shown, f"{use.upper()} on the whole relation: it names no column")


def _path(name: Name) -> tuple[str | None, str]:
    return name.schema, name.name


def _names_columns(relation: ContractRelation, use: Use) -> bool:
    return any(use in column.use and column.name not in SYSTEM_COLUMNS for column in relation.columns)


def _unwritten(old: ContractRelation, new: ContractRelation) -> Iterator[Demand]:
    """Yield the columns that an INSERT no longer gives: the database may want a value, or draw one itself."""
    if Use.INSERT not in new.use:
        return
    written = {column.name for column in new.columns_for(Use.INSERT)}
    for column in old.columns_for(Use.INSERT):
        if column.name not in written:
            path = display_path(*_path(old.name), column.name)
            yield _error("unwritten", path, "INSERT leaves the column out: it takes NULL or has a default")


def _column(old: ContractColumn | None, new: ContractColumn, path: str, a: Contract, b: Contract) -> Iterator[Demand]:
    types = " or ".join(map(str, new.types))
    if old is None:
        yield _error("column", path, f"the column{f' of type {types}' if types else ''}")
        return
    for use in Use:
        if use in new.use and use not in old.use:
            yield _error("use", path, f"{use.upper()} on the column")
    if new.nullable is True and old.nullable is not True and new.use & _WRITES:
        yield _error("nullable", path, "the column takes NULL")
    if new.nullable is False and old.nullable is not False and Use.SELECT in new.use:
        yield _warning("nullable", path, "the column is NOT NULL")
    yield from _column_type(old, new, path, a, b)


def _column_type(old: ContractColumn, new: ContractColumn, path: str, a: Contract, b: Contract) -> Iterator[Demand]:
    policy, before = type_policy_of(new, b), type_policy_of(old, a)
    if policy is TypePolicy.NAMES or not new.types:
        return
    if old.types and _STRICTNESS[policy] > _STRICTNESS[before]:
        if new.type_policy is not None or old.type_policy is not None:  # else told once, for the whole contract
            yield _error("type policy", path, f"the type is compared by {policy}, not by {before}")
        if set(old.types) == set(new.types):
            return
    if not _types_are_covered(old, new, policy, a):
        yield _error("type", path, f"the column is of type {' or '.join(map(str, new.types))}")


def _types_are_covered(old: ContractColumn, new: ContractColumn, policy: TypePolicy, a: Contract) -> bool:
    """True if every live type that one of the old types lets pass one of the new ones lets pass, too."""
    if not old.types or (old.types != new.types and any(_names(old.types[0], enum) for enum in a.enums)):
        # An enum that became text is a warning where the type is named alone.
        return old.types == new.types
    if policy is TypePolicy.EXACT:
        return set(old.types) <= set(new.types)
    return all(any(_implies(before, after, new.use) for after in new.types) for before in old.types)


def _implies(before: TypeName, after: TypeName, use: frozenset[Use]) -> bool:
    """True if whatever takes and gives the values of ``before`` does so for ``after``, in statements of ``use``."""
    if before == after:
        return True
    if before.is_array != after.is_array:
        return False
    names = builtin_name(before), builtin_name(after)
    if names[0] is None or names[1] is None:
        return before.key == after.key and before.schema != "pg_catalog" and not after.modifiers
    sides = [
        Side(0, CatalogType("pg_catalog", name, "b", 0, 0, "", False), type_.modifiers)
        for name, type_ in zip((names[0], names[1]), (before, after), strict=True)
    ]
    if Use.SELECT in use and not _accepted(READER_ACCEPTS, names[0]) <= _accepted(READER_ACCEPTS, names[1]):
        return False
    if not use & _WRITES:
        return True
    return _accepted(WRITER_ACCEPTS, names[0]) <= _accepted(WRITER_ACCEPTS, names[1]) and holds(sides[1], sides[0])


def _accepted(table: dict[str, frozenset[str]], name: str) -> frozenset[str]:
    return table.get(name, frozenset()) | {name}


def builtin_name(type_: TypeName) -> str | None:
    """Return the name in pg_type of a built-in type, or of an array's elements; None for any other."""
    if type_.is_grammar:
        return _GRAMMAR_NAMES.get(type_.name)
    return type_.name if type_.schema in (None, "pg_catalog") and type_.name in _PLAIN_NAMES else None


def _type_names(a: Contract, b: Contract) -> Iterator[Demand]:
    """Yield types that the second contract is the first to name: they have to be within the role's reach."""
    known = {type_.key for type_ in types_of(a)}
    new_enums = {enum.name for enum in b.enums} - {enum.name for enum in a.enums}
    for type_ in types_of(b):
        is_told = Name(type_.schema, type_.name) in new_enums
        if type_.key not in known and builtin_name(type_) is None and not is_told:
            yield _error("type name", type_.key, "the type, by that name")


def _enums(a: Contract, b: Contract) -> Iterator[Demand]:
    old = {enum.name: enum for enum in a.enums}
    for enum in b.enums:
        before = old.get(enum.name)
        if before is None:
            yield _error("enum", str(enum.name), f"the enum with {_labels(enum.labels)}")
            continue
        for label in enum.labels:
            if label not in before.labels:
                yield _error("label", f"{enum.name}.{quote_literal(label).strip()}", "the enum's label")
        users, users_before = _users(enum, b), _users(enum, a)
        if not users <= users_before or bool(users_before) > bool(users):
            # Where all of an enum's columns became text, the enum itself may be gone: a warning.
            yield _error("type name", str(enum.name), "the type itself, even where its columns are text")
    kept = {enum.name for enum in b.enums}
    for enum in a.enums:
        is_named = any(display_path(type_.schema, type_.name) == str(enum.name) for type_ in types_of(b))
        if enum.name not in kept and is_named:
            yield _error("type name", str(enum.name), "the type itself, even where its columns are text")


def _users(enum: ContractEnum, contract: Contract) -> set[tuple[Name, str]]:
    return {
        (relation.name, column.name)
        for relation in contract.relations
        for column in relation.columns
        if any(_names(type_, enum) for type_ in column.types)
    }


def _names(type_: TypeName, enum: ContractEnum) -> bool:
    return not type_.is_grammar and Name(type_.schema, type_.name) == enum.name


def _labels(labels: tuple[str, ...]) -> str:
    shown = ", ".join(quote_literal(label).strip() for label in sorted(labels)[:5])
    return f"the labels {shown}" + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")


def _call_is_covered(old: ContractFunction, new: ContractFunction) -> bool:
    if old.name != new.name:
        return False
    if new.arguments is not None and _keys(old.arguments) != _keys(new.arguments):
        return False
    if new.result is None:
        return True
    return old.result is not None and (old.result.key, old.returns_set) == (new.result.key, new.returns_set)


def _keys(types: tuple[TypeName, ...] | None) -> tuple[str, ...] | None:
    return None if types is None else tuple(type_.key for type_ in types)


def _query_is_covered(old: ContractQuery, new: ContractQuery, a: Contract) -> bool:
    is_same = (old.sql, old.parameter_types) == (new.sql, new.parameter_types) and old.run >= new.run
    return is_same and (old.name == new.name or not a.acceptances)  # an acceptance goes by the query's name


def _upsert_is_covered(
    old_relation: ContractRelation, old: ContractUpsert, new_relation: ContractRelation, new: ContractUpsert
) -> bool:
    if action_of(new_relation, new) is OnConflict.UPDATE and action_of(old_relation, old) is OnConflict.NOTHING:
        return False
    return _target(old) == _target(new)


def _target(upsert: ContractUpsert) -> tuple[frozenset[str], frozenset[str], str | None, str | None]:
    return frozenset(upsert.columns), frozenset(upsert.expressions), upsert.where, upsert.constraint


def shown_upsert(upsert: ContractUpsert) -> str:
    """Return what an upsert's clause names, in one line."""
    if upsert.constraint is not None:
        return display_identifier(upsert.constraint)
    parts = (*map(display_identifier, upsert.columns), *(" ".join(text.split()) for text in upsert.expressions))
    return f"({', '.join(parts)})" + (f" WHERE {' '.join(upsert.where.split())}" if upsert.where else "")


def shown_key(item: tuple[str, ...] | str) -> str:
    """Return an index or unique constraint as a contract knows it: its name, or its columns in parentheses."""
    return display_identifier(item) if isinstance(item, str) else f"({', '.join(map(display_identifier, item))})"


def shown_foreign_key(key: ForeignKey) -> str:
    """Return a foreign key in one line."""
    return f"{shown_key(key.columns)} → {key.references}"


def _constraints(old: ContractRelation, new: ContractRelation, known: KnownConstraints) -> Iterator[Demand]:
    """Yield what the old contract knows of and the new one would be told as added."""
    shown, before = str(new.name), old.constraints
    if before is None:
        yield _warning("constraints", shown, "no constraint or trigger beyond those that the contract knows")
        return
    unique = {item if isinstance(item, str) else frozenset(item) for item in known.unique}
    unique |= {frozenset(upsert.columns) for upsert in new.upserts if upsert.is_plain}
    named = {upsert.constraint for upsert in new.upserts if upsert.constraint is not None}
    for item in (*before.unique, *(upsert.columns for upsert in old.upserts if upsert.is_plain)):
        if isinstance(item, str):
            is_known = item in unique | named
        else:
            is_known = any(isinstance(some, frozenset) and some <= set(item) for some in unique)
        if not is_known:
            yield _warning("constraint", f"{shown} {shown_key(item)}", "no unique index")
    gone = [
        ("constraint", "no constraint", {u.constraint for u in old.upserts if u.constraint is not None} - named),
        ("constraint", "no CHECK constraint", set(before.checks) - set(known.checks)),
        ("constraint", "no exclusion constraint", set(before.exclusions) - set(known.exclusions)),
        ("trigger", "no trigger", set(before.triggers) - set(known.triggers)),
    ]
    for kind, what, names in gone:
        for name in names:
            yield _warning(kind, f"{shown} {display_identifier(name)}", what)
    for key in before.foreign_keys:
        if not any(_key_is_known(key, other) for other in known.foreign_keys):
            yield _warning("constraint", f"{shown} {shown_foreign_key(key)}", "no foreign key")


def _key_is_known(key: ForeignKey, other: ForeignKey) -> bool:
    is_same = set(key.columns) == set(other.columns) and key.references.name == other.references.name
    return is_same and other.references.schema in (None, key.references.schema)


def _index_is_covered(old: tuple[str, ...] | str, new: tuple[str, ...] | str) -> bool:
    if isinstance(old, str) or isinstance(new, str):
        return old == new
    return old[: len(new)] == new


def _session(a: Contract, b: Contract) -> Iterator[Demand]:
    if b.session.temporary_tables and not a.session.temporary_tables:
        yield _error("session", "temporary tables", "the role may make temporary tables")
    for name, before, after in (
        ("statement_timeout", a.session.statement_timeout_s, b.session.statement_timeout_s),
        ("lock_timeout", a.session.lock_timeout_s, b.session.lock_timeout_s),
    ):
        if after is not None and (before is None or before < after):
            yield _warning("session", name, f"off, or at least {after:g} s")


def _acceptances(a: Contract, b: Contract) -> Iterator[Demand]:
    old = {(acceptance.code, acceptance.object) for acceptance in a.acceptances}
    new = {(acceptance.code, acceptance.object) for acceptance in b.acceptances}
    for code, object_ in old - new:
        yield _error("acceptance", object_, f"no finding {code}: it is not accepted")
    for code, object_ in new - old:
        yield _warning("acceptance", object_, f"the finding {code}: accepting what is not there is a warning")
