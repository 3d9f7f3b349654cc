"""Asserts what a schema cannot: that the rendered manifests of classic and native hold together. Started by run.sh."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sidecar import __version__
from sidecar.contract.errors import ContractError
from sidecar.contract.reader import parse_contract
from sidecar.settings import Settings, SettingsError, load_settings

Object = dict[str, Any]

SIDECAR = "schema-readiness"
SIDECAR_USER = 65532
LISTS = ("initContainers", "containers")
PLACES = {"classic": "containers", "native": "initContainers"}
STARTUP_PATHS = {"classic": "/live", "native": "/ready"}
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
RESTRICTED: Object = {
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a read-only root besides.
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
# Kubernetes' own defaults (Probe v1 core), where a manifest leaves a number out.
PERIOD_S, FAILURES = 10, 3


def main(directory: Path) -> int:
    """Check ``classic.yaml`` and ``native.yaml`` in ``directory``; print every problem, return 1 if there is any."""
    found: list[str] = []
    sidecars: list[Object] = []
    for variant in PLACES:
        objects = [item for item in yaml.safe_load_all((directory / f"{variant}.yaml").read_text()) if item]
        found += [f"{variant}: {problem}" for problem in problems(variant, objects)]
        sidecars += [container for _, container in containers(deployment(objects)) if container["name"] == SIDECAR]
    ours_alone = ("startupProbe", "restartPolicy")
    copies = [{key: value for key, value in sidecar.items() if key not in ours_alone} for sidecar in sidecars]
    if len(copies) != len(PLACES) or copies[0] != copies[1]:
        found.append(f"classic and native: the sidecar differs in more than {' and '.join(ours_alone)}")
    for problem in found:
        print(f"tests/manifests: {problem}", file=sys.stderr)
    return 1 if found else 0


def problems(variant: str, objects: list[Object]) -> Iterator[str]:
    """Yield everything that is wrong with a rendered variant."""
    workload = deployment(objects)
    pod = workload["spec"]["template"]["spec"]
    yield from pod_problems(pod)
    for account in (item for item in objects if item["kind"] == "ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield "the ServiceAccount mounts its token"
    for place, container in containers(workload):
        name = container["name"]
        # The sidecar is copied into pods that say nothing themselves: its own security context has to be whole.
        inherited = {} if name == SIDECAR else pod.get("securityContext", {})
        security = inherited | container.get("securityContext", {})
        yield from (f"{name}: {problem}" for problem in restricted_problems(security))
        yield from (f"{name}: {problem}" for problem in probe_problems(container))
        yield from (f"{name}: {problem}" for problem in secret_problems(container))
        if name == SIDECAR:
            if place != PLACES[variant] or (place == "initContainers") != (container.get("restartPolicy") == "Always"):
                yield f"the sidecar is among {place} with restartPolicy {container.get('restartPolicy')}"
            yield from (f"{name}: {problem}" for problem in sidecar_problems(variant, workload, container, objects))
    if [container["name"] for _, container in containers(workload)].count(SIDECAR) != 1:
        yield f"there is not exactly one container {SIDECAR}"


def deployment(objects: list[Object]) -> Object:
    """Return the one Deployment."""
    (found,) = (item for item in objects if item["kind"] == "Deployment")
    return found


def containers(workload: Object) -> Iterator[tuple[str, Object]]:
    """Yield every container of the pod with the list that it is in."""
    pod = workload["spec"]["template"]["spec"]
    for place in LISTS:
        for container in pod.get(place, ()):
            yield place, container


def pod_problems(pod: Object) -> Iterator[str]:
    """Yield what the pod itself has that "restricted" forbids, or lacks."""
    if pod.get("automountServiceAccountToken") is not False:
        yield "the pod mounts a service account token"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield f"{key} is set"
    for volume in pod.get("volumes", ()):
        if not volume.keys() & {"configMap", "secret", "emptyDir", "projected", "downwardAPI"}:
            yield f"volume {volume['name']} is of a kind that is not meant here"


def restricted_problems(security: Object) -> Iterator[str]:
    """Yield where a container's effective security context falls short."""
    for key, wanted in RESTRICTED.items():
        if security.get(key) != wanted:
            yield f"securityContext.{key} is {security.get(key)}, not {wanted}"
    if not security.get("runAsUser"):
        yield "securityContext.runAsUser is root or not set"
    if security.get("privileged"):
        yield "privileged"


def probe_problems(container: Object) -> Iterator[str]:
    """Yield probes that ask somebody else, or a port that the container does not have."""
    ports = {port.get("name"): port["containerPort"] for port in container.get("ports", ())}
    for kind in PROBES:
        request = container.get(kind, {}).get("httpGet", {})
        if "host" in request:
            yield f"{kind} names a host"
        if request and request["port"] not in (*ports, *ports.values()):
            yield f"{kind} asks port {request['port']}, which the container does not have"


def secret_problems(container: Object) -> Iterator[str]:
    """Yield database addresses that stand in the manifest."""
    for variable in container.get("env", ()):
        if variable["name"].endswith("DATABASE_URL") and "secretKeyRef" not in variable.get("valueFrom", {}):
            yield f"{variable['name']} does not come from a Secret"


def sidecar_problems(variant: str, workload: Object, container: Object, objects: list[Object]) -> Iterator[str]:
    """Yield what would keep the sidecar from working, or from having its say."""
    # A value from a Secret is not known here; any address will do.
    written = {item["name"]: item.get("value", "postgresql://user@host/database") for item in container.get("env", ())}
    try:
        settings = load_settings(written, {})
    except SettingsError as error:
        yield from error.problems
        return
    yield from (f"unknown variable {name}" for name in settings.ignored_variables)
    yield from budget_problems(variant, workload, container, settings)
    yield from contract_problems(workload, container, settings, objects)
    if container["image"].rpartition(":")[2] != __version__:
        yield f"the image is {container['image']}, this is version {__version__}"
    if container.get("securityContext", {}).get("runAsUser") != SIDECAR_USER:
        yield f"runs as another user than the image's {SIDECAR_USER}"
    resources = container.get("resources", {})
    if "cpu" in resources.get("limits", {}) or resources.get("limits", {}).get("memory") is None:
        yield "wants a memory limit, and no CPU limit"
    if resources.get("requests", {}).keys() != {"cpu", "memory"}:
        yield "wants requests for CPU and memory"


def budget_problems(variant: str, workload: Object, container: Object, settings: Settings) -> Iterator[str]:
    """Yield probes with the wrong path or port, and times that do not nest."""
    paths = dict(zip(PROBES, (STARTUP_PATHS[variant], "/ready", "/live"), strict=True))
    ports = {port.get("name"): port["containerPort"] for port in container.get("ports", ())}
    for kind, path in paths.items():
        request = container.get(kind, {}).get("httpGet", {})
        if request.get("path") != path:
            yield f"{kind} asks {request.get('path')}, not {path}"
        if ports.get(request.get("port"), request.get("port")) != settings.listen.port:
            yield f"{kind} asks port {request.get('port')}, but the sidecar listens on {settings.listen.port}"
    startup = container.get("startupProbe", {})
    budget_s = startup.get("periodSeconds", PERIOD_S) * startup.get("failureThreshold", FAILURES)
    if budget_s <= settings.values.deadline_s:
        yield f"the startup budget of {budget_s} s does not exceed the deadline of {settings.values.deadline_s:g} s"
    spec = workload["spec"]
    if spec.get("progressDeadlineSeconds", 600) <= budget_s:
        yield f"progressDeadlineSeconds does not exceed the startup budget of {budget_s} s"
    if spec.get("strategy", {}).get("rollingUpdate", {}).get("maxUnavailable") != 0:
        yield "maxUnavailable is not 0: old pods would go before new ones are Ready"


def contract_problems(workload: Object, container: Object, settings: Settings, objects: list[Object]) -> Iterator[str]:
    """Yield why there is no usable contract where the sidecar looks for it."""
    path = Path(settings.values.contract)
    mounted = [mount for mount in container.get("volumeMounts", ()) if Path(mount["mountPath"]) == path.parent]
    volumes = {volume["name"]: volume for volume in workload["spec"]["template"]["spec"].get("volumes", ())}
    names = [volumes.get(mount["name"], {}).get("configMap", {}).get("name", "") for mount in mounted]
    maps = [item for item in objects if item["kind"] == "ConfigMap" and item["metadata"]["name"] in names]
    if len(maps) != 1:
        yield f"no ConfigMap is mounted at {path.parent}"
        return
    if not re.search(r"-[a-z0-9]{10}\Z", maps[0]["metadata"]["name"]):
        yield f"the ConfigMap {maps[0]['metadata']['name']} has no hash in its name"
    try:
        parse_contract(maps[0].get("data", {}).get(path.name, "").encode(), path.name)
    except ContractError as error:
        yield from (f"{path.name}: {problem}" for problem in error.problems)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
