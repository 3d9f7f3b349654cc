"""Acceptances: findings that the contract's owners know of and that gate no more."""

from collections.abc import Iterable, Iterator

import msgspec

from sidecar.compatibility.codes import ACCEPTANCE_UNUSED
from sidecar.model import Acceptance, Finding


def with_acceptances(findings: Iterable[Finding], acceptances: tuple[Acceptance, ...]) -> Iterator[Finding]:
    """Yield the findings, the accepted ones marked, and a warning for each acceptance that matches none."""
    reasons = {(acceptance.code, acceptance.object): acceptance.reason for acceptance in acceptances}
    used: set[tuple[str, str]] = set()
    for finding in findings:
        key = finding.code, finding.object
        if key in reasons:
            used.add(key)
            yield msgspec.structs.replace(finding, accepted=reasons[key])
        else:
            yield finding
    for code, object_ in reasons.keys() - used:
        yield ACCEPTANCE_UNUSED.at(
            f"{code} {object_}",
            f"the contract accepts {code} of {object_}, and there is no such finding",
            "Take the acceptance out of the contract.",
        )
