"""Renders kustomizations with kubectl, as a user does. Needs no cluster."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

Object = dict[str, Any]

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
FIXTURE = Path(__file__).parent / "fixtures" / "deployment.yaml"
SIDECAR, COPIER = "schema-readiness", "schema-contract"
VARIANTS = ("native-sidecar", "classic-sidecar")
COMPONENTS = tuple(sorted(path.parent.name for path in K8S.glob("components/*/kustomization.yaml")))
LISTS = ("initContainers", "containers")


class RenderError(Exception):
    """kubectl would not render a kustomization; carries what it said."""


def render(directory: Path) -> tuple[Object, ...]:
    """Return the objects of the kustomization in ``directory``."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is missing; any version since 1.22 renders kustomizations")
    done = subprocess.run(["kubectl", "kustomize", directory], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RenderError(done.stderr)
    return tuple(item for item in yaml.safe_load_all(done.stdout) if item)


def gated(directory: Path, *components: str, deployment: str | None = None, **more: object) -> tuple[Object, ...]:
    """Return a user's kustomization rendered: the fixture, or another Deployment, with these components.

    Args:
        directory: an empty one, to write it to.
        components: by name, in their order.
        deployment: YAML; by default the fixture.
        more: other fields of the kustomization.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "deployment.yaml").write_text(FIXTURE.read_text() if deployment is None else deployment)
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["deployment.yaml"],
        "components": [os.path.relpath(K8S / "components" / name, directory.resolve()) for name in components],
        **more,
    }
    (directory / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return render(directory)


def everything(directory: Path) -> dict[str, tuple[Object, ...]]:
    """Return all that k8s/ offers, rendered: example, Job, and the fixture with each component."""
    found = {name: render(K8S / name) for name in ("example", "pre-rollout-check")}
    for name in COMPONENTS:
        needed = (name,) if name in VARIANTS else (VARIANTS[0], name)
        found[f"components/{name}"] = gated(directory / name, *needed)
    return found


def one(objects: tuple[Object, ...], kind: str) -> Object:
    """Return the one object of that kind."""
    (found,) = (item for item in objects if item["kind"] == kind)
    return found


def pod_spec(workload: Object) -> Object:
    """Return the pod's spec of a Deployment, StatefulSet or Job."""
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def containers(workload: Object) -> Iterator[tuple[str, Object]]:
    """Yield every container of the pod with the list that it is in."""
    for place in LISTS:
        for container in pod_spec(workload).get(place, ()):
            yield place, container


def container(workload: Object, name: str) -> Object:
    """Return the one container of that name."""
    (found,) = (item for _, item in containers(workload) if item["name"] == name)
    return found


def names(workload: Object, place: str) -> list[str]:
    """Return the names of the containers in a list, in their order."""
    return [item["name"] for item in pod_spec(workload).get(place, ())]
