"""The rules, in one explicit table, and the one function that applies them."""

from collections.abc import Callable, Iterable

from sidecar.compatibility import columns, enums, extensions, functions, privileges, relations, types, upserts, writes
from sidecar.model import Catalog, Contract, Finding, Severity

Rule = Callable[[Contract, Catalog], Iterable[Finding]]

RULES: tuple[Rule, ...] = (
    relations.missing_schemas,
    relations.missing_relations,
    privileges.missing_on_schemas,
    privileges.missing_on_relations,
    columns.missing_columns,
    columns.changed_nullability,
    types.missing_types,
    types.changed_types,
    writes.required_columns,
    writes.computed_columns,
    upserts.missing_targets,
    enums.changed_enums,
    functions.changed_functions,
    extensions.missing_extensions,
)


def compare(contract: Contract, catalog: Catalog) -> tuple[Finding, ...]:
    """Return every finding of every rule, sorted; empty where the catalog carries the whole contract."""
    return in_order(finding for rule in RULES for finding in rule(contract, catalog))


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings without repetitions, errors first, then by object and code."""
    unique = {(f.severity, f.object, f.code, f.message): f for f in findings}
    return tuple(sorted(unique.values(), key=lambda f: (f.severity is not Severity.ERROR, f.object, f.code, f.message)))
