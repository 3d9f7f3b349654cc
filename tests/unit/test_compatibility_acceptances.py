from sidecar.compatibility.acceptances import with_acceptances
from sidecar.compatibility.registry import in_order
from sidecar.model import Acceptance, Finding, Severity
from tests.unit import builders


def accepting(*findings: Finding, reason: str = "planned") -> tuple[Acceptance, ...]:
    return tuple(Acceptance(code=f.code, object=f.object, reason=reason) for f in findings)


def test_an_accepted_finding_gates_no_more_and_is_still_told() -> None:
    """An acceptance keeps the finding as it is and adds the reason."""
    finding = builders.finding()
    (found,) = with_acceptances((finding,), accepting(finding))
    assert "planned" == found.accepted
    assert (finding.code, finding.object, finding.message, finding.help, finding.severity) == (
        found.code,
        found.object,
        found.message,
        found.help,
        found.severity,
    )
    assert not found.gates(strict=False)
    assert not found.gates(strict=True)


def test_every_finding_of_the_object_and_code_is_accepted() -> None:
    """Two findings that tell the same code of the same object share one acceptance."""
    one, two = builders.finding("one"), builders.finding("two")
    assert ["planned", "planned"] == [found.accepted for found in with_acceptances((one, two), accepting(one))]


def test_code_and_object_both_have_to_match() -> None:
    """An acceptance of another code or of another object accepts nothing, and is told as unused."""
    finding = builders.finding()
    others = (
        Acceptance(code="column-type-changed", object=finding.object, reason="r"),
        Acceptance(code=finding.code, object="public.workflow.size", reason="r"),
        Acceptance(code=finding.code, object=finding.object.upper(), reason="r"),
    )
    kept, *unused = with_acceptances((finding,), others)
    assert finding == kept
    assert {"acceptance-unused"} == {found.code for found in unused}
    assert {Severity.WARNING} == {found.severity for found in unused}
    assert {f"{other.code} {other.object}" for other in others} == {found.object for found in unused}


def test_an_unused_acceptance_says_which_one_it_is() -> None:
    """The message names code and object, so that the line can be found in the contract."""
    (found,) = with_acceptances((), (Acceptance(code="index-missing", object="public.t (a)", reason="r"),))
    assert "the contract accepts index-missing of public.t (a), and there is no such finding" == found.message
    assert found.accepted is None


def test_without_acceptances_nothing_changes() -> None:
    """Findings pass through as they are, in their order."""
    findings = (builders.warning(), builders.finding())
    assert findings == tuple(with_acceptances(findings, ()))


def test_accepted_findings_come_last() -> None:
    """A report shows what gates first, then warnings, then what is accepted."""
    gating, warning = builders.finding("a"), builders.warning()
    accepted = builders.finding("b", object="a", accepted="why")
    accepted_warning = builders.finding("c", object="0", severity=Severity.WARNING, accepted="why")
    assert (gating, warning, accepted, accepted_warning) == in_order((accepted_warning, accepted, warning, gating))
