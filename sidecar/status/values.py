"""The state as plain values, for programs."""

from typing import Any

import msgspec

from sidecar.readiness import Drift, State
from sidecar.report import finding_to_json, report_to_json, to_json
from sidecar.status.overview import About, advice, newest_report, timestamp


def status_to_json(state: State, about: About) -> dict[str, Any]:
    """Return the state as plain values for JSON; times are RFC 3339, durations seconds."""
    report = newest_report(state)
    return {
        "ready": state.is_ready,
        "phase": state.phase.value,
        "line": state.line,
        "since": timestamp(state.since),
        "advice": advice(state) or None,
        "restored_from": None if state.restored_from is None else timestamp(state.restored_from),
        "conclusion": None if state.conclusion is None else to_json(state.conclusion),
        "blocked_by": None if state.blocked_by is None else report_to_json(state.blocked_by),
        "drift": None if state.drift is None else _drift(state.drift),
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
        "contract": {
            **(msgspec.to_builtins(about.contract) if about.contract else {}),
            "file": about.contract_file,
            "written_at": None if about.contract_written_at is None else timestamp(about.contract_written_at),
        },
        "database": None if report is None else msgspec.to_builtins(report.database),
        "versions": {
            "sidecar": about.version,
            "python": about.python,
            "postgresql": None if report is None else report.database.server_version,
        },
        "settings": dict(about.settings),
        "notes": list(about.notes),
    }


def _drift(drift: Drift) -> dict[str, Any]:
    return {
        "checks": drift.checks,
        "at": timestamp(drift.at),
        "duration_s": round(drift.duration_s, 3),
        "verdict": None if drift.failure or drift.report is None else drift.report.verdict,
        "failure": None if drift.failure is None else msgspec.to_builtins(drift.failure),
        "failing_since": None if drift.failing_since is None else timestamp(drift.failing_since),
        "since": None if drift.since is None else timestamp(drift.since),
        "findings": [finding_to_json(finding) for finding in drift.findings],
        "report": None if drift.report is None else report_to_json(drift.report),
    }
