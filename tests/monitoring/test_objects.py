"""The component as kustomize renders it: whole, alone, and without a key that its kinds do not know."""

import copy
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from cloudcoil.models.prometheus_operator.v1 import PodMonitor, PrometheusRule
from pydantic import BaseModel

from tests.manifests.kustomize import SIDECAR, VARIANTS, Object, container, gated, one, render
from tests.monitoring.component import COMPONENT, dashboard, rule_spec

MODELS: dict[str, type[BaseModel]] = {"PodMonitor": PodMonitor, "PrometheusRule": PrometheusRule}


@pytest.fixture
def alone(tmp_path: Path) -> dict[tuple[str, str], Object]:
    """The objects of a kustomization that has nothing but the component, by kind and name."""
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "shop",
        "components": [os.path.relpath(COMPONENT, tmp_path.resolve())],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return {(item["kind"], item["metadata"]["name"]): item for item in render(tmp_path)}


def unknown(item: Object) -> list[str]:
    """Validate an object against its model; return the keys that the model does not know.

    The models drop what they do not know without a word, so what comes back is compared with what went in.
    """
    known = MODELS[item["kind"]].model_validate(item).model_dump(mode="json", by_alias=True, exclude_unset=True)
    return list(_missing(item, known, item["kind"]))


def _missing(given: Any, kept: Any, path: str) -> list[str]:
    if isinstance(given, dict):
        lost = [f"{path}.{key}" for key in given if key not in kept]
        return lost + [
            found for key in given if key in kept for found in _missing(given[key], kept[key], f"{path}.{key}")
        ]
    if isinstance(given, list):
        assert len(given) == len(kept)
        return [
            found
            for number, (left, right) in enumerate(zip(given, kept, strict=True))
            for found in _missing(left, right, f"{path}[{number}]")
        ]
    return [] if given == kept else [f"{path}: {given!r} became {kept!r}"]


def test_it_renders_alone(alone: dict[tuple[str, str], Object]) -> None:
    """It needs no resource beside it, and its objects go to the namespace that includes it, under fixed names."""
    assert {
        ("ConfigMap", "schema-readiness"),
        ("ConfigMap", "schema-readiness-dashboard"),
        ("PodMonitor", "schema-readiness"),
        ("PrometheusRule", "schema-readiness"),
    } == alone.keys()
    assert {"shop"} == {item["metadata"]["namespace"] for item in alone.values()}
    assert {"drift-interval-s": "300"} == alone["ConfigMap", "schema-readiness"]["data"]


def test_dashboard_is_where_grafana_finds_it(alone: dict[tuple[str, str], Object]) -> None:
    """The ConfigMap has the label that Grafana's sidecar looks for, and the dashboard unchanged."""
    found = alone["ConfigMap", "schema-readiness-dashboard"]
    assert {"grafana_dashboard": "1"} == found["metadata"]["labels"]
    assert dashboard() == json.loads(found["data"]["dashboard.json"])


def test_crds_fit_their_models(alone: dict[tuple[str, str], Object]) -> None:
    """PodMonitor and PrometheusRule have no key and no value that the operator's API does not know."""
    for kind in MODELS:
        assert [] == unknown(alone[kind, "schema-readiness"])
    assert rule_spec() == alone["PrometheusRule", "schema-readiness"]["spec"]


@pytest.mark.parametrize(
    ("kind", "path", "typo"),
    [
        ("PodMonitor", ("spec",), "podMetricEndpoints"),
        ("PodMonitor", ("spec", "podMetricsEndpoints", 0), "intervall"),
        ("PodMonitor", ("spec", "selector", "matchExpressions", 0), "value"),
        ("PrometheusRule", ("spec", "groups", 0), "intervall"),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0), "expression"),
    ],
)
def test_a_typo_is_noticed(
    alone: dict[tuple[str, str], Object], kind: str, path: tuple[str | int, ...], typo: str
) -> None:
    """The comparison above can fail: a mistyped key at any depth is named with its place."""
    broken = copy.deepcopy(alone[kind, "schema-readiness"])
    place: Any = broken
    for step in path:
        place = place[step]
    place[typo] = "1m"
    (found,) = unknown(broken)
    assert found.startswith(f"{kind}.spec")
    assert found.endswith(f".{typo}")


@pytest.mark.parametrize("variant", VARIANTS)
def test_pod_monitor_finds_gated_pods(tmp_path: Path, variant: str) -> None:
    """Its selector is a label of the pods that the sidecar components gate, its port one of the sidecar's."""
    objects = gated(tmp_path, variant, "monitoring")
    monitor, workload = one(objects, "PodMonitor"), one(objects, "Deployment")
    ((expression,), (endpoint,)) = (
        monitor["spec"]["selector"]["matchExpressions"],
        monitor["spec"]["podMetricsEndpoints"],
    )
    assert "Exists" == expression["operator"]
    assert expression["key"] in workload["spec"]["template"]["metadata"]["labels"]
    sidecar = container(workload, SIDECAR)
    assert endpoint["port"] in [port["name"] for port in sidecar["ports"]]


@pytest.mark.parametrize("variant", VARIANTS)
def test_drift_checks_are_on_where_the_component_is(tmp_path: Path, variant: str) -> None:
    """The sidecar reads its interval from the ConfigMap that the component brings, and runs without it."""
    objects = gated(tmp_path, variant, "monitoring")
    (setting,) = (
        item["valueFrom"]["configMapKeyRef"]
        for item in container(one(objects, "Deployment"), SIDECAR)["env"]
        if item["name"] == "SIDECAR_DRIFT_INTERVAL_S"
    )
    (settings,) = (
        item for item in objects if item["kind"] == "ConfigMap" and item["metadata"]["name"] == setting["name"]
    )
    assert float(settings["data"][setting["key"]]) > 0
    assert setting["optional"] is True


def test_dashboard_is_laid_out_and_has_nothing_foreign() -> None:
    """Panels neither overlap nor leave the grid of 24 columns; there is no HTML, no script and no link elsewhere."""
    panels = dashboard()["panels"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert {x for x, _ in cells} == set(range(24))
    assert len(panels) == len({panel["id"] for panel in panels})
    assert {"stat", "table", "timeseries", "heatmap"} == {panel["type"] for panel in panels}
    assert all(panel["title"] and panel["description"] for panel in panels)
    # Flux takes ${...} for a variable of its own.
    assert not re.search(r"https?:|<\w+|\$\{|\"links\": \[[^]]", json.dumps(dashboard()))
    assert {"$datasource"} == set(re.findall(r'"uid": "(\$\w+)"', json.dumps(dashboard())))
