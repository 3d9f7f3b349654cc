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
from sidecar.readiness import AttemptEnded, Concluded, Event, Phase, State
from sidecar.report import ContractSummary, Report

PREFIX = "schema_preflight"
ATTEMPT_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
# When a counter was made says nothing that process_start_time_seconds does not, and doubles the series.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library's own gap

VERDICTS = ("none", "compatible", "incompatible")


class Metrics:
    """The sidecar's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register everything on ``registry``, process metrics included."""
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
        build = Gauge(f"{PREFIX}_build_info", "The sidecar itself.", ["version", "python"], registry=registry)
        build.labels(version=__version__, python=platform.python_version()).set(1)
        self._requests = Counter(
            f"{PREFIX}_http_requests",
            "Requests answered, by listener, path, method and status code.",
            ["listener", "path", "method", "code"],
            registry=registry,
        )
        for outcome in ("compatible", "incompatible", "retry", "refused", "misconfigured", "undetermined"):
            self._attempts.labels(outcome=outcome)
        self._show_verdict("none")

    def observe(self, state: State, event: Event) -> None:
        """Take note of an event and of the state that followed it."""
        self._ready.set(state.is_ready)
        match event:
            case AttemptEnded():
                self._attempt_duration.observe(event.duration_s)
                if event.failure is not None:
                    self._attempts.labels(outcome=event.failure.disposition.value).inc()
                elif event.report is not None:
                    verdict = "compatible" if event.report.is_compatible else "incompatible"
                    self._attempts.labels(outcome=verdict).inc()
                    self._show_verdict(verdict)
                    self._verdict_time.set(event.at)
                    self._show_report(event.report)
            case Concluded() if state.phase is Phase.READY:
                self._time_to_ready.set(event.conclusion.elapsed_s)

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

    def _show_report(self, report: Report) -> None:
        self._findings.clear()
        for finding in report.findings:
            self._findings.labels(code=finding.code, severity=finding.severity.value).inc()
        database = report.database
        self._database_info.clear()
        self._database_info.labels(
            host=database.host,
            port=str(database.port),
            database=database.name,
            role=database.role,
            server_version=database.server_version,
        ).set(1)
