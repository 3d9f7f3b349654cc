"""The whole state for ``/status``: as plain values and as text for a terminal. Pure."""

import time
from typing import Any

import msgspec

from sidecar.readiness import State
from sidecar.report import context_lines, finding_lines, report_to_json, to_json


def status_to_json(state: State) -> dict[str, Any]:
    """Return the state as plain values for JSON."""
    return {
        "ready": state.is_ready,
        "phase": state.phase.value,
        "line": state.line,
        "since": timestamp(state.since),
        "conclusion": None if state.conclusion is None else to_json(state.conclusion),
        "blocked_by": None if state.blocked_by is None else report_to_json(state.blocked_by),
        "attempts": [
            {
                "number": record.number,
                "at": timestamp(record.at),
                "duration_s": round(record.duration_s, 3),
                "failure": None if record.failure is None else msgspec.to_builtins(record.failure),
                "retry_in_s": None if record.retry_in_s is None else round(record.retry_in_s, 3),
            }
            for record in state.attempts
        ],
    }


def status_to_text(state: State) -> str:
    """Return the state as lines that read well in a terminal."""
    lines = [f"{'ready' if state.is_ready else 'not ready'} since {timestamp(state.since)}"]
    if not state.is_ready:
        lines.append(f"  {state.line}")
    report = state.report
    if report is not None:
        lines += context_lines(report)
        lines += [line for finding in report.findings for line in finding_lines(finding)]
    if state.attempts:
        lines += ["", "attempt  ended                 took      result"]
    for record in state.attempts:
        result = "verdict" if record.failure is None else str(record.failure)
        wait = "" if record.retry_in_s is None else f"; next in {record.retry_in_s:.1f} s"
        lines.append(f"{record.number:>7}  {timestamp(record.at):<20}  {record.duration_s:>6.3f} s  {result}{wait}")
    return "\n".join(lines) + "\n"


def timestamp(seconds: float) -> str:
    """Return seconds since the epoch as RFC 3339 in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
