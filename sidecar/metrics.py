"""Every metric, on a registry that is passed in. ``observe`` takes what happened; nothing else knows Prometheus.

Conventions: Prometheus documentation, "Metric and label naming".
"""

import platform

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from sidecar import __version__
from sidecar.model import Finding
from sidecar.readiness import AttemptEnded, Concluded, DriftChecked, Event, PassRestored, Phase, State
from sidecar.report import ContractSummary, Report

PREFIX = "schema_preflight"
ATTEMPT_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
# When a counter was made says nothing that process_start_time_seconds does not, and doubles the series.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library's own gap

VERDICTS = ("none", "compatible", "incompatible")
OUTCOMES = ("compatible", "incompatible", "retry", "refused", "misconfigured", "undetermined")


class Metrics:
    """The sidecar's metrics."""

    def __init__(self, registry: CollectorRegistry, *, drift_interval_s: float = 0.0) -> None:
        """Register everything on ``registry``, process metrics included.

        Args:
            registry: takes the metrics.
            drift_interval_s: the setting in force, for alerts to compare with.
        """
        self._registry = registry
        ProcessCollector(registry=registry)
        self._ready = Gauge(f"{PREFIX}_ready", "1 while /ready answers 200.", registry=registry)
        self._attempts = Counter(
            f"{PREFIX}_attempts", "Attempts that ended, by outcome.", ["outcome"], registry=registry
        )
        self._attempt_duration = Histogram(
            f"{PREFIX}_attempt_duration_seconds",
            "Duration of attempts, from connecting to closing.",
            buckets=ATTEMPT_BUCKETS_S,
            registry=registry,
        )
        self._time_to_ready = Gauge(
            f"{PREFIX}_time_to_ready_seconds",
            "Time from the first attempt to the verdict that opened /ready; 0 before.",
            registry=registry,
        )
        self._findings = Gauge(
            f"{PREFIX}_findings",
            "Findings of the last verdict, by code and severity.",
            ["code", "severity"],
            registry=registry,
        )
        self._verdict = Gauge(
            f"{PREFIX}_verdict", "1 for the last verdict, 0 for the others.", ["verdict"], registry=registry
        )
        self._verdict_time = Gauge(
            f"{PREFIX}_verdict_timestamp_seconds",
            "When the last verdict was reached, in seconds since the epoch; 0 before.",
            registry=registry,
        )
        self._contract_info = Gauge(
            f"{PREFIX}_contract_info", "The contract in force.", ["name", "digest", "source"], registry=registry
        )
        self._contract_relations = Gauge(
            f"{PREFIX}_contract_relations", "Relations that the contract names.", registry=registry
        )
        self._contract_columns = Gauge(
            f"{PREFIX}_contract_columns", "Columns that the contract names.", registry=registry
        )
        self._database_info = Gauge(
            f"{PREFIX}_database_info",
            "The database that gave the last verdict.",
            ["host", "port", "database", "role", "server_version"],
            registry=registry,
        )
        self._restored = Gauge(
            f"{PREFIX}_restored",
            "1 if /ready was opened by a pass of the state file and not by a preflight of this process.",
            registry=registry,
        )
        self._drift_findings = Gauge(
            f"{PREFIX}_drift_findings",
            "Findings of the last check after ready that were not there when /ready opened, by code and severity.",
            ["code", "severity"],
            registry=registry,
        )
        self._drift_checks = Counter(
            f"{PREFIX}_drift_checks", "Checks after ready that ended, by outcome.", ["outcome"], registry=registry
        )
        self._drift_check_time = Gauge(
            f"{PREFIX}_drift_check_timestamp_seconds",
            "When a check after ready last reached a verdict, in seconds since the epoch; 0 before.",
            registry=registry,
        )
        Gauge(
            f"{PREFIX}_drift_interval_seconds",
            "Mean time between checks after ready; 0: there are none.",
            registry=registry,
        ).set(drift_interval_s)
        build = Gauge(f"{PREFIX}_build_info", "The sidecar itself.", ["version", "python"], registry=registry)
        build.labels(version=__version__, python=platform.python_version()).set(1)
        self._requests = Counter(
            f"{PREFIX}_http_requests",
            "Requests answered, by listener, path, method and status code.",
            ["listener", "path", "method", "code"],
            registry=registry,
        )
        for outcome in OUTCOMES:
            self._attempts.labels(outcome=outcome)
            self._drift_checks.labels(outcome=outcome)
        self._show_verdict("none")

    def observe(self, state: State, event: Event) -> None:
        """Take note of an event and of the state that followed it."""
        self._ready.set(state.is_ready)
        match event:
            case AttemptEnded():
                self._attempt_duration.observe(event.duration_s)
                self._attempts.labels(outcome=_outcome(event)).inc()
                if event.report is not None:
                    self._show_report(event.report, event.at)
            case Concluded() if state.phase is Phase.READY:
                self._time_to_ready.set(event.conclusion.elapsed_s)
            case PassRestored():
                self._restored.set(state.restored_from is not None)
                self._show_report(event.report, event.verdict_at)
            case DriftChecked():
                self._attempt_duration.observe(event.duration_s)
                self._drift_checks.labels(outcome=_outcome(event)).inc()
                if event.report is not None and state.drift is not None:
                    self._drift_check_time.set(event.at)
                    _show_findings(self._drift_findings, state.drift.findings)

    def observe_contract(self, contract: ContractSummary) -> None:
        """Take note of the contract in force."""
        self._contract_info.clear()
        self._contract_info.labels(name=contract.name, digest=contract.digest, source=contract.source or "").set(1)
        self._contract_relations.set(contract.relations)
        self._contract_columns.set(contract.columns)

    def observe_request(self, listener: str, path: str, method: str, code: int) -> None:
        """Count a request; the caller has bounded the label values."""
        self._requests.labels(listener=listener, path=path, method=method, code=str(code)).inc()

    def expose(self, accept: str) -> tuple[bytes, str]:
        """Return the exposition and its content type, as the Accept header asks."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self._registry), content_type

    def _show_verdict(self, verdict: str) -> None:
        for name in VERDICTS:
            self._verdict.labels(verdict=name).set(name == verdict)

    def _show_report(self, report: Report, at: float) -> None:
        self._show_verdict(report.verdict)
        self._verdict_time.set(at)
        _show_findings(self._findings, report.findings)
        database = report.database
        self._database_info.clear()
        self._database_info.labels(
            host=database.host,
            port=str(database.port),
            database=database.name,
            role=database.role,
            server_version=database.server_version,
        ).set(1)


def _outcome(event: AttemptEnded | DriftChecked) -> str:
    if event.report is not None:
        return event.report.verdict
    return event.failure.disposition.value if event.failure is not None else "undetermined"


def _show_findings(gauge: Gauge, findings: tuple[Finding, ...]) -> None:
    gauge.clear()
    for finding in findings:
        gauge.labels(code=finding.code, severity=finding.severity.value).inc()
