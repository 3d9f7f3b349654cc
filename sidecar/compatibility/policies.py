"""Row security: does it leave the role any row at all?

Without a permissive policy that applies, row security gives no error to readers: they find nothing.
"""

from collections.abc import Iterator

from sidecar.compatibility.codes import ROW_SECURITY_DENIES
from sidecar.compatibility.matching import matched_relations
from sidecar.identifiers import display_identifier
from sidecar.model import Catalog, Contract, Finding, Use


def denying_policies(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find relations whose row security lets the role see or change no row that the image wants."""
    for relation, live in matched_relations(contract, catalog):
        denied = sorted(relation.use & set(live.denied_by_policy))
        if denied:
            role = display_identifier(catalog.database.role)
            clause = "WITH CHECK" if denied == [Use.INSERT] else "USING"
            verbs = ", ".join(use.upper() for use in denied)
            yield ROW_SECURITY_DENIES.at(
                str(live),
                f"row security of {live} has no policy that lets role {role} {verbs} any row",
                f"CREATE POLICY … ON {live} FOR {verbs if len(denied) == 1 else 'ALL'} TO {role} {clause} (…);",
                sqlstate="42501" if denied == [Use.INSERT] else None,
            )
