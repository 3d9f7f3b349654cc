"""The rules notice what they are there for: the rendered example, broken in one way at a time."""

import copy
from collections.abc import Callable

import pytest

from tests.manifests.kustomize import COPIER, K8S, SIDECAR, Object, container, one, pod_spec, render
from tests.manifests.rules import problems

Break = Callable[[Object], object]


def variable(deployment: Object, name: str) -> Object:
    found: Object
    (found,) = (item for item in container(deployment, SIDECAR)["env"] if item["name"] == name)
    return found


def sidecar(deployment: Object) -> Object:
    return container(deployment, SIDECAR)


BREAKS: dict[str, tuple[Break, str]] = {
    "a capability": (lambda d: sidecar(d)["securityContext"].pop("capabilities"), "securityContext.capabilities"),
    "root": (lambda d: sidecar(d)["securityContext"].update(runAsUser=0), "root or not set"),
    "another user": (lambda d: sidecar(d)["securityContext"].update(runAsUser=1000), "another user"),
    "copier as root": (lambda d: container(d, COPIER)["securityContext"].pop("runAsUser"), "root or not set"),
    "a writable root": (
        lambda d: container(d, "realtime")["securityContext"].update(readOnlyRootFilesystem=False),
        "realtime: securityContext.readOnlyRootFilesystem",
    ),
    "a token": (lambda d: pod_spec(d).pop("automountServiceAccountToken"), "service account token"),
    "the host's network": (lambda d: pod_spec(d).update(hostNetwork=True), "hostNetwork"),
    "a volume of two kinds": (
        lambda d: pod_spec(d)["volumes"][0].update(configMap={"name": "schema-contract"}),
        "not of one kind",
    ),
    "old pods that may go": (
        lambda d: d["spec"]["strategy"]["rollingUpdate"].update(maxUnavailable=1),
        "maxUnavailable",
    ),
    "an impatient rollout": (lambda d: d["spec"].update(progressDeadlineSeconds=200), "progressDeadlineSeconds"),
    "a short startup probe": (lambda d: sidecar(d)["startupProbe"].update(failureThreshold=180), "deadline and grace"),
    "a long grace": (lambda d: variable(d, "SIDECAR_MISMATCH_GRACE_S").update(value="90"), "deadline and grace"),
    "a shallow gate": (lambda d: sidecar(d)["startupProbe"]["httpGet"].update(path="/live"), "startupProbe asks /live"),
    "a deep liveness": (lambda d: sidecar(d)["livenessProbe"]["httpGet"].update(path="/ready"), "livenessProbe asks"),
    "another port": (lambda d: sidecar(d)["ports"][0].update(containerPort=9000), "but the sidecar listens on 9632"),
    "a port that is not there": (
        lambda d: container(d, "realtime")["livenessProbe"]["httpGet"].update(port="web"),
        "asks port web",
    ),
    "a host in a probe": (lambda d: sidecar(d)["readinessProbe"]["httpGet"].update(host="localhost"), "names a host"),
    "a password in the manifest": (
        lambda d: variable(d, "DATABASE_URL").update(value="postgresql://u:p@h/d", valueFrom={}),
        "does not come from a Secret",
    ),
    "a key that the Secret lacks": (
        lambda d: variable(d, "DATABASE_URL")["valueFrom"]["secretKeyRef"].update(key="uri"),
        "there is no key uri",
    ),
    "a mistyped variable": (
        lambda d: variable(d, "SIDECAR_DEADLINE_S").update(name="SIDECAR_DEADLINE"),
        "unknown variable SIDECAR_DEADLINE",
    ),
    "a value with a unit": (lambda d: variable(d, "SIDECAR_DEADLINE_S").update(value="120s"), "number of seconds"),
    "another version": (lambda d: sidecar(d).update(image="schema-readiness-sidecar:9.9.9"), "this is version"),
    "no restartPolicy": (lambda d: sidecar(d).pop("restartPolicy"), "with restartPolicy None"),
    "a label that lies": (
        lambda d: d["spec"]["template"]["metadata"]["labels"].update({SIDECAR: "classic"}),
        "the labels say",
    ),
    "a contract elsewhere": (
        lambda d: variable(d, "SIDECAR_CONTRACT").update(value="/etc/contract.json"),
        "no volume is mounted",
    ),
    "a contract of another name": (
        lambda d: variable(d, "SIDECAR_CONTRACT").update(value="/etc/schema-readiness/contract.yaml"),
        "schema-contract copies by",
    ),
    "the sidecar before its contract": (
        lambda d: pod_spec(d)["initContainers"].reverse(),
        "no container schema-contract stands before it",
    ),
    "a state file elsewhere": (
        lambda d: variable(d, "SIDECAR_STATE_FILE").update(value="/tmp/pass.json"),
        "not on an emptyDir",
    ),
    "the pod's name for its UID": (
        lambda d: variable(d, "SIDECAR_POD_UID")["valueFrom"]["fieldRef"].update(fieldPath="metadata.name"),
        "not from metadata.uid",
    ),
    "a CPU limit": (lambda d: sidecar(d)["resources"]["limits"].update(cpu="1"), "no CPU limit"),
    "no request": (lambda d: container(d, COPIER)["resources"].pop("requests"), "wants requests"),
}


@pytest.fixture(scope="module")
def example() -> tuple[Object, ...]:
    return render(K8S / "example")


@pytest.mark.parametrize(("damage", "expected"), BREAKS.values(), ids=BREAKS)
def test_damage_is_noticed(example: tuple[Object, ...], damage: Break, expected: str) -> None:
    """A problem is told that names it."""
    objects = copy.deepcopy(example)
    damage(one(objects, "Deployment"))
    told = list(problems(objects))
    assert any(expected in problem for problem in told), told
