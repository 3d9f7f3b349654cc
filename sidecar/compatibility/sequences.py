"""Sequences: are those that the image draws from there, open to the role, and not at their end?

Drawn from by the image itself (the contract's ``sequences``), or by the server for a column that an INSERT
leaves to its default. An identity column's own sequence needs no privilege.
"""

from collections.abc import Iterator

from sidecar.compatibility.codes import SEQUENCE_EXHAUSTED, SEQUENCE_MISSING, SEQUENCE_PRIVILEGE_MISSING
from sidecar.compatibility.matching import is_told_with_schema, matched_relations
from sidecar.compatibility.relations import BEHIND_OR_REMOVED
from sidecar.identifiers import display_identifier, display_path
from sidecar.model import Catalog, CatalogSequence, Contract, Finding, Use


def missing_sequences(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find sequences that the contract names and the role's statements would not reach."""
    for name in contract.sequences:
        if str(name) not in catalog.sequences and not is_told_with_schema(name, catalog):
            yield SEQUENCE_MISSING.at(str(name), f"sequence {name} does not exist", BEHIND_OR_REMOVED)


def unusable_sequences(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find sequences that refuse the next draw: each once, whatever draws from it."""
    role = display_identifier(catalog.database.role)
    drawn = sorted(_drawn(contract, catalog), key=lambda pair: (str(pair[0]), pair[1]))
    closed = {str(sequence): user for sequence, user in reversed(drawn) if not sequence.can_use}
    ended = {str(sequence): user for sequence, user in reversed(drawn) if sequence.is_exhausted}
    for sequence, user in closed.items():
        yield SEQUENCE_PRIVILEGE_MISSING.at(
            sequence,
            f"permission denied for sequence {sequence}: role {role} has no USAGE on it, and {user} draws from it",
            f"GRANT USAGE ON SEQUENCE {sequence} TO {role};",
        )
    for sequence, user in ended.items():
        yield SEQUENCE_EXHAUSTED.at(
            sequence,
            f"sequence {sequence} has reached its end, and {user} draws from it",
            f"Widen what takes its values, then ALTER SEQUENCE {sequence} AS bigint NO MAXVALUE;",
        )


def _drawn(contract: Contract, catalog: Catalog) -> Iterator[tuple[CatalogSequence, str]]:
    """Yield the sequences, each with what draws from it."""
    for name in contract.sequences:
        if (sequence := catalog.sequences.get(str(name))) is not None:
            yield sequence, "the image"
    for relation, live in matched_relations(contract, catalog):
        written = {column.name for column in relation.columns_for(Use.INSERT)}
        for column in live.columns if Use.INSERT in relation.use else ():
            if column.sequence is not None and column.name not in written:
                yield column.sequence, f"the default of {display_path(live.schema, live.name, column.name)}"
