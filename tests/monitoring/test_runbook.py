"""The runbook's commands, names and links: nobody checks them at three in the morning."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from sidecar.settings import fields
from tests.manifests.kustomize import K8S, SIDECAR, VARIANTS, containers, gated, names, one
from tests.monitoring.component import RUNBOOK, rule_spec

TEXT = RUNBOOK.read_text()
PATCH = re.compile(r"kubectl -n \$NS patch deployment \$NAME (.+?)\n```", re.DOTALL)
OWNER = re.compile(r"NAME=\$\(kubectl -n \$NS get pod \$POD (.+) \| (sed .+)\)")


def heading_anchors(text: str) -> set[str]:
    """Anchors as GitHub makes them of headings."""
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }


def test_links_lead_somewhere() -> None:
    """Every link names a file that is there, and an anchor that it has."""
    links = re.findall(r"\]\(([^)#]*)(?:#([\w-]+))?\)", TEXT)
    assert len(links) > 5
    for target, anchor in links:
        path = K8S / target if target else RUNBOOK
        assert path.exists(), target
        assert not anchor or anchor in heading_anchors(path.read_text()), anchor


def test_settings_are_settings() -> None:
    """The variables that runbook and alerts speak of exist."""
    mentioned = set(re.findall(r"SIDECAR_\w+", TEXT + str(rule_spec())))
    assert "SIDECAR_STATE_FILE" in mentioned
    assert mentioned <= {field.variable for field in fields()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_gate_goes_off_with_one_command(tmp_path: Path, variant: str) -> None:
    """The patch takes the sidecar out of a gated Deployment, of either kind, and leaves the others."""
    workload = one(gated(tmp_path, variant), "Deployment")
    (tmp_path / "workload.yaml").write_text(yaml.safe_dump(workload))
    (command,) = PATCH.findall(TEXT)
    done = subprocess.run(
        ["kubectl", "patch", "--local", "-f", tmp_path / "workload.yaml", "-o", "yaml", *shlex.split(command)],
        capture_output=True,
        text=True,
        check=True,
    )
    patched = yaml.safe_load(done.stdout)
    for place in ("initContainers", "containers"):
        assert [name for name in names(workload, place) if name != SIDECAR] == names(patched, place)
    assert SIDECAR in [container["name"] for _, container in containers(workload)]


def test_deployments_name_follows_from_the_pod(tmp_path: Path) -> None:
    """The command that sets NAME strips the ReplicaSet's hash, and no more."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-shop-6d4cf56db6", "uid": "u"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-shop-6d4cf56db6-8xq7v", "ownerReferences": [owner]},
        "spec": {"containers": [{"name": "web", "image": "web"}]},
    }
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod))
    ((output, sed),) = OWNER.findall(TEXT)
    # Any command that answers from a file and prints with -o does.
    label = f"kubectl label --local -f {tmp_path / 'pod.yaml'} a=b {output} | {sed}"
    done = subprocess.run(["bash", "-c", label], capture_output=True, text=True, check=True)
    assert "web-shop" == done.stdout.strip()
