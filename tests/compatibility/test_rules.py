"""What the pure rules make of each schema change, on recorded catalogs: no server, milliseconds each."""

import pytest

from sidecar.compatibility.registry import compare
from sidecar.contract.reader import parse_contract
from sidecar.model import Severity
from tests.compatibility.cases import CASES, Case
from tests.compatibility.recorded import RECORDED_MAJOR, ROLE, catalog_of, load_recorded

RECORDED = load_recorded()
APPLICABLE = [case for case in CASES if case.applies_to(RECORDED_MAJOR)]


def test_every_case_is_recorded_and_nothing_else() -> None:
    """A new case without a recording, or a recording without its case: run python -m tests.tools.record_catalogs."""
    assert sorted(RECORDED) == sorted(case.name for case in APPLICABLE)


@pytest.mark.parametrize("case", [case for case in APPLICABLE if case.name in RECORDED], ids=str)
def test_rules_find_exactly_what_the_case_says(case: Case) -> None:
    """The rules alone give the case's errors and warnings, except those that need the server's own judgement."""
    findings = compare(parse_contract(case.contract_document(ROLE)), catalog_of(RECORDED[case.name]))
    found = {(finding.severity, f"{finding.code} {finding.object}") for finding in findings}
    expected = {(Severity.ERROR, text.replace("{role}", ROLE)) for text in case.finds}
    expected |= {(Severity.WARNING, text.replace("{role}", ROLE)) for text in case.warns}
    assert expected == found
