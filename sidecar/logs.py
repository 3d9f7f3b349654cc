"""structlog set-up, and the lines that the daemon logs: one an attempt, one a transition."""

import contextlib
import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from sidecar.model import Finding
from sidecar.readiness import (
    AttemptEnded,
    Concluded,
    DrainStarted,
    Drift,
    DriftChecked,
    Event,
    PassRestored,
    Phase,
    State,
)
from sidecar.report import Conclusion, ExitCode, Report, finding_to_json, position_to_json
from sidecar.settings import Values

LISTENING = "listening"
CONTRACT_LOADED = "contract loaded"
VARIABLE_IGNORED = "unknown variable ignored"
KEYS_IGNORED = "keys of the database URL ignored"
ATTEMPT_FAILED = "attempt failed"
ATTEMPT_DECIDED = "attempt decided"
BLOCKED = "blocked"
READY = "ready"
RESTORED = "restored"
STATE_FILE_UNUSED = "state file not used"
STATE_FILE_FAILED = "state file not written"
DRIFT_FOUND = "drift found"
DRIFT_CLEARED = "drift cleared"
DRIFT_UNKNOWN = "drift check failed"
DRIFT_CHECKED = "drift checked"
DRAINING = "draining"
EXITED = "exited"
TERMINATION_LOG_FAILED = "termination log not written"
LIBRARY = "library message"
BUG = "bug"

FINDINGS_SHOWN = 50
"""Findings or problems in one line: container runtimes split lines at 16 KiB. /status and the report have them all."""

Logger = Any  # structlog's loggers are typed by what wraps them; ours are FilteringBoundLogger


def configure(values: Values, stream: TextIO | None = None) -> Logger:
    """Set structlog up and return the logger.

    Args:
        values: the settings: format and level.
        stream: where lines go; standard error by default, for standard output belongs to commands' results.
    """
    stream = stream or sys.stderr
    console = values.log_format == "console" or (values.log_format == "auto" and stream.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty()) if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _in_reading_order,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[values.log_level.upper()]),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=False,
    )
    logger = structlog.get_logger()
    logging.basicConfig(handlers=[_Bridge(logger)], level=logging.WARNING, force=True)
    return logger


def _in_reading_order(logger: Logger, method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Put time, level and event first: people read these lines too."""
    return {key: event[key] for key in ("timestamp", "level", "event")} | dict(event)


class _Lines:
    """Writes lines, and goes on without them where the stream is closed or its disk full.

    A reader of logs that went away is no reason for a pod to lose its readiness.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(message + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = msg


class _Bridge(logging.Handler):
    """Passes what libraries log through the standard library on as lines of ours, without tracebacks."""

    def __init__(self, logger: Logger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._logger.warning(
            LIBRARY,
            library=record.name,
            message=record.getMessage(),
            **({"error": f"{type(error).__name__}: {error}"} if error else {}),
        )


def observe(logger: Logger, state: State, event: Event) -> None:
    """Log what happened, if it is worth a line."""
    match event:
        case AttemptEnded() if event.failure is not None:
            failure = event.failure
            logger.warning(
                ATTEMPT_FAILED,
                attempt=event.number,
                duration_s=round(event.duration_s, 3),
                disposition=failure.disposition.value,
                phase=failure.phase.value,
                reason=failure.reason,
                message=failure.message,
                sqlstate=failure.sqlstate,
                retry_in_s=None if event.retry_in_s is None else round(event.retry_in_s, 3),
            )
        case AttemptEnded() if event.report is not None and event.retry_in_s is not None:
            logger.warning(
                BLOCKED,
                attempt=event.number,
                duration_s=round(event.duration_s, 3),
                reason=event.report.headline,
                retry_in_s=round(event.retry_in_s, 3),
            )
        case AttemptEnded() if event.report is not None:
            logger.info(
                ATTEMPT_DECIDED,
                attempt=event.number,
                duration_s=round(event.duration_s, 3),
                verdict=event.report.verdict,
                findings=len(event.report.findings),
            )
        case Concluded() if state.phase is Phase.READY and event.conclusion.report is not None:
            logger.info(
                READY,
                attempts=event.conclusion.attempts,
                elapsed_s=round(event.conclusion.elapsed_s, 3),
                **_context(event.conclusion.report),
                **_findings(event.conclusion.report.findings),
            )
        case PassRestored():
            logger.info(RESTORED, verdict_at=round(event.verdict_at, 3), **_context(event.report))
        case DriftChecked() if state.drift is not None:
            _observe_drift(logger, state.drift, event)
        case DrainStarted():
            logger.info(DRAINING, signal=event.signal)


def _observe_drift(logger: Logger, drift: Drift, event: DriftChecked) -> None:
    """Log a check after ready: one line where it changed what is known, else one for debugging."""
    fields: dict[str, Any] = {"check": drift.checks, "duration_s": round(drift.duration_s, 3)}
    if drift.failure is not None:
        log = logger.warning if drift.is_news else logger.debug
        log(
            DRIFT_UNKNOWN,
            **fields,
            disposition=drift.failure.disposition.value,
            reason=drift.failure.reason,
            message=drift.failure.message,
            sqlstate=drift.failure.sqlstate,
        )
    elif drift.report is not None and drift.since == event.at:
        log, name = (logger.error, DRIFT_FOUND) if drift.findings else (logger.info, DRIFT_CLEARED)
        if drift.report.migrations is not None:
            fields["migrations"] = position_to_json(drift.report)
        log(name, **fields, **_context(drift.report), **_findings(drift.findings))
    elif drift.report is not None:
        log = logger.info if drift.is_news else logger.debug
        log(DRIFT_CHECKED, **fields, verdict=drift.report.verdict, findings=len(drift.findings))


def log_exit(logger: Logger, code: ExitCode, conclusion: Conclusion | None, reason: str) -> None:
    """Log the last line: verdict, exit code and findings."""
    report = conclusion.report if conclusion else None
    fields: dict[str, Any] = {
        "exit_code": int(code),
        "verdict": None if report is None else conclusion and conclusion.outcome.value,
        "reason": reason,
    }
    if report is not None:
        fields |= _context(report) | _findings(report.findings)
        if report.migrations is not None:
            fields["migrations"] = position_to_json(report)
    if conclusion and conclusion.problems:
        fields["problems"] = list(conclusion.problems[:FINDINGS_SHOWN])
        if len(conclusion.problems) > FINDINGS_SHOWN:
            fields["problems_total"] = len(conclusion.problems)
    # A pod that is told to stop while it waits for its database is nobody's error.
    levels = {ExitCode.OK: logger.info, ExitCode.TERMINATED: logger.warning, ExitCode.INTERRUPTED: logger.warning}
    levels.get(code, logger.error)(EXITED, **fields)


def _context(report: Report) -> dict[str, Any]:
    return {
        "contract": report.contract.name,
        "digest": report.contract.digest,
        "database": f"{report.database.name} on {report.database.host}:{report.database.port}",
    }


def _findings(findings: tuple[Finding, ...]) -> dict[str, Any]:
    if not findings:
        return {"findings": []}
    return {
        "findings": [finding_to_json(finding) for finding in findings[:FINDINGS_SHOWN]],
        **({"findings_total": len(findings)} if len(findings) > FINDINGS_SHOWN else {}),
    }
