"""The state as text that reads well in a terminal of 80 columns."""

import textwrap
from collections.abc import Iterator

from sidecar.identifiers import printable
from sidecar.model import Finding
from sidecar.readiness import State
from sidecar.report import finding_lines
from sidecar.status.overview import About, overview

WIDTH = 80
_LABEL = 10


def status_to_text(state: State, about: About, now: float) -> str:
    """Return the state as lines; a line is longer than 80 columns only where a single name is.

    Args:
        state: the state in force.
        about: the process.
        now: seconds since the epoch.
    """
    return "\n".join(_lines(state, about, now)) + "\n"


def _lines(state: State, about: About, now: float) -> Iterator[str]:
    seen = overview(state, about, now)
    yield from _wrapped(seen.headline, 2)
    for label, text in seen.facts:
        yield from _wrapped(f"  {label:<{_LABEL}}{text}", 2 + _LABEL)
    for title, findings in (("drift, found after ready", seen.drift), ("findings of the verdict", seen.findings)):
        if findings:
            yield from ("", title)
            yield from _findings(findings)
    if seen.attempts:
        yield from ("", "attempt  ended                 took       result")
    for attempt in seen.attempts:
        yield from _wrapped(f"{attempt.number:>7}  {attempt.ended:<20}  {attempt.took:>9}  {attempt.result}", 42)
    if seen.settings:
        yield from ("", "settings")
        width = max(len(name) for name, _ in seen.settings) + 2
        for name, value in seen.settings:
            yield from _wrapped(f"  {name:<{width}}{value}", 2 + width)


def _findings(findings: tuple[Finding, ...]) -> Iterator[str]:
    for finding in findings:
        for line in finding_lines(finding):
            yield from _wrapped(line, 10)


def _wrapped(line: str, indent: int) -> list[str]:
    return textwrap.wrap(
        printable(line), WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )
