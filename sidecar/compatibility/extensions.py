"""Extensions: are they installed in this database?"""

from collections.abc import Iterator

from sidecar.compatibility.codes import EXTENSION_MISSING
from sidecar.identifiers import display_identifier
from sidecar.model import Catalog, Contract, Finding


def missing_extensions(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find extensions that the contract names and the database has not installed."""
    for name in contract.extensions:
        if name not in catalog.extensions:
            shown = display_identifier(name)
            yield EXTENSION_MISSING.at(
                shown, f"extension {shown} is not installed in this database", f"CREATE EXTENSION {shown};"
            )
