"""Everything under k8s/, rendered: valid for Kubernetes, and what no schema can say of it holds."""

from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped] # it has no stubs
import pytest

from tests.manifests.kustomize import VARIANTS, Object, everything, gated, one
from tests.manifests.rules import gate_problems, problems

VERSIONS = ("1.29", "1.33", kubernetes_validate.latest_version())
"""The first with native sidecars on by default, the first where they are stable, and the newest that is known."""
OPERATOR_GROUP = "monitoring.coreos.com/"
"""Its kinds are not Kubernetes' own, and checked elsewhere by the operator's models."""
CONTRACT = (Path(__file__).parents[2] / "k8s" / "example" / "realtime" / "contract.json").read_text()


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Object, ...]]:
    return everything(tmp_path_factory.mktemp("rendered"))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(rendered: dict[str, tuple[Object, ...]], version: str) -> None:
    """No misspelled key, no wrong type, no kind that this version of Kubernetes does not know."""
    for objects in rendered.values():
        for item in objects:
            if not item["apiVersion"].startswith(OPERATOR_GROUP):
                kubernetes_validate.validate(item, version, strict=True)


@pytest.mark.parametrize("name", ["example", "pre-rollout-check"])
def test_what_is_all_ours_holds_together(rendered: dict[str, tuple[Object, ...]], name: str) -> None:
    """Restricted containers, nested time budgets, ports that match, secrets from Secrets, a contract to be read."""
    assert [] == list(problems(rendered[name]))


def test_what_is_added_to_other_deployments_holds_together(rendered: dict[str, tuple[Object, ...]]) -> None:
    """The same of the containers that a component adds, whatever it is combined with."""
    for name, objects in rendered.items():
        if name.startswith("components/"):
            assert [] == list(gate_problems(one(objects, "Deployment"), objects)), name


@pytest.mark.parametrize("variant", VARIANTS)
def test_contract_from_a_generator_is_found(tmp_path: Path, variant: str) -> None:
    """The ConfigMap of the user's own generator, under its hashed name, is the volume; it holds a contract."""
    (tmp_path / "contract.json").write_text(CONTRACT)
    generator = [{"name": "schema-contract", "files": ["contract.json"]}]
    objects = gated(tmp_path, variant, configMapGenerator=generator, namePrefix="blue-", namespace="shop")
    deployment, generated = one(objects, "Deployment"), one(objects, "ConfigMap")
    assert [] == list(gate_problems(deployment, objects))
    volumes = deployment["spec"]["template"]["spec"]["volumes"]
    assert [generated["metadata"]["name"]] == [
        volume["configMap"]["name"] for volume in volumes if "configMap" in volume
    ]
