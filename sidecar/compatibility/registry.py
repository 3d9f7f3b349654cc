"""The rules, in one explicit table, and the one function that applies them."""

from collections.abc import Callable, Iterable

from sidecar.compatibility import (
    columns,
    constraints,
    enums,
    extensions,
    functions,
    policies,
    privileges,
    relations,
    sequences,
    sessions,
    text_objects,
    types,
    upserts,
    writes,
)
from sidecar.model import Catalog, Contract, Finding, Severity

Rule = Callable[[Contract, Catalog], Iterable[Finding]]

RULES: tuple[Rule, ...] = (
    relations.missing_schemas,
    relations.missing_relations,
    relations.replaced_relations,
    relations.unpopulated_views,
    privileges.missing_on_schemas,
    privileges.missing_on_relations,
    columns.missing_columns,
    columns.changed_nullability,
    types.missing_types,
    types.changed_types,
    writes.required_columns,
    writes.required_below_views,
    writes.computed_columns,
    writes.missing_partitions,
    upserts.missing_targets,
    constraints.added_constraints,
    constraints.added_triggers,
    constraints.missing_indexes,
    policies.denying_policies,
    enums.changed_enums,
    functions.changed_functions,
    functions.refused_in_writes,
    sequences.missing_sequences,
    sequences.unusable_sequences,
    text_objects.missing_collations,
    text_objects.missing_configurations,
    extensions.missing_extensions,
    sessions.read_only_server,
    sessions.short_timeouts,
    sessions.refused_temporary_tables,
)


def compare(contract: Contract, catalog: Catalog) -> tuple[Finding, ...]:
    """Return every finding of every rule, sorted; empty where the catalog carries the whole contract."""
    return in_order(finding for rule in RULES for finding in rule(contract, catalog))


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings without repetitions: errors, warnings, accepted ones; then by object and code."""
    unique = {(f.severity, f.object, f.code, f.message): f for f in findings}
    return tuple(sorted(unique.values(), key=_place))


def _place(finding: Finding) -> tuple[bool, bool, str, str, str]:
    is_accepted = finding.accepted is not None
    return is_accepted, finding.severity is not Severity.ERROR, finding.object, finding.code, finding.message
