"""What no schema can say of a manifest: each rule yields every problem that it finds."""

import re
from collections.abc import Iterator
from pathlib import Path

from sidecar import __version__
from sidecar.contract.errors import ContractError
from sidecar.contract.reader import parse_contract
from sidecar.settings import Settings, SettingsError, load_settings
from tests.manifests.kustomize import COPIER, SIDECAR, Object, containers, names, pod_spec

SIDECAR_USER = 65532
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
PLACES = {"native": "initContainers", "classic": "containers"}
STARTUP_PATHS = {"native": "/ready", "classic": "/live"}
RESTRICTED: Object = {
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a read-only root besides.
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
VOLUMES = {"configMap", "secret", "emptyDir", "projected", "downwardAPI"}
# Kubernetes' own defaults (Probe v1 core), where a manifest leaves a number out.
PERIOD_S, FAILURES = 10, 3


def problems(objects: tuple[Object, ...]) -> Iterator[str]:
    """Yield everything that is wrong with the workloads of a kustomization that is all ours."""
    for workload in (item for item in objects if item["kind"] in ("Deployment", "StatefulSet", "Job")):
        kind = workload["kind"]
        yield from (f"{kind}: {problem}" for problem in pod_problems(workload))
        if kind == "Deployment":
            yield from (f"{kind}: {problem}" for problem in rollout_problems(workload))
        for _, container in containers(workload):
            if container["name"] not in (SIDECAR, COPIER):
                yield from (f"{container['name']}: {problem}" for problem in container_problems(container))
            yield from (f"{container['name']}: {problem}" for problem in secret_problems(container, objects))
        yield from gate_problems(workload, objects)


def gate_problems(workload: Object, objects: tuple[Object, ...]) -> Iterator[str]:
    """Yield what is wrong with our containers in a workload, whosever it is."""
    for place, container in containers(workload):
        if container["name"] in (SIDECAR, COPIER):
            prefix = f"{container['name']}: "
            yield from (prefix + problem for problem in container_problems(container))
        if container["name"] == SIDECAR:
            yield from (prefix + problem for problem in sidecar_problems(workload, place, container, objects))


def pod_problems(workload: Object) -> Iterator[str]:
    """Yield what the pod itself has that "restricted" forbids, or lacks."""
    pod = pod_spec(workload)
    if pod.get("automountServiceAccountToken") is not False:
        yield "the pod mounts a service account token"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield f"{key} is set"
    for volume in pod.get("volumes", ()):
        if len(volume.keys() & VOLUMES) != 1:
            yield f"volume {volume['name']} is not of one kind that is meant here"


def container_problems(container: Object) -> Iterator[str]:
    """Yield where a container falls short. Its security context has to be whole: pods of others say nothing."""
    security = container.get("securityContext", {})
    for key, wanted in RESTRICTED.items():
        if security.get(key) != wanted:
            yield f"securityContext.{key} is {security.get(key)}, not {wanted}"
    if not security.get("runAsUser"):
        yield "securityContext.runAsUser is root or not set"
    if security.get("privileged"):
        yield "privileged"
    resources = container.get("resources", {})
    if "cpu" in resources.get("limits", {}) or resources.get("limits", {}).get("memory") is None:
        yield "wants a memory limit, and no CPU limit"
    if resources.get("requests", {}).keys() != {"cpu", "memory"}:
        yield "wants requests for CPU and memory"
    ports = {port.get("name"): port["containerPort"] for port in container.get("ports", ())}
    for kind in PROBES:
        request = container.get(kind, {}).get("httpGet", {})
        if "host" in request:
            yield f"{kind} names a host"
        if request and request["port"] not in (*ports, *ports.values()):
            yield f"{kind} asks port {request['port']}, which the container does not have"


def secret_problems(container: Object, objects: tuple[Object, ...]) -> Iterator[str]:
    """Yield credentials that stand in the manifest, and references to what is not there."""
    there = {(item["kind"], item["metadata"]["name"]): {**item.get("data", {})} for item in objects}
    generated = any(kind == "Secret" for kind, _ in there)
    for variable in container.get("env", ()):
        source = variable.get("valueFrom", {})
        if variable["name"].endswith(("DATABASE_URL", "PASSWORD")) and "secretKeyRef" not in source:
            yield f"{variable['name']} does not come from a Secret"
        secret = source.get("secretKeyRef")
        if secret and generated and secret["key"] not in there.get(("Secret", secret["name"]), {}):
            yield f"{variable['name']}: there is no key {secret['key']} in Secret {secret['name']}"


def rollout_problems(workload: Object) -> Iterator[str]:
    """Yield what would let a rollout go on, or give up, too early."""
    spec = workload["spec"]
    if spec.get("strategy", {}).get("rollingUpdate", {}).get("maxUnavailable") != 0:
        yield "maxUnavailable is not 0: old pods would go before new ones are Ready"
    for _, container in containers(workload):
        if container["name"] == SIDECAR and spec.get("progressDeadlineSeconds", 600) <= budget_of(container):
            yield f"progressDeadlineSeconds does not exceed the startup budget of {budget_of(container)} s"


def budget_of(container: Object) -> int:
    """Return how long the startup probe lasts, in seconds."""
    startup = container.get("startupProbe", {})
    return int(startup.get("periodSeconds", PERIOD_S) * startup.get("failureThreshold", FAILURES))


def sidecar_problems(workload: Object, place: str, container: Object, objects: tuple[Object, ...]) -> Iterator[str]:
    """Yield what would keep the sidecar from working, or from having its say."""
    environment = {item["name"]: item for item in container.get("env", ())}
    written = {name: item["value"] for name, item in environment.items() if "value" in item}
    # A value from elsewhere is not known here; any address, UID and number will do.
    given = {"DATABASE_URL": "postgresql://user@host/database", "SIDECAR_POD_UID": "uid"}
    given["SIDECAR_DRIFT_INTERVAL_S"] = "300"
    try:
        settings = load_settings({name: written.get(name, given.get(name, "")) for name in environment}, {})
    except SettingsError as error:
        yield from error.problems
        return
    yield from (f"unknown variable {name}" for name in settings.ignored_variables)
    if container["image"].rpartition(":")[2] != __version__:
        yield f"the image is {container['image']}, this is version {__version__}"
    if container["securityContext"].get("runAsUser") != SIDECAR_USER:
        yield f"runs as another user than the image's {SIDECAR_USER}"
    yield from contract_problems(workload, container, settings, objects)
    if container.get("args") == ["serve"]:
        yield from place_problems(workload, place, container)
        yield from probe_problems(workload, container, settings)
        yield from state_problems(workload, container, settings, environment)


def place_problems(workload: Object, place: str, container: Object) -> Iterator[str]:
    """Yield a sidecar that is not what the labels say it is."""
    labels = [item["metadata"].get("labels", {}).get(SIDECAR) for item in (workload, workload["spec"]["template"])]
    if labels[0] != labels[1] or PLACES.get(labels[0]) != place:
        yield f"is among {place}, and the labels say {labels}"
    if container.get("restartPolicy") != ("Always" if place == "initContainers" else None):
        yield f"is among {place} with restartPolicy {container.get('restartPolicy')}"


def probe_problems(workload: Object, container: Object, settings: Settings) -> Iterator[str]:
    """Yield probes with the wrong path or port, and times that do not nest."""
    variant = workload["metadata"].get("labels", {}).get(SIDECAR)
    paths = dict(zip(PROBES, (STARTUP_PATHS.get(variant), "/ready", "/live"), strict=True))
    ports = {port.get("name"): port["containerPort"] for port in container.get("ports", ())}
    for kind, path in paths.items():
        request = container.get(kind, {}).get("httpGet", {})
        if request.get("path") != path:
            yield f"{kind} asks {request.get('path')}, not {path}"
        if ports.get(request.get("port"), request.get("port")) != settings.listen.port:
            yield f"{kind} asks port {request.get('port')}, but the sidecar listens on {settings.listen.port}"
    longest_s = settings.values.deadline_s + settings.values.mismatch_grace_s
    if budget_of(container) <= longest_s:
        yield f"the startup budget of {budget_of(container)} s does not exceed deadline and grace, {longest_s:g} s"


def state_problems(
    workload: Object, container: Object, settings: Settings, environment: dict[str, Object]
) -> Iterator[str]:
    """Yield why a pass would not be remembered, or by the wrong pod."""
    mount, volume = mounted(workload, container, Path(settings.values.state_file).parent)
    if "emptyDir" not in volume or mount.get("readOnly"):
        yield f"the state file {settings.values.state_file} is not on an emptyDir that can be written"
    field = environment.get("SIDECAR_POD_UID", {}).get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
    if field != "metadata.uid":
        yield f"SIDECAR_POD_UID comes from {field}, not from metadata.uid"


def contract_problems(
    workload: Object, container: Object, settings: Settings, objects: tuple[Object, ...]
) -> Iterator[str]:
    """Yield why there would be no usable contract where the sidecar looks for it."""
    path = Path(settings.values.contract)
    mount, volume = mounted(workload, container, path.parent)
    if not mount.get("readOnly"):
        yield f"no volume is mounted at {path.parent}, or it can be written"
    elif "emptyDir" in volume:
        yield from copier_problems(workload, volume["name"], path.name)
    else:
        yield from configmap_problems(objects, volume.get("configMap", {}).get("name", ""), path.name)


def copier_problems(workload: Object, volume: str, file: str) -> Iterator[str]:
    """Yield why no init container would bring the contract before it is read."""
    order = names(workload, "initContainers")
    if COPIER not in order or (SIDECAR in order and order.index(COPIER) > order.index(SIDECAR)):
        yield f"no container {COPIER} stands before it: {order}"
        return
    copier = pod_spec(workload)["initContainers"][order.index(COPIER)]
    targets = [f"{m['mountPath']}/{file}" for m in copier["volumeMounts"] if m["name"] == volume]
    if copier["command"] != ["cp", "-pf", "/contract/contract.json", *targets]:
        yield f"{COPIER} copies by {copier['command']}, and the volume is at {targets}"


def configmap_problems(objects: tuple[Object, ...], name: str, file: str) -> Iterator[str]:
    """Yield why a ConfigMap would not do. One that is not there is the user's to bring."""
    for item in (item for item in objects if item["kind"] == "ConfigMap" and item["metadata"]["name"] == name):
        if not re.search(r"-[a-z0-9]{10}\Z", name):
            yield f"the ConfigMap {name} has no hash in its name"
        try:
            parse_contract(item.get("data", {}).get(file, "").encode(), file)
        except ContractError as error:
            yield from (f"{file}: {problem}" for problem in error.problems)


def mounted(workload: Object, container: Object, directory: Path) -> tuple[Object, Object]:
    """Return what the container mounts at a directory, and its volume; empty where there is none."""
    for mount in container.get("volumeMounts", ()):
        if Path(mount["mountPath"]) == directory:
            for volume in pod_spec(workload).get("volumes", ()):
                if volume["name"] == mount["name"]:
                    return mount, volume
    return {}, {}
