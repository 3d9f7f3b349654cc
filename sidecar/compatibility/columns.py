"""Columns: are they there, and do they take and give NULL as the image expects?"""

from collections.abc import Iterator

from sidecar.compatibility.codes import COLUMN_MISSING, COLUMN_NOT_NULL, COLUMN_NULLABLE
from sidecar.compatibility.matching import SYSTEM_COLUMNS, matched_columns, matched_relations
from sidecar.compatibility.nearest import renamed
from sidecar.compatibility.relations import BEHIND_OR_REMOVED
from sidecar.compatibility.types import refuses_null
from sidecar.identifiers import display_identifier, display_path
from sidecar.model import Catalog, Contract, Finding, Use


def missing_columns(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find columns that the contract names and the live relation does not have."""
    for relation, live in matched_relations(contract, catalog):
        there = {column.name for column in live.columns}
        unknown = there - {column.name for column in relation.columns}
        if live.kind != "v":
            there |= SYSTEM_COLUMNS
        for column in relation.columns:
            if column.name not in there:
                name = display_identifier(column.name)
                yield COLUMN_MISSING.at(
                    display_path(live.schema, live.name, column.name),
                    f"column {name} of relation {live} does not exist{renamed(column.name, unknown)}",
                    BEHIND_OR_REMOVED,
                )


def changed_nullability(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find columns that refuse the NULL that the image writes, or may give a NULL that its readers do not expect."""
    for relation, live in matched_relations(contract, catalog):
        for column, live_column in matched_columns(relation, live):
            path = display_path(live.schema, live.name, column.name)
            refuses = live_column.not_null or refuses_null(live_column.type_oid, catalog)
            if column.nullable is True and refuses and column.use & {Use.INSERT, Use.UPDATE}:
                yield COLUMN_NOT_NULL.at(
                    path,
                    f"column {path} is NOT NULL, and the image writes NULL to it",
                    f"ALTER TABLE {live} ALTER COLUMN {display_identifier(column.name)} DROP NOT NULL;"
                    " or deploy an image that always gives a value.",
                )
            if column.nullable is False and not refuses and Use.SELECT in column.use and live.kind in "rpf":
                yield COLUMN_NULLABLE.at(
                    path,
                    f"column {path} may hold NULL, and the image's readers rely on a value",
                    "Check that the image's readers take NULL, or put the NOT NULL back.",
                )
