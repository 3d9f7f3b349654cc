"""What text is sorted and searched with: collations and text search configurations."""

from collections.abc import Iterator

from sidecar.compatibility.codes import COLLATION_MISSING, TEXT_SEARCH_CONFIGURATION_MISSING
from sidecar.compatibility.matching import is_told_with_schema
from sidecar.compatibility.relations import BEHIND_OR_REMOVED
from sidecar.model import Catalog, Contract, Finding


def missing_collations(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find collations that the contract names and the role's statements would not reach."""
    for name in contract.collations:
        if str(name) not in catalog.collations and not is_told_with_schema(name, catalog):
            yield COLLATION_MISSING.at(str(name), f"collation {name} does not exist", BEHIND_OR_REMOVED)


def missing_configurations(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Find text search configurations that the contract names and the role's statements would not reach."""
    for name in contract.text_search_configurations:
        if str(name) not in catalog.text_search_configurations and not is_told_with_schema(name, catalog):
            yield TEXT_SEARCH_CONFIGURATION_MISSING.at(
                str(name), f"text search configuration {name} does not exist", BEHIND_OR_REMOVED
            )
