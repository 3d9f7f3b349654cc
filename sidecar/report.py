"""What a preflight found out, and how it is told: as JSON, as text, as a termination message, as an exit code."""

from enum import IntEnum, StrEnum
from typing import Any

import msgspec

from sidecar.compatibility.migrations import sentence
from sidecar.identifiers import printable
from sidecar.model import Contract, Database, Failure, Finding, MigrationPosition, Severity

TERMINATION_MESSAGE_BYTES = 4096
"""What Kubernetes keeps of a container's termination message (Pod lifecycle, "Termination messages")."""


class ExitCode(IntEnum):
    """Every way for the process to end; the numbers are part of the interface."""

    OK = 0
    BUG = 1
    MISCONFIGURED = 2
    INCOMPATIBLE = 3
    NO_VERDICT = 4
    REFUSED = 5
    INTERRUPTED = 130
    TERMINATED = 143


class Outcome(StrEnum):
    """How a preflight ended."""

    COMPATIBLE = "compatible"
    INCOMPATIBLE = "incompatible"
    NO_VERDICT = "no verdict"
    REFUSED = "refused"
    MISCONFIGURED = "misconfigured"


EXIT_CODES: dict[Outcome, ExitCode] = {
    Outcome.COMPATIBLE: ExitCode.OK,
    Outcome.INCOMPATIBLE: ExitCode.INCOMPATIBLE,
    Outcome.NO_VERDICT: ExitCode.NO_VERDICT,
    Outcome.REFUSED: ExitCode.REFUSED,
    Outcome.MISCONFIGURED: ExitCode.MISCONFIGURED,
}


class ContractSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Which contract was checked."""

    name: str
    digest: str
    source: str | None
    relations: int
    columns: int

    @classmethod
    def of(cls, contract: Contract) -> "ContractSummary":
        """Summarise ``contract``."""
        source = contract.source
        shown = None if source is None else " ".join(filter(None, (source.kind, source.migration)))
        return cls(
            name=contract.name,
            digest=contract.digest,
            source=shown,
            relations=len(contract.relations),
            columns=contract.column_count,
        )


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How the statements behind a verdict were judged; what only an execution shows, a plan does not."""

    relations_read: int = 0
    queries_run: int = 0
    statements_planned: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict: what an attempt that got through found."""

    contract: ContractSummary
    database: Database
    findings: tuple[Finding, ...]
    """Every finding, errors first, then by object."""
    strict: bool = False
    """Warnings gate too."""
    coverage: Coverage = Coverage()
    migrations: MigrationPosition | None = None
    """Which side is behind; asked only where something gates and the contract says how."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that gate."""
        return tuple(finding for finding in self.findings if finding.gates(strict=self.strict))

    @property
    def is_compatible(self) -> bool:
        """True if nothing gates."""
        return not self.errors

    @property
    def verdict(self) -> str:
        """The verdict in one word."""
        return (Outcome.COMPATIBLE if self.is_compatible else Outcome.INCOMPATIBLE).value

    @property
    def headline(self) -> str:
        """The first finding that gates, and how many more there are; without one, how many findings."""
        errors = self.errors
        if not errors:
            return _count(self)
        return f"{finding_sentence(errors[0])}{_more(len(errors))}"


class Conclusion(msgspec.Struct, frozen=True, kw_only=True):
    """How a preflight ended, with everything needed to tell it."""

    outcome: Outcome
    attempts: int
    elapsed_s: float
    report: Report | None = None
    """Set where there is a verdict."""
    failure: Failure | None = None
    """Set where there is none: the last attempt's failure."""
    problems: tuple[str, ...] = ()
    """Set for a misconfiguration found before any attempt: one line each."""

    @classmethod
    def misconfigured(cls, problems: tuple[str, ...]) -> "Conclusion":
        """Return the conclusion of a preflight that could not begin."""
        return cls(outcome=Outcome.MISCONFIGURED, attempts=0, elapsed_s=0.0, problems=problems)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that tells this outcome."""
        return EXIT_CODES[self.outcome]

    @property
    def headline(self) -> str:
        """One line: the outcome, then the first finding or the failure."""
        if self.report is not None:
            return f"{self.outcome}: {self.report.headline}"
        if self.problems:
            return f"{self.outcome}: {self.problems[0]}{_more(len(self.problems))}"
        return f"{self.outcome}: {self.failure}"


def to_json(conclusion: Conclusion) -> dict[str, Any]:
    """Return the conclusion as plain values, for JSON and for log lines."""
    report, failure = conclusion.report, conclusion.failure
    return {
        "verdict": None if report is None else conclusion.outcome.value,
        "outcome": conclusion.outcome.value,
        "exit_code": int(conclusion.exit_code),
        "headline": conclusion.headline,
        "attempts": conclusion.attempts,
        "elapsed_s": round(conclusion.elapsed_s, 3),
        "failure": None if failure is None else msgspec.to_builtins(failure),
        "problems": list(conclusion.problems),
        **report_to_json(report),
    }


def report_to_json(report: Report | None) -> dict[str, Any]:
    """Return what a report tells as plain values; the same keys without one."""
    if report is None:
        return {"findings": [], "contract": None, "database": None, "coverage": None, "migrations": None}
    return {
        "findings": [finding_to_json(finding) for finding in report.findings],
        "contract": msgspec.to_builtins(report.contract),
        "database": msgspec.to_builtins(report.database),
        "coverage": msgspec.to_builtins(report.coverage),
        "migrations": position_to_json(report),
    }


def position_to_json(report: Report) -> dict[str, Any] | None:
    """Return which side is behind as plain values, or None where nobody asked."""
    if report.migrations is None:
        return None
    value: dict[str, Any] = msgspec.to_builtins(report.migrations)
    return {"sentence": sentence(report.migrations), **value}


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as plain values."""
    value: dict[str, Any] = msgspec.to_builtins(finding)
    return value


def to_text(conclusion: Conclusion, *, colour: bool = False) -> str:
    """Return the conclusion for a person, newline-terminated lines of ordinary text."""
    lines = [conclusion.headline]
    lines += [f"  {problem}" for problem in conclusion.problems[1:]]
    if conclusion.failure is not None and conclusion.failure.help:
        lines.append(f"  {conclusion.failure.help}")
    report = conclusion.report
    if report is not None:
        lines += context_lines(report)
        if report.findings:
            lines += ["", _count(report)]
            lines += [line for finding in report.findings for line in finding_lines(finding)]
    first, *rest = map(printable, lines)
    return "\n".join((_painted(first, conclusion, colour), *rest)) + "\n"


def context_lines(report: Report) -> list[str]:
    """Return the lines that say which contract met which database."""
    contract, database = report.contract, report.database
    position = [] if report.migrations is None else [f"  {sentence(report.migrations)}"]
    made = f", from {contract.source}" if contract.source else ""
    standby = ", standby" if database.is_standby else ""
    return [
        *position,
        f"  contract  {contract.name} ({contract.relations} relations, {contract.columns} columns{made})"
        f" {contract.digest[:19]}",
        f"  database  {database.name} on {database.host}:{database.port} as {database.role}"
        f" (PostgreSQL {database.server_version}{standby})",
        f"  checked   {coverage_sentence(report.coverage)}",
    ]


def finding_lines(finding: Finding) -> list[str]:
    """Return a finding in two lines: what is wrong, and the mend."""
    if finding.accepted is not None:
        return [f"  accepted {finding.code}: {finding_sentence(finding)}", f"          because: {finding.accepted}"]
    return [f"  {finding.severity:<7} {finding.code}: {finding_sentence(finding)}", f"          {finding.help}"]


def termination_message(conclusion: Conclusion) -> bytes:
    """Return what to leave for ``kubectl describe pod``: at most 4,096 bytes, the verdict and first finding first."""
    text = f"{to_text(conclusion)}exit code {int(conclusion.exit_code)}\n"
    data = text.encode(errors="replace")
    if len(data) <= TERMINATION_MESSAGE_BYTES:
        return data
    tail = f"\n… cut here; the container's log has all of it\nexit code {int(conclusion.exit_code)}\n".encode()
    head = data[: TERMINATION_MESSAGE_BYTES - len(tail)].decode(errors="ignore")
    return head.encode() + tail


def finding_sentence(finding: Finding) -> str:
    """Return what is wrong in one line, with its SQLSTATE."""
    return f"{finding.message} ({finding.sqlstate})" if finding.sqlstate else finding.message


def _count(report: Report) -> str:
    accepted = sum(f.accepted is not None for f in report.findings)
    errors = sum(f.severity is Severity.ERROR and f.accepted is None for f in report.findings)
    warnings = len(report.findings) - errors - accepted
    if not report.findings:
        return f"the database carries everything that contract {report.contract.name} names"
    return f"{plural(errors, 'error')}, {plural(warnings, 'warning')}" + (f", {accepted} accepted" * bool(accepted))


def coverage_sentence(coverage: Coverage) -> str:
    """Say what was run and what was only planned."""
    run = f", {plural(coverage.queries_run, 'query', 'queries')} run" if coverage.queries_run else ""
    read = plural(coverage.relations_read, "relation")
    return f"{read} read{run}, {plural(coverage.statements_planned, 'statement')} planned and not run"


def plural(count: int, one: str, many: str = "") -> str:
    """Return the count with its noun."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def _more(count: int) -> str:
    return f" (and {count - 1} more)" if count > 1 else ""


def _painted(text: str, conclusion: Conclusion, colour: bool) -> str:
    if not colour:
        return text
    number = {Outcome.COMPATIBLE: 32, Outcome.INCOMPATIBLE: 31}.get(conclusion.outcome, 33)
    return f"\x1b[{number}m{text}\x1b[0m"
