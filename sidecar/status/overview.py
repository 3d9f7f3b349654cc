"""What a person needs to see first, second and third: the state in words, before it is laid out."""

import time

import msgspec

from sidecar.compatibility.migrations import sentence
from sidecar.model import Database, Failure, Finding, Side
from sidecar.readiness import AttemptRecord, Drift, Phase, State
from sidecar.report import ContractSummary, Report, coverage_sentence, plural

Fact = tuple[str, str]
"""A label and what there is to say."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What the state does not know of the process that it belongs to. Nothing in it is secret."""

    version: str
    python: str
    contract: ContractSummary | None = None
    """None before it is read."""
    contract_file: str = ""
    contract_written_at: float | None = None
    """When the contract's file was last written, in seconds since the epoch: where an image brings it, at its build."""
    drift_interval_s: float = 0.0
    settings: tuple[Fact, ...] = ()
    """Every setting in force by its variable; of the database's address, where it stands."""
    notes: tuple[str, ...] = ()
    """What went wrong beside the preflight, such as a state file that could not be used."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A finished attempt in words."""

    number: str
    ended: str
    took: str
    result: str


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The state in words, in reading order."""

    is_ready: bool
    is_waiting: bool
    """Something will change soon by itself."""
    headline: str
    facts: tuple[Fact, ...]
    drift: tuple[Finding, ...]
    """What has been found since ``/ready`` opened."""
    findings: tuple[Finding, ...]
    """Findings of the verdict that ``/ready`` follows."""
    attempts: tuple[Attempt, ...]
    settings: tuple[Fact, ...]


def overview(state: State, about: About, now: float) -> Overview:
    """Choose what to tell.

    Args:
        state: the state in force.
        about: the process.
        now: seconds since the epoch.
    """
    report = newest_report(state)
    drift = state.drift.findings if state.drift else ()
    facts = [
        *([] if state.is_ready else [("why", state.line)]),
        ("verdict", _verdict(state)),
        *([("drift", _drift(state, about, now))] if state.is_ready else []),
        *[("do", text) for text in [advice(state)] if text],
        *[("note", note) for note in about.notes],
        ("contract", _contract(about, now)),
        *([] if report is None else [("database", _database(report.database)), ("checked", _checked(report))]),
        ("versions", _versions(about, report)),
    ]
    return Overview(
        is_ready=state.is_ready,
        is_waiting=state.phase in (Phase.STARTING, Phase.CHECKING, Phase.BLOCKED),
        headline=f"{'ready' if state.is_ready else 'not ready'} since {moment(state.since, now)}",
        facts=tuple(facts),
        drift=drift,
        findings=() if state.report is None else state.report.findings,
        attempts=tuple(map(_attempt, state.attempts)),
        settings=tuple((name, value or "not set") for name, value in about.settings),
    )


def newest_report(state: State) -> Report | None:
    """Return the last verdict, be it of the preflight or of a check after it."""
    return state.drift.report if state.drift and state.drift.report else state.report


def advice(state: State) -> str:
    """Return which side is behind and what to do, or what the first finding or the failure asks for; may be empty."""
    report = newest_report(state)
    findings = (state.drift.findings if state.drift else ()) or (() if report is None else report.errors)
    if report is not None and findings:
        position = report.migrations
        if position is not None and position.side is not Side.UNKNOWN:
            return sentence(position)
        return findings[0].help
    failure = _failure(state)
    return failure.help if failure else ""


def timestamp(seconds: float) -> str:
    """Return seconds since the epoch as RFC 3339 in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def moment(seconds: float, now: float) -> str:
    """Return a time with how long ago it was."""
    return f"{timestamp(seconds)} ({duration(now - seconds)} ago)"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units; what is negative, for clocks are set back, as no time."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def _failure(state: State) -> Failure | None:
    if state.drift is not None:
        return state.drift.failure
    return state.conclusion.failure if state.conclusion else state.last_failure


def _verdict(state: State) -> str:
    conclusion = state.conclusion
    if state.restored_from is not None:
        return f"compatible, reached {timestamp(state.restored_from)} before this container restarted (state file)"
    if conclusion is None:
        return "incompatible so far; checked again" if state.blocked_by else "none yet"
    if conclusion.report is None:
        return f"none: {conclusion.headline}"
    made = plural(conclusion.attempts, "attempt")
    return f"{conclusion.outcome}, after {made} in {conclusion.elapsed_s:.3f} s"


def _drift(state: State, about: About, now: float) -> str:
    drift = state.drift
    if drift is None:
        if state.restored_from is not None:
            return "not known: the first check of this process is under way"
        every = about.drift_interval_s
        return f"not looked for yet; every {every:g} s or so" if every else "not looked for (SIDECAR_DRIFT_INTERVAL_S)"
    return f"{_found(drift, now)}; {plural(drift.checks, 'check')}, the last at {timestamp(drift.at)}"


def _found(drift: Drift, now: float) -> str:
    if drift.failure is not None and drift.failing_since is not None:
        before = "" if drift.report is None else f" ({plural(len(drift.findings), 'finding')} before)"
        return f"not known for {duration(now - drift.failing_since)}{before}: {drift.failure}"
    if not drift.findings or drift.since is None:
        return "none"
    return f"{plural(len(drift.findings), 'finding')} since {moment(drift.since, now)}; /ready stays open"


def _contract(about: About, now: float) -> str:
    contract = about.contract
    if contract is None:
        return f"not read yet, {about.contract_file}"
    made = f", from {contract.source}" if contract.source else ""
    written = "" if about.contract_written_at is None else f", file written {moment(about.contract_written_at, now)}"
    size = f"{plural(contract.relations, 'relation')}, {plural(contract.columns, 'column')}"
    return f"{contract.name}, {size}{made}, {contract.digest[:19]}{written}"


def _database(database: Database) -> str:
    place = f"{database.host}:{database.port}"
    kind = "standby" if database.is_standby else "primary"
    return f"{database.name} on {place} as {database.role}, PostgreSQL {database.server_version}, {kind}"


def _checked(report: Report) -> str:
    return coverage_sentence(report.coverage)


def _versions(about: About, report: Report | None) -> str:
    server = "" if report is None else f", PostgreSQL {report.database.server_version}"
    return f"sidecar {about.version}, Python {about.python}{server}"


def _attempt(record: AttemptRecord) -> Attempt:
    result = "verdict" if record.failure is None else str(record.failure)
    wait = "" if record.retry_in_s is None else f"; next in {record.retry_in_s:.1f} s"
    return Attempt(
        number=str(record.number),
        ended=timestamp(record.at),
        took=f"{record.duration_s:.3f} s",
        result=f"{result}{wait}",
    )
