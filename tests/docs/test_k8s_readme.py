"""k8s/README.md and what it leads to: its kustomizations render, its snippets are the components, its codes exist."""

import json
import re
from pathlib import Path
from typing import Any

import botocore.session  # type: ignore[import-untyped] # it has no stubs
import pytest
import yaml
from botocore.validate import ParamValidator  # type: ignore[import-untyped] # it has no stubs

from sidecar.report import ExitCode
from sidecar.settings import load_settings
from tests.manifests.kustomize import COPIER, K8S, SIDECAR, Object, container, gated, names, one, pod_spec
from tests.manifests.rules import gate_problems

README = (K8S / "README.md").read_text()
CONTRACT = (K8S / "example" / "realtime" / "contract.json").read_text()
OUT_OF_MEMORY = 137


def blocks(title: str) -> list[str]:
    """The YAML blocks of a section."""
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert match is not None, f"k8s/README.md has no section {title!r}"
    return re.findall(r"```yaml\n(.*?)```", match[1], re.DOTALL)


def kustomized(directory: Path, text: str, *more: str) -> tuple[Object, ...]:
    """Render the README's kustomization for the fixture, with components/ beside it as the README says."""
    fields: Object = yaml.safe_load(text)
    for key in ("apiVersion", "kind", "resources"):
        del fields[key]
    prefix = "components/"
    components = [name.removeprefix(prefix) for name in fields.pop("components")]
    (directory / "contract.json").write_text(CONTRACT)
    return gated(directory, *components, *more, **fields)


def sidecars_secret(deployment: Object) -> Object:
    (found,) = (
        v["valueFrom"]["secretKeyRef"] for v in container(deployment, SIDECAR)["env"] if v["name"] == "DATABASE_URL"
    )
    return dict(found)


def test_kustomization_gates_a_deployment(tmp_path: Path) -> None:
    """As it is printed: the contract comes first, the Secret is the application's, the image is from the registry."""
    objects = kustomized(tmp_path, blocks("Into your own kustomization")[0])
    deployment = one(objects, "Deployment")
    assert [] == list(gate_problems(deployment, objects))
    assert [COPIER, SIDECAR] == names(deployment, "initContainers")[:2]
    assert {"name": "billing-db", "key": "DSN"} == sidecars_secret(deployment)
    assert "registry.example/schema-readiness-sidecar:0.1.0" == container(deployment, SIDECAR)["image"]


def test_kustomization_takes_a_configmap_instead(tmp_path: Path) -> None:
    """With the two lines out and the generator in, as the text says."""
    whole, generator, _ = blocks("Into your own kustomization")
    lines = [
        line
        for line in whole.splitlines()
        if "contract-from-image" not in line and "- name: schema-contract" not in line
    ]
    assert len(whole.splitlines()) - 2 == len(lines)
    objects = kustomized(tmp_path, "\n".join([*lines, generator]))
    deployment = one(objects, "Deployment")
    assert [] == list(gate_problems(deployment, objects))
    assert SIDECAR == names(deployment, "initContainers")[0]
    (volume,) = (v for v in pod_spec(deployment)["volumes"] if v["name"] == "schema-contract")
    assert one(objects, "ConfigMap")["metadata"]["name"] == volume["configMap"]["name"]


def test_second_rule_of_the_policy_can_be_taken_out(tmp_path: Path) -> None:
    """The patch leaves Prometheus' rule and no other."""
    patch = yaml.safe_load(blocks("Into your own kustomization")[2])
    (rule,) = one(gated(tmp_path, "native-sidecar", "network-policy", **patch), "NetworkPolicy")["spec"]["ingress"]
    assert [9632] == [port["port"] for port in rule["ports"]]


def test_helm_snippet_is_the_components(tmp_path: Path) -> None:
    """With the values put in: containers and volumes of native-sidecar and contract-from-image, to the last key."""
    values_text, template = blocks("Helm")
    values = yaml.safe_load(values_text)

    def value(match: re.Match[str]) -> str:
        found: Any = values
        for key in match[1].split("."):
            found = found[key]
        return str(found)

    snippet = yaml.safe_load(re.sub(r"\{\{ \.Values\.([\w.]+) \}\}", value, template))
    deployment = one(gated(tmp_path, "native-sidecar", "contract-from-image"), "Deployment")
    wanted = [container(deployment, name) for name in (COPIER, SIDECAR)]
    wanted[0]["image"] = values["image"]
    assert wanted == snippet["initContainers"]
    volumes = {volume["name"]: volume for volume in pod_spec(deployment)["volumes"]}
    assert [volumes["schema-contract"], volumes["schema-state"]] == snippet["volumes"]


def test_exit_codes_table_is_the_exit_codes() -> None:
    """Every exit code is there once, and besides only that of a container that was killed."""
    rows = re.findall(r"^\| ([\d, ]+) \|", README, re.MULTILINE)
    codes = sorted(int(code) for row in rows for code in row.split(","))
    assert sorted([*map(int, ExitCode), OUT_OF_MEMORY]) == codes


def test_numbers_are_the_components(tmp_path: Path) -> None:
    """The numbers of the table that stand in a manifest."""
    sidecar = container(one(gated(tmp_path, "native-sidecar"), "Deployment"), SIDECAR)
    startup, liveness = sidecar["startupProbe"], sidecar["livenessProbe"]
    (deadline,) = (v["value"] for v in sidecar["env"] if v["name"] == "SIDECAR_DEADLINE_S")
    for text in (
        f"`SIDECAR_DEADLINE_S` {deadline}",
        f"`startupProbe` {startup['failureThreshold']} × {startup['periodSeconds']} s",
        f"`readinessProbe` {sidecar['readinessProbe']['periodSeconds']} s",
        f"`livenessProbe` {liveness['failureThreshold']} × {liveness['periodSeconds']} s",
        f"memory {sidecar['resources']['limits']['memory']}",
        f"port {sidecar['ports'][0]['containerPort']}",
    ):
        assert f"| {text} |" in README


@pytest.fixture
def definition() -> Object:
    found: Object = json.loads((K8S / "ecs" / "task-definition.json").read_text())
    return found


@pytest.fixture
def sidecar(definition: Object) -> Object:
    (found,) = (item for item in definition["containerDefinitions"] if item["name"] == SIDECAR)
    return dict(found)


def test_ecs_would_take_the_task_definition(definition: Object) -> None:
    """Every key and type is in the API's model; a misspelled one is not."""
    shape = (
        botocore.session.get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition").input_shape
    )
    assert "" == ParamValidator().validate(definition, shape).generate_report()
    broken = {**definition, "containerDefinition": []}
    assert ParamValidator().validate(broken, shape).has_errors()


def test_application_waits_for_the_sidecar_on_ecs(definition: Object) -> None:
    """For its health, with the command of the image's own health check."""
    application, sidecar = definition["containerDefinitions"]
    assert [{"containerName": SIDECAR, "condition": "HEALTHY"}] == application["dependsOn"]
    assert f"CMD {json.dumps(sidecar['healthCheck']['command'][1:])}" in (K8S.parent / "Dockerfile").read_text()


def test_times_of_the_task_definition_nest(sidecar: Object) -> None:
    """The sidecar has its say before ECS stops to wait, and Fargate waits for no more than 120 s."""
    environment = {item["name"]: item["value"] for item in sidecar["environment"]}
    settings = load_settings(environment | {"DATABASE_URL": "postgresql://user@host/database"}, {})
    assert () == settings.ignored_variables
    times_s = [settings.values.deadline_s, sidecar["healthCheck"]["startPeriod"], sidecar["startTimeout"], 121]
    assert sorted(set(times_s)) == times_s


def test_verdicts_are_final_on_ecs(sidecar: Object) -> None:
    """All but no verdict, an interruption and what kills a process."""
    restarted = {ExitCode.NO_VERDICT, ExitCode.INTERRUPTED, ExitCode.TERMINATED}
    assert sorted(set(ExitCode) - restarted) == sidecar["restartPolicy"]["ignoredExitCodes"]


def test_files_are_where_the_ecs_image_has_them(sidecar: Object) -> None:
    """The contract is copied to where it is read, and the state file's volume is the user's of the image."""
    environment = {item["name"]: item["value"] for item in sidecar["environment"]}
    dockerfile = (K8S / "ecs" / "Dockerfile").read_text().splitlines()
    state = Path(environment["SIDECAR_STATE_FILE"]).parent
    assert f"COPY contract.json {Path(environment['SIDECAR_CONTRACT']).parent}/" in dockerfile
    assert f"VOLUME {state}" in dockerfile
    assert [str(state)] == [mount["containerPath"] for mount in sidecar["mountPoints"]]
