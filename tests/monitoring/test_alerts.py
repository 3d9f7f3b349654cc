"""The alerts, judged by promtool on made-up series: each fires when it should, and is silent when it should be."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.manifests.kustomize import Object
from tests.monitoring.component import RUNBOOK, alerts, promtool, rule_spec, rules

UNIT_TESTS = Path(__file__).parent / "alerts.yaml"
SPEC = rule_spec()


def failures(directory: Path, spec: Object, rule: str = "") -> str:
    """Run the unit tests against these rules; return what promtool has to say, nothing if it is content.

    With a rule given, only the tests of alerts that it is or is part of: it takes a tenth of the time.
    """
    concerned = {name for name, alert in alerts(spec).items() if rule in (name, "") or rule in alert["expr"]}
    document = yaml.safe_load(UNIT_TESTS.read_text())
    document["tests"] = [
        test for test in document["tests"] if concerned & {case["alertname"] for case in test["alert_rule_test"]}
    ]
    (directory / "rules.yaml").write_text(yaml.safe_dump(spec))
    (directory / UNIT_TESTS.name).write_text(yaml.safe_dump(document))
    done = promtool("test", "rules", directory / UNIT_TESTS.name)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def mutants() -> Iterator[tuple[str, tuple[str, Object]]]:
    """Yield a rule and the rules with one thing of it gone: a condition, a family of series or the waiting time."""
    for number, rule in enumerate(rules(SPEC)):
        name = rule.get("alert") or rule["record"]
        lines = rule["expr"].splitlines(keepends=True)
        conditions = {
            f"without {line.strip()}": "".join(lines[:at] + lines[at + 1 :])
            for at, line in enumerate(lines)
            if re.match(r" *(and|unless) ", line) and line.count("(") == line.count(")")
        }
        families = {
            f"without {family}": rule["expr"].replace(family, "gone")
            for family in re.findall(r"kube_pod_(?:init_)?container_status_\w+", rule["expr"])
        }
        for what, expr in {**conditions, **families}.items():
            yield f"{name} {what}", (name, _with(number, expr=expr))
        if "for" in rule:
            yield f"{name} at once", (name, _with(number, **{"for": "0s"}))


def _with(number: int, **fields: str) -> Object:
    spec = copy.deepcopy(SPEC)
    rules(spec)[number].update(fields)
    return spec


MUTANTS = dict(mutants())


def test_rules_are_valid(tmp_path: Path) -> None:
    """promtool check rules takes the PrometheusRule's spec, duplicates and all other lints included."""
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(SPEC))
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", path)
    assert (0, "") == (done.returncode, done.stderr)
    assert f"{len(rules(SPEC))} rules found" in done.stdout


def test_unit_tests_pass(tmp_path: Path) -> None:
    """Every alert fires and is silent as alerts.yaml says, with its annotations word for word."""
    assert "" == failures(tmp_path, SPEC)


def test_every_alert_is_tested_both_ways() -> None:
    """An alert without a test that fires and one that is silent fails here, and so does a test of no alert."""
    groups = yaml.safe_load(UNIT_TESTS.read_text())["tests"]
    cases = [(case["alertname"], bool(case["exp_alerts"])) for group in groups for case in group["alert_rule_test"]]
    assert {(name, fires) for name in alerts(SPEC) for fires in (True, False)} == set(cases)


@pytest.mark.parametrize("broken", MUTANTS)
def test_unit_tests_notice(tmp_path: Path, broken: str) -> None:
    """With any one condition, family or waiting time taken out, the unit tests fail: each of them is tested."""
    rule, spec = MUTANTS[broken]
    assert "got:" in failures(tmp_path, spec, rule)


def test_every_alert_says_what_to_do() -> None:
    """A severity, a summary, a command with the object filled in, and a section of the runbook that exists."""
    sections = set(re.findall(r"^## (Schema\w+)$", RUNBOOK.read_text(), re.MULTILINE))
    assert set(alerts(SPEC)) == sections
    for name, alert in alerts(SPEC).items():
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "description", "runbook"} == alert["annotations"].keys()
        assert f"RUNBOOK.md#{name.lower()}" == alert["annotations"]["runbook"]
        assert re.search(
            r"^  kubectl -n \{\{ \$labels.namespace \}\} .*\{\{ \$labels.(pod|deployment) \}\}",
            alert["annotations"]["description"],
            re.MULTILINE,
        ), name
