"""What the monitoring component brings, and promtool to judge it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.manifests.kustomize import K8S, Object

COMPONENT = K8S / "components" / "monitoring"
RUNBOOK = K8S / "RUNBOOK.md"


def rule_spec() -> Object:
    """The spec of the PrometheusRule: what the operator hands to Prometheus as a rule file."""
    spec: Object = yaml.safe_load((COMPONENT / "prometheusrule.yaml").read_text())["spec"]
    return spec


def rules(spec: Object) -> list[Object]:
    """Every rule, in its order."""
    return [rule for group in spec["groups"] for rule in group["rules"]]


def alerts(spec: Object) -> dict[str, Object]:
    """The alerts by name."""
    return {rule["alert"]: rule for rule in rules(spec) if "alert" in rule}


def dashboard() -> Object:
    """The dashboard."""
    found: Object = json.loads((COMPONENT / "dashboard.json").read_text())
    return found


def promtool(*arguments: str | Path, text: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run promtool, or skip the test where there is none."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return subprocess.run([program, *arguments], input=text, capture_output=True, text=True, timeout=60, check=False)
