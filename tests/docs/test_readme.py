"""The README's tables and examples, compared with the code: what it promises has to be true."""

import re
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped] # it has no stubs
import yaml
from prometheus_client import CollectorRegistry

from sidecar.cli import COMMANDS
from sidecar.contract.reader import parse_contract, read_contract
from sidecar.metrics import Metrics
from sidecar.report import ExitCode
from sidecar.settings import fields, written

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def section(title: str) -> str:
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert match is not None, f"the README has no section {title!r}"
    return match[1]


def rows(title: str) -> list[list[str]]:
    lines = [line for line in section(title).splitlines() if line.startswith("|")][2:]
    return [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_settings_table_is_the_settings() -> None:
    """Names, defaults and meanings are those of the code, in its order."""
    assert [[f.variable, written(f.default), f.description] for f in fields()] == rows("Settings")


def test_exit_codes_table_is_the_exit_codes() -> None:
    """Every exit code is there, and no other."""
    assert [str(int(code)) for code in ExitCode] == [row[0] for row in rows("Exit codes")]


def test_commands_table_is_the_commands() -> None:
    """Every command is there, and no other."""
    assert list(COMMANDS) == [row[0].split()[1] for row in rows("Commands")]


def test_metrics_table_is_the_metrics() -> None:
    """Every metric and its labels are there, and no other."""
    registry = CollectorRegistry()
    Metrics(registry)
    expected: dict[str, set[str]] = {}
    for collector in {id(c): c for c in registry._names_to_collectors.values()}.values():
        labels = set(getattr(collector, "_labelnames", ()))
        for metric in collector.collect():
            if metric.name.startswith("schema_preflight"):
                name = metric.name + ("_total" if metric.type == "counter" else "")
                expected[name] = labels
    described = {row[0]: set(re.findall(r"\w+", row[1])) for row in rows("Metrics") if row[0] != "process_*"}
    assert expected == described


def test_settings_are_all_in_the_env_example() -> None:
    """config/env.example names every setting with its default, the contract's path aside."""
    text = (ROOT / "config" / "env.example").read_text()
    given = dict(re.findall(r"^(SIDECAR_\w+)=(.*)$", text, re.MULTILINE))
    assert {f.variable: written(f.default) for f in fields()} | {"SIDECAR_CONTRACT": given["SIDECAR_CONTRACT"]} == given


def test_contracts_that_are_shown_are_contracts() -> None:
    """The README's example and the commented one in config/ are read without a problem."""
    (block,) = re.findall(r"```yaml\n(.*?)```", section("The contract"), re.DOTALL)
    assert "realtime" == parse_contract(block.encode()).name
    assert "realtime" == read_contract(str(ROOT / "config" / "contract.example.yaml")).name


def test_links_lead_somewhere() -> None:
    """Every relative link of every document names a file that is there."""
    for document in (*ROOT.glob("*.md"), *ROOT.glob("k8s/*.md"), *ROOT.glob("config/*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document}: {target}"


def test_pods_that_are_shown_are_pods() -> None:
    """Every Pod in config/README.md is valid, strictly, for the Kubernetes that it is meant for."""
    text = (ROOT / "config" / "README.md").read_text()
    pods = [pod for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "kind: Pod" in block
            for pod in yaml.safe_load_all(block)]  # fmt: skip
    assert 2 == len(pods)
    for pod, version in zip(pods, ("1.29", "1.33"), strict=True):
        kubernetes_validate.validate(pod, version, strict=True)
