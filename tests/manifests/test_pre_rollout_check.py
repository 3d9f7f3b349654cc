"""The Job that asks before a rollout: which ends it takes for an answer, and whether its times nest."""

from pathlib import Path

import pytest

from sidecar.report import ExitCode
from tests.manifests.kustomize import COPIER, K8S, SIDECAR, Object, container, gated, one, pod_spec, render

BACKOFF_S = 10
"""First wait of a Job before it makes another pod; each is twice the one before (Job, "Pod backoff failure policy")."""


@pytest.fixture(scope="module")
def job() -> Object:
    return one(render(K8S / "pre-rollout-check"), "Job")


def test_what_does_not_heal_fails_the_job_at_once(job: Object) -> None:
    """Incompatible, refused and misconfigured are answers; no verdict, a bug and an eviction are tried again."""
    on_exit, on_condition = job["spec"]["podFailurePolicy"]["rules"]
    final = sorted((ExitCode.MISCONFIGURED, ExitCode.INCOMPATIBLE, ExitCode.REFUSED))
    codes = {"containerName": SIDECAR, "operator": "In", "values": final}
    assert {"action": "FailJob", "onExitCodes": codes} == on_exit
    assert ("Ignore", "DisruptionTarget") == (on_condition["action"], on_condition["onPodConditions"][0]["type"])
    assert "Never" == pod_spec(job)["restartPolicy"]


def test_times_nest(job: Object) -> None:
    """All attempts of the Job with their deadlines and waits fit into its own, with room for pulling images."""
    (deadline_s,) = (float(v["value"]) for v in container(job, SIDECAR)["env"] if v["name"] == "SIDECAR_DEADLINE_S")
    retries = job["spec"]["backoffLimit"]
    waits_s = sum(BACKOFF_S * 2**number for number in range(retries))
    assert job["spec"]["activeDeadlineSeconds"] >= (retries + 1) * deadline_s + waits_s + 120


def test_containers_are_those_of_the_components(tmp_path: Path, job: Object) -> None:
    """The copy and the sidecar, but for what a daemon needs and a single check does not."""
    deployment = one(gated(tmp_path, "classic-sidecar", "contract-from-image"), "Deployment")
    copiers = [container(workload, COPIER) | {"image": ""} for workload in (deployment, job)]
    assert copiers[0] == copiers[1]
    daemon, check = (container(workload, SIDECAR) for workload in (deployment, job))
    assert (["serve"], ["check"]) == (daemon.pop("args"), check.pop("args"))
    for name in ("startupProbe", "readinessProbe", "livenessProbe", "ports"):
        del daemon[name]
    daemon["volumeMounts"] = [item for item in daemon["volumeMounts"] if item["name"] != "schema-state"]
    needless = ("SIDECAR_STATE_FILE", "SIDECAR_POD_UID", "SIDECAR_DRIFT_INTERVAL_S")
    daemon["env"] = [item for item in daemon["env"] if item["name"] not in needless]
    assert daemon == check


def test_no_service_and_no_monitor_takes_it_for_a_gated_pod(job: Object) -> None:
    """It has no probe port, so the label that PodMonitor and NetworkPolicy look for is not on it."""
    assert SIDECAR not in job["spec"]["template"]["metadata"]["labels"]
