"""Constraints, triggers and indexes that the contract claims to know: what is new may refuse, what is gone may slow.

Nobody can tell from outside whether the image ever writes a value that a new constraint refuses: warnings.
"""

from collections.abc import Iterator

from sidecar.compatibility.codes import CONSTRAINT_ADDED, INDEX_MISSING, TRIGGER_ADDED
from sidecar.compatibility.matching import matched_columns, matched_relations
from sidecar.compatibility.types import domain_checks
from sidecar.compatibility.upserts import action_of
from sidecar.identifiers import display_identifier
from sidecar.model import (
    Catalog,
    CatalogConstraint,
    CatalogRelation,
    CatalogTrigger,
    Contract,
    ContractRelation,
    Finding,
    KnownConstraints,
    OnConflict,
    Use,
)

_CHECK_IT = "Check what the image writes; then add it to the contract's constraints."


def added_constraints(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find constraints on what the image writes that the contract does not know."""
    for relation, live in matched_relations(contract, catalog):
        known = relation.constraints
        if known is None or not relation.writes:
            continue
        named = {upsert.constraint for upsert in relation.upserts}
        for constraint in live.constraints:
            words = _words(constraint)
            if constraint.kind in "cfx" and constraint.name not in named and not _is_known(constraint, known):
                sqlstate = {"c": "23514", "f": "23503", "x": "23P01"}[constraint.kind]
                yield _added(live, constraint.name, words, sqlstate)
        yield from _added_unique(relation, live, known)
        yield from _added_domain_checks(relation, live, known, catalog)


def added_triggers(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find triggers that fire on the image's writes and that the contract does not know."""
    for relation, live in matched_relations(contract, catalog):
        if relation.constraints is None:
            continue
        for trigger in live.triggers:
            if trigger.name not in relation.constraints.triggers and _fires(trigger, relation):
                name = display_identifier(trigger.name)
                yield TRIGGER_ADDED.at(
                    f"{live} {name}",
                    f"trigger {name} of {live} fires on the image's writes, and the image was built without it",
                    "Check what the trigger does to the image's writes; then add it to the contract's constraints.",
                )


def missing_indexes(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find indexes that the image needs to be fast and that are gone or INVALID."""
    for relation, live in matched_relations(contract, catalog):
        for wanted in relation.indexes:
            if _has_index(live, wanted):
                continue
            shown = display_identifier(wanted) if isinstance(wanted, str) else _list(wanted)
            what = f"index {shown}" if isinstance(wanted, str) else f"an index that begins with {shown}"
            yield INDEX_MISSING.at(
                f"{live} {shown}",
                f"{live} has no valid {what.removeprefix('an ')}, which the image needs to be fast",
                f"CREATE INDEX CONCURRENTLY ON {live} {shown if not isinstance(wanted, str) else '(…)'};",
            )


def _has_index(live: CatalogRelation, wanted: tuple[str, ...] | str) -> bool:
    valid = [index for index in live.indexes if index.is_valid]
    if isinstance(wanted, str):
        return any(index.name == wanted for index in valid)
    return any(
        index.columns[: len(wanted)] == wanted and not index.has_expressions and not index.is_partial for index in valid
    )


def _added(live: CatalogRelation, name: str, words: str, sqlstate: str) -> Finding:
    shown = display_identifier(name)
    return CONSTRAINT_ADDED.at(
        f"{live} {shown}",
        f"{words} {shown} of {live} may refuse what the image writes: the image was built without it",
        _CHECK_IT,
        sqlstate=sqlstate,
    )


def _words(constraint: CatalogConstraint) -> str:
    return {"c": "CHECK constraint", "f": "foreign key", "x": "exclusion constraint"}.get(constraint.kind, "constraint")


def _is_known(constraint: CatalogConstraint, known: KnownConstraints) -> bool:
    if constraint.kind == "f":
        return any(
            set(key.columns) == set(constraint.columns)
            and key.references.name == constraint.references_name
            and key.references.schema in (None, constraint.references_schema)
            for key in known.foreign_keys
        )
    return constraint.name in (known.checks if constraint.kind == "c" else known.exclusions)


def _added_unique(relation: ContractRelation, live: CatalogRelation, known: KnownConstraints) -> Iterator[Finding]:
    names = {item for item in known.unique if isinstance(item, str)}
    columns = [set(item) for item in known.unique if not isinstance(item, str)]
    columns += [set(upsert.columns) for upsert in relation.upserts if upsert.is_plain]
    columns += [set(index.columns) for index in live.indexes if index.is_primary]
    names |= {upsert.constraint for upsert in relation.upserts if upsert.constraint is not None}
    for index in live.indexes:
        if not index.is_unique or index.is_primary or index.name in names:
            continue
        # What is unique in fewer columns already is unique in these, too.
        if not index.has_expressions and any(some <= set(index.columns) for some in columns):
            continue
        yield _added(live, index.name, "unique index", "23505")


def _added_domain_checks(
    relation: ContractRelation, live: CatalogRelation, known: KnownConstraints, catalog: Catalog
) -> Iterator[Finding]:
    for column, live_column in matched_columns(relation, live):
        if column.use & {Use.INSERT, Use.UPDATE}:
            for domain, check in domain_checks(live_column.type_oid, catalog):
                if check not in known.checks:
                    words = f"through column {display_identifier(column.name)}, domain {domain}'s CHECK constraint"
                    yield _added(live, check, words, "23514")


def _fires(trigger: CatalogTrigger, relation: ContractRelation) -> bool:
    updates = Use.UPDATE in relation.use or any(
        action_of(relation, upsert) is OnConflict.UPDATE for upsert in relation.upserts
    )
    return (
        (trigger.on_insert and Use.INSERT in relation.use)
        or (trigger.on_update and updates)
        or (trigger.on_delete and Use.DELETE in relation.use)
        or (trigger.on_truncate and Use.TRUNCATE in relation.use)
    )


def _list(columns: tuple[str, ...]) -> str:
    return f"({', '.join(display_identifier(name) for name in columns)})"
