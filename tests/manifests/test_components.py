"""What each component does to a Deployment of somebody else's, and what it leaves alone."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests.kustomize import (
    COPIER,
    FIXTURE,
    LISTS,
    SIDECAR,
    VARIANTS,
    Object,
    RenderError,
    container,
    gated,
    names,
    one,
    pod_spec,
)

NATIVE, CLASSIC = VARIANTS
FROM_IMAGE = "contract-from-image"
VOLUMES = {"schema-contract", "schema-state"}


def ungated(deployment: Object) -> Object:
    """Take out what the components put in."""
    for metadata in (deployment["metadata"], deployment["spec"]["template"]["metadata"]):
        del metadata["labels"][SIDECAR]
    pod = pod_spec(deployment)
    for place in LISTS:
        pod[place] = [item for item in pod[place] if item["name"] not in (SIDECAR, COPIER)]
    pod["volumes"] = [item for item in pod["volumes"] if item["name"] not in VOLUMES]
    return deployment


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("others", [(), (FROM_IMAGE, "network-policy", "monitoring")])
def test_the_users_own_is_untouched(tmp_path: Path, variant: str, others: tuple[str, ...]) -> None:
    """Containers, probes, volumes, strategy, annotations: to the byte as they are without the components."""
    plain = one(gated(tmp_path / "plain"), "Deployment")
    deployment = one(gated(tmp_path / "gated", variant, *others), "Deployment")
    assert SIDECAR in str(deployment)
    assert yaml.safe_dump(plain, sort_keys=False) == yaml.safe_dump(ungated(deployment), sort_keys=False)


def test_native_stands_before_the_users_init_containers(tmp_path: Path) -> None:
    """It gates them, too; a user whose init container migrates reads so."""
    deployment = one(gated(tmp_path, NATIVE), "Deployment")
    assert [SIDECAR, "a-settings-writer", "proxy"] == names(deployment, "initContainers")
    assert ["zz-front", "schema-cache"] == names(deployment, "containers")


def test_classic_leaves_the_application_first(tmp_path: Path) -> None:
    """kubectl takes the first container by default, and so does contract-from-image."""
    deployment = one(gated(tmp_path, CLASSIC), "Deployment")
    assert ["zz-front", "schema-cache", SIDECAR] == names(deployment, "containers")
    assert ["a-settings-writer", "proxy"] == names(deployment, "initContainers")


def test_variants_differ_only_where_they_must(tmp_path: Path) -> None:
    """The same container and volumes, but for what makes it native and what its startup probe waits for."""
    native, classic = (one(gated(tmp_path / name, name), "Deployment") for name in VARIANTS)
    sidecars = [container(item, SIDECAR) for item in (native, classic)]
    assert ["Always", None] == [sidecar.pop("restartPolicy", None) for sidecar in sidecars]
    assert ["/ready", "/live"] == [sidecar["startupProbe"]["httpGet"].pop("path") for sidecar in sidecars]
    assert sidecars[0] == sidecars[1]
    assert pod_spec(native)["volumes"] == pod_spec(classic)["volumes"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_deployment_can_stay_out(tmp_path: Path, variant: str) -> None:
    """schema-readiness: "off" leaves one alone, and its neighbour is gated."""
    (other,) = yaml.safe_load_all(FIXTURE.read_text())
    other["metadata"] = {"name": "other", "labels": {SIDECAR: "off"}}
    two = f"{FIXTURE.read_text()}---\n{yaml.safe_dump(other)}"
    objects = gated(tmp_path, variant, deployment=two)
    counts = {item["metadata"]["name"]: str(item).count("'name': 'schema-readiness'") for item in objects}
    assert (0, True) == (counts["other"], counts["billing-v2.web"] > 0)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [(NATIVE, [COPIER, SIDECAR, "a-settings-writer", "proxy"]), (CLASSIC, [COPIER, "a-settings-writer", "proxy"])],
)
def test_contract_is_copied_before_the_sidecar_reads_it(tmp_path: Path, variant: str, expected: list[str]) -> None:
    """The copy comes first of all, and the volume that was a ConfigMap is an emptyDir and nothing else."""
    deployment = one(gated(tmp_path, variant, FROM_IMAGE), "Deployment")
    assert expected == names(deployment, "initContainers")
    (volume,) = (item for item in pod_spec(deployment)["volumes"] if item["name"] == "schema-contract")
    assert {"name", "emptyDir"} == volume.keys()


IMAGES: Any = {
    "as it is": ({}, "registry.example:5000/billing/web:2024-11-01"),
    "a new tag": ({"newTag": "7"}, "registry.example:5000/billing/web:7"),
    "a mirror and a digest": (
        {"newName": "mirror.example/web", "digest": f"sha256:{'a' * 64}"},
        f"mirror.example/web@sha256:{'a' * 64}",
    ),
}


@pytest.mark.parametrize(("change", "expected"), IMAGES.values(), ids=IMAGES)
def test_contract_is_of_the_applications_image(tmp_path: Path, change: Object, expected: str) -> None:
    """The first container's image, also after images: of the user's kustomization."""
    images = [{"name": "registry.example:5000/billing/web", **change}]
    deployment = one(gated(tmp_path, NATIVE, FROM_IMAGE, images=images), "Deployment")
    assert [expected] * 2 == [container(deployment, name)["image"] for name in ("zz-front", COPIER)]


REFUSED = {
    "listed before the sidecar": ((FROM_IMAGE, NATIVE), FIXTURE.read_text(), "unable to find field"),
    "two Deployments": (
        (NATIVE, FROM_IMAGE),
        f"{FIXTURE.read_text()}---\n{FIXTURE.read_text().replace('billing-v2.web', 'other')}",
        "multiple matches",
    ),
}


@pytest.mark.parametrize(("components", "deployment", "said"), REFUSED.values(), ids=REFUSED)
def test_what_could_not_work_is_not_rendered(
    tmp_path: Path, components: tuple[str, ...], deployment: str, said: str
) -> None:
    """kustomize stops, with the words that the component's comment and k8s/README.md quote."""
    with pytest.raises(RenderError, match=said):
        gated(tmp_path, *components, deployment=deployment)


def test_patch_that_names_both_keeps_their_order(tmp_path: Path) -> None:
    """kustomize moves what a patch names to the front: one that names the sidecar alone puts it before its contract."""
    orders = []
    for named in ([SIDECAR], [COPIER, SIDECAR]):
        patched = [{"name": name} for name in named[:-1]] + [{"name": SIDECAR, "env": [{"name": "X", "value": "1"}]}]
        patch = {"spec": {"template": {"spec": {"initContainers": patched}}}}
        patches = [{"target": {"kind": "Deployment"}, "patch": yaml.safe_dump(_named(patch))}]
        deployment = one(gated(tmp_path / str(len(named)), NATIVE, FROM_IMAGE, patches=patches), "Deployment")
        orders.append(names(deployment, "initContainers")[:2])
    assert [[SIDECAR, COPIER], [COPIER, SIDECAR]] == orders


def _named(patch: Object) -> Object:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "any"}} | patch


def test_network_policy_closes_one_port_to_all_but_prometheus(tmp_path: Path) -> None:
    """All TCP ports but the sidecar's stay open to everybody, as do UDP and SCTP; of egress nothing is said."""
    policy = one(gated(tmp_path, NATIVE, "network-policy"), "NetworkPolicy")["spec"]
    assert {"podSelector", "policyTypes", "ingress"} == policy.keys()
    assert [{"key": SIDECAR, "operator": "Exists"}] == policy["podSelector"]["matchExpressions"]
    assert ["Ingress"] == policy["policyTypes"]
    prometheus, everybody = policy["ingress"]
    assert [{"protocol": "TCP", "port": 9632}] == prometheus["ports"]
    assert [{"namespaceSelector"}] == [peer.keys() for peer in prometheus["from"]]
    assert {"ports"} == everybody.keys()
    ranges = [range(item["port"], item["endPort"] + 1) for item in everybody["ports"] if item["protocol"] == "TCP"]
    opened = [port for ports in ranges for port in ports]
    assert sorted(set(range(1, 65536)) - {9632}) == sorted(opened)
    assert [{"protocol": "UDP"}, {"protocol": "SCTP"}] == [p for p in everybody["ports"] if p["protocol"] != "TCP"]
