"""A real Prometheus scrapes a real sidecar through its life, evaluates the rules and answers the dashboard."""

import contextlib
import copy
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sidecar.embedded import EmbeddedPostgres
from tests.conftest import make_database
from tests.integration.process import Sidecar, running
from tests.integration.schemas import CONTRACT, SCHEMA, write_contract
from tests.monitoring.component import dashboard, promtool, rule_spec, rules
from tests.monitoring.server import Exposition, Prometheus, exposition, free_port, prometheus

SERVING, HELD_BACK = "web-a", "web-b"
# An acceptance that matches nothing is a warning: the verdict that opens /ready has a finding.
WITH_A_WARNING = f"{CONTRACT}accept: [{{code: column-missing, object: public.workflow.gone, reason: was there once}}]\n"
DROP = "ALTER TABLE workflow DROP COLUMN color"
UNVERIFIED = "Restored passes B"
PUT_BACK = "ALTER TABLE workflow ADD COLUMN color text NOT NULL DEFAULT '#3972F6'"


def impatient_rules() -> dict[str, Any]:
    """The rules as they are, but for the waiting times: a second instead of minutes, looked at each second."""
    spec = copy.deepcopy(rule_spec())
    for group in spec["groups"]:
        group["interval"] = "1s"
    for rule in rules(spec):
        if "for" in rule:
            rule["for"] = "1s"
    return spec


def tell(cluster: Exposition, sidecar: Sidecar, exit_code: int | None) -> None:
    """Say what kube-state-metrics would: of a native sidecar that runs, and of a classic one that has ended."""
    native = f'{{namespace="shop",pod="{SERVING}",container="schema-readiness"'
    cluster.series[f"kube_pod_init_container_status_ready{native}}}"] = float(sidecar.ask("/ready").status == 200)
    cluster.series[f"kube_pod_init_container_status_restarts_total{native}}}"] = 0
    cluster.series[f'kube_pod_init_container_resource_limits{native},resource="memory",unit="byte"}}'] = 64 * 2**20
    if exit_code is not None:
        classic = f'{{namespace="shop",pod="{HELD_BACK}",container="schema-readiness"'
        cluster.series[f"kube_pod_container_status_ready{classic}}}"] = 0
        cluster.series[f"kube_pod_container_status_restarts_total{classic}}}"] = 1
        cluster.series[f"kube_pod_container_status_last_terminated_exitcode{classic}}}"] = exit_code


@contextlib.contextmanager
def watching(directory: Path, port: int, cluster: Exposition) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes both with the labels that PodMonitor and the charts give, and has the rules."""
    (directory / "rules.yaml").write_text(yaml.safe_dump(impatient_rules()))
    pod = {"namespace": "shop", "pod": SERVING, "container": "schema-readiness"}
    jobs = [
        {"job_name": "shop/schema-readiness", "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": pod}]},
        {
            "job_name": "kube-state-metrics",
            "honor_labels": True,
            "static_configs": [{"targets": [f"127.0.0.1:{cluster.port}"]}],
        },
    ]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": jobs,
    }
    with prometheus(directory, config) as server:
        yield server


def assert_exposition_is_clean(sidecar: Sidecar) -> None:
    """promtool check metrics has nothing to say about the text format."""
    body = sidecar.ask("/metrics").body
    done = promtool("check", "metrics", text=body)
    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
    assert "process_resident_memory_bytes" in body


def dashboard_queries() -> dict[str, str]:
    """Every expression of the dashboard by its panel, with its variables set to all, and no number to fall back to."""
    values = (("$namespace", ".*"), ("$pod", ".*"), ("$__rate_interval", "20s"))
    found = {}
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].removesuffix(" or vector(0)")
            for variable, value in values:
                expression = expression.replace(variable, value)
            assert "$" not in expression
            found[f"{panel['title']} {target['refId']}"] = expression
    return found


def names(found: list[dict[str, Any]], state: str) -> set[tuple[str, str]]:
    """Alerts in that state, each with its pod."""
    return {(item["labels"]["alertname"], item["labels"]["pod"]) for item in found if item["state"] == state}


def test_a_sidecars_life_in_prometheus(own_server: EmbeddedPostgres, tmp_path: Path) -> None:
    """Waiting, ready, drifting, mended, restarted by its state file: all of it is seen, alerted on and shown.

    The rule file is loaded with its waiting times shortened (test_alerts.py tests the real ones). kube-state-metrics
    is not here: its few series are exposed by the test, with what the processes really did.
    """
    own_server.start()
    database = make_database(own_server)
    database.execute(SCHEMA.format(role=database.role))
    own_server.stop()
    port = free_port()
    environ = {"DATABASE_URL": database.url, "SIDECAR_CONTRACT": write_contract(tmp_path, WITH_A_WARNING)}
    serving = environ | {
        "SIDECAR_LISTEN": f"127.0.0.1:{port}",
        "SIDECAR_DRIFT_INTERVAL_S": "1",
        "SIDECAR_STATE_FILE": str(tmp_path / "pass.json"),
        "SIDECAR_POD_UID": "web-a-1",
    }
    queries = dashboard_queries()
    with exposition() as cluster, watching(tmp_path, port, cluster) as server:
        with running(tmp_path, serving) as sidecar:
            # Waiting: the database is away.
            sidecar.wait_for("attempt failed")
            tell(cluster, sidecar, None)
            server.wait_for('schema_preflight_ready{pod="web-a"} == 0')
            server.wait_for('schema_preflight_verdict{verdict="none"} == 1')
            server.wait_for('schema_preflight_attempts_total{outcome="retry"} > 0')
            server.wait_for("namespace_pod:schema_readiness_ready:max == 0")
            assert 503 == sidecar.ask("/ready").status
            assert_exposition_is_clean(sidecar)

            # Ready, with a warning, and checked again each second or so.
            own_server.start()
            sidecar.wait_for("ready")
            tell(cluster, sidecar, None)
            server.wait_for("schema_preflight_ready == 1")
            server.wait_for('schema_preflight_verdict{verdict="compatible"} == 1')
            server.wait_for('schema_preflight_drift_checks_total{outcome="compatible"} > 0')
            assert [] == server.query("schema_preflight_drift_findings")
            assert_exposition_is_clean(sidecar)

            # The incident: the running pod drifts, and a new one is held back.
            database.execute(DROP)
            sidecar.wait_for("drift found")
            with running(tmp_path, environ) as second:
                exit_code = second.wait()
            assert 3 == exit_code
            tell(cluster, sidecar, exit_code)
            server.wait_for('schema_preflight_drift_findings{code="column-missing", severity="error"} > 0')
            assert 200 == sidecar.ask("/ready").status
            assert_exposition_is_clean(sidecar)
            expected = {("SchemaDrift", SERVING), ("SchemaMismatchBlocksRollout", HELD_BACK)}
            firing = server.wait_for_alerts(lambda found: expected == names(found, "firing"))
            (drift,) = (alert for alert in firing if alert["labels"]["alertname"] == "SchemaDrift")
            assert "The database lost what the running pod shop/web-a needs" == drift["annotations"]["summary"]
            assert f"kubectl -n shop port-forward {SERVING} 9633 &" in drift["annotations"]["description"]

            # Every panel has something to show of it, but for the one about restored passes.
            shown = {panel: server.query(expression) for panel, expression in queries.items()}
            assert [UNVERIFIED] == [panel for panel, result in shown.items() if not result]
            assert [{"exit_code": "3"}] == [item["metric"] for item in shown["Held back, by exit code A"]]
            assert [HELD_BACK, SERVING] == [item["metric"]["pod"] for ref in "AB" for item in shown[f"Where {ref}"]]
            for variable in dashboard()["templating"]["list"][1:]:
                match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
                assert match is not None
                assert server.label_values(match[2], match[1].replace("$namespace", ".*"))

            # Every rule is loaded and evaluated without an error.
            assert [rule.get("alert") or rule["record"] for rule in rules(rule_spec())] == [
                rule["name"] for rule in server.rules()
            ]
            assert {("ok", "")} == {(rule["health"], rule.get("lastError", "")) for rule in server.rules()}

            # Mended: nothing is left of it.
            database.execute(PUT_BACK)
            sidecar.wait_for("drift cleared")
            server.wait_for("schema_preflight_drift_findings", lambda found: not found)
            server.wait_for_alerts(lambda found: ("SchemaDrift", SERVING) not in names(found, "firing"))
            assert_exposition_is_clean(sidecar)

            own_server.stop()
            sidecar.signal(signal.SIGKILL)
            sidecar.wait()

        # Started again while the database is away: ready by the state file, and verified once it is back.
        with running(tmp_path, serving) as sidecar:
            sidecar.wait_for("restored")
            server.wait_for("schema_preflight_restored == 1 and schema_preflight_ready == 1")
            server.wait_for(queries[UNVERIFIED])
            assert_exposition_is_clean(sidecar)
            own_server.start()
            server.wait_for(queries[UNVERIFIED], lambda found: not found)
            server.wait_for("schema_preflight_drift_check_timestamp_seconds > 0")
