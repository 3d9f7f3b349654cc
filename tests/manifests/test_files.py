"""Every file under k8s/ by itself: for people who copy YAML."""

from pathlib import Path

import pytest
import yaml

from tests.manifests.kustomize import K8S

FILES = sorted(path for path in K8S.rglob("*.yaml"))
WIDTH = 120


def test_there_are_files() -> None:
    """The tests below look at something."""
    assert len(FILES) > 10


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(K8S)) for path in FILES])
def test_file_reads_alone(path: Path) -> None:
    """It opens by saying what it is, fits the width, and holds whole objects, one a document."""
    text = path.read_text()
    assert text.startswith("# ")
    assert [] == [line for line in text.splitlines() if len(line) > WIDTH or line != line.rstrip()]
    for item in yaml.safe_load_all(text):
        assert {"apiVersion", "kind"} <= item.keys()
        assert ("metadata" in item) == (item["kind"] not in ("Kustomization", "Component"))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(K8S)) for path in FILES])
def test_file_is_part_of_something(path: Path) -> None:
    """A kustomization beside it names it, so that it is rendered and checked."""
    if path.name != "kustomization.yaml":
        kustomization = (path.parent / "kustomization.yaml").read_text()
        assert path.name in kustomization
