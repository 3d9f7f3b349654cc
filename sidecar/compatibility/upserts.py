"""Upserts: is there a constraint or a unique index that ON CONFLICT could use?

PostgreSQL documentation, "INSERT", ``conflict_target``: any order of columns, but exactly these; a partial index
needs a predicate in the clause; an INVALID index is never inferred. Every index that fits is used, and a
deferrable one cannot be (``infer_arbiter_indexes`` and ``ExecCheckIndexConstraints`` of the server's source).

Whether an expression or a predicate fits an index is left to the server, which plans the statement.
"""

from collections.abc import Iterator

from sidecar.compatibility.codes import (
    UPSERT_CONSTRAINT_MISSING,
    UPSERT_TARGET_DEFERRABLE,
    UPSERT_TARGET_EXCLUDING,
    UPSERT_TARGET_MISSING,
)
from sidecar.compatibility.matching import matched_relations
from sidecar.compatibility.nearest import renamed
from sidecar.identifiers import display_identifier
from sidecar.model import (
    Catalog,
    CatalogIndex,
    CatalogRelation,
    Contract,
    ContractRelation,
    ContractUpsert,
    Finding,
    OnConflict,
    Use,
)


def missing_targets(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find ON CONFLICT clauses that no usable constraint or unique index of the live relation fits."""
    for relation, live in matched_relations(contract, catalog):
        for upsert in relation.upserts:
            if any(live.column(name) is None for name in upsert.columns):
                continue  # told itself
            if upsert.constraint is not None:
                yield from _by_name(relation, live, upsert, upsert.constraint)
            elif not upsert.expressions:
                yield from _by_columns(live, upsert)


def target_of(live: CatalogRelation, upsert: ContractUpsert) -> str:
    """Return how findings name an upsert's target: the relation and what the clause names."""
    return f"{live} {_clause(upsert)}"


def action_of(relation: ContractRelation, upsert: ContractUpsert) -> OnConflict:
    """Return what the upsert does on a conflict: as the contract says, else an update where the image updates."""
    if upsert.action is not None:
        return upsert.action
    return OnConflict.UPDATE if relation.columns_for(Use.UPDATE) else OnConflict.NOTHING


def _clause(upsert: ContractUpsert) -> str:
    if upsert.constraint is not None:
        return display_identifier(upsert.constraint)
    parts = [*(display_identifier(name) for name in upsert.columns), *map(_in_one_line, upsert.expressions)]
    return f"({', '.join(parts)})" + (f" WHERE {_in_one_line(upsert.where)}" if upsert.where else "")


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def _by_columns(live: CatalogRelation, upsert: ContractUpsert) -> Iterator[Finding]:
    fitting = [index for index in live.indexes if _fits(index, upsert.columns)]
    deferrable = [index for index in fitting if not index.is_immediate]
    if deferrable:
        name = display_identifier(min(index.name for index in deferrable))
        yield UPSERT_TARGET_DEFERRABLE.at(
            target_of(live, upsert),
            f"ON CONFLICT {_clause(upsert)} on {live}: its unique constraint {name} is DEFERRABLE and cannot arbitrate",
            "Make the constraint NOT DEFERRABLE.",
        )
    elif not fitting and upsert.is_plain and live.kind != "v":  # for a view the plan tells
        near = _near(live.indexes, upsert.columns)
        yield UPSERT_TARGET_MISSING.at(
            target_of(live, upsert),
            f"ON CONFLICT {_clause(upsert)} on {live}: no unique index or constraint matches{near}",
            f"CREATE UNIQUE INDEX CONCURRENTLY ON {live} {_clause(upsert)};",
        )


def _by_name(relation: ContractRelation, live: CatalogRelation, upsert: ContractUpsert, name: str) -> Iterator[Finding]:
    shown = display_identifier(name)
    found = next((constraint for constraint in live.constraints if constraint.name == name), None)
    if found is None:
        message = f"ON CONFLICT ON CONSTRAINT {shown} on {live}: no such constraint"
        if any(index.name == name for index in live.indexes):
            message += f"; {shown} is a plain index now"
        else:
            others = {constraint.name for constraint in live.constraints if constraint.kind in "pu"}
            message += renamed(name, others)
        yield UPSERT_CONSTRAINT_MISSING.at(
            target_of(live, upsert),
            message,
            f"ALTER TABLE {live} ADD CONSTRAINT {shown} UNIQUE USING INDEX …; or name the columns in the statement.",
        )
    elif found.kind not in "pux":
        yield UPSERT_CONSTRAINT_MISSING.at(
            target_of(live, upsert),
            f"ON CONFLICT ON CONSTRAINT {shown} on {live}: it is no unique constraint any more",
            "Put the unique constraint back, or name the columns in the statement.",
            sqlstate="42809",
        )
    elif found.kind == "x" and action_of(relation, upsert) is OnConflict.UPDATE:
        yield UPSERT_TARGET_EXCLUDING.at(
            target_of(live, upsert),
            f"ON CONFLICT ON CONSTRAINT {shown} DO UPDATE on {live}: it is an exclusion constraint, which takes"
            " DO NOTHING only",
            "Put the unique constraint back, or deploy an image that does nothing on a conflict.",
        )
    elif found.is_deferrable:
        yield UPSERT_TARGET_DEFERRABLE.at(
            target_of(live, upsert),
            f"ON CONFLICT ON CONSTRAINT {shown} on {live}: it is DEFERRABLE and cannot arbitrate",
            "Make the constraint NOT DEFERRABLE.",
        )


def _fits(index: CatalogIndex, columns: tuple[str, ...]) -> bool:
    plain = index.is_unique and not index.has_expressions and not index.is_partial
    return plain and index.is_valid and set(index.columns) == set(columns)


def _near(indexes: tuple[CatalogIndex, ...], columns: tuple[str, ...]) -> str:
    for index in sorted(indexes, key=lambda index: index.name):
        if index.is_unique and set(index.columns) == set(columns):
            name = display_identifier(index.name)
            if not index.is_valid:
                return f" (index {name} is INVALID)"
            if index.is_partial:
                return f" (index {name} is partial)"
    return ""
