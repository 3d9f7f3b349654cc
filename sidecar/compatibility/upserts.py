"""Upserts: is there a unique index that ON CONFLICT could infer?

PostgreSQL documentation, "INSERT", ``conflict_target``: any order of columns, but exactly these; a partial index
needs a predicate in the clause; an INVALID index is never inferred; a deferrable one cannot arbitrate.
"""

from collections.abc import Iterator

from sidecar.compatibility.codes import UPSERT_TARGET_DEFERRABLE, UPSERT_TARGET_MISSING
from sidecar.compatibility.matching import matched_relations
from sidecar.identifiers import display_identifier
from sidecar.model import Catalog, CatalogIndex, CatalogRelation, Contract, Finding


def missing_targets(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find ON CONFLICT column lists that no usable unique index of the live relation fits."""
    for relation, live in matched_relations(contract, catalog):
        for upsert in relation.upserts:
            if live.kind == "v" or any(live.column(name) is None for name in upsert):
                continue  # the base table's indexes count for a view: its plan tells; a missing column is told itself
            fitting = [index for index in live.unique_indexes if _fits(index, upsert)]
            if any(index.is_immediate for index in fitting):
                continue
            columns = ", ".join(display_identifier(name) for name in upsert)
            if fitting:
                yield UPSERT_TARGET_DEFERRABLE.at(
                    target_of(live, upsert),
                    f"ON CONFLICT ({columns}) on {live}: its unique constraint"
                    f" {display_identifier(fitting[0].name)} is DEFERRABLE and cannot arbitrate",
                    "Make the constraint NOT DEFERRABLE.",
                )
            else:
                near = _near(live.unique_indexes, upsert)
                yield UPSERT_TARGET_MISSING.at(
                    target_of(live, upsert),
                    f"ON CONFLICT ({columns}) on {live}: no unique index or constraint matches{near}",
                    f"CREATE UNIQUE INDEX CONCURRENTLY ON {live} ({columns});",
                )


def target_of(live: CatalogRelation, upsert: tuple[str, ...]) -> str:
    """Return how findings name an upsert's target: the relation and the columns."""
    return f"{live} ({', '.join(display_identifier(name) for name in upsert)})"


def _fits(index: CatalogIndex, upsert: tuple[str, ...]) -> bool:
    plain = not index.has_expressions and not index.is_partial
    return plain and index.is_valid and set(index.columns) == set(upsert)


def _near(indexes: tuple[CatalogIndex, ...], upsert: tuple[str, ...]) -> str:
    for index in indexes:
        if set(index.columns) == set(upsert):
            name = display_identifier(index.name)
            if not index.is_valid:
                return f" (index {name} is INVALID)"
            if index.is_partial:
                return f" (index {name} is partial)"
    return ""
