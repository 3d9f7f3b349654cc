"""Replays the incident in pods: the realtime server and the sidecar as the manifests have them. Started by run.sh.

A pod of podman's is what a pod of Kubernetes' is: containers in one network namespace, with an address of its own. The
test is the kubelet: it makes volumes and termination logs, asks at the pod's address, and restarts a container. The
database is a real PostgreSQL outside of the pods, at the address of this host in their network.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from sidecar import logs
from sidecar.embedded import EmbeddedPostgres, embedded_postgres
from sidecar.report import ExitCode
from tests.image.containers import Container, inspect, moment, passed, podman, started, until

K8S = Path(__file__).parents[2] / "k8s"
REALTIME = K8S / "example" / "deployment.yaml"
CONTRACT = K8S / "components" / "contract-from-image" / "contract.yaml"
SIDECAR = K8S / "components" / "native-sidecar" / "sidecar.yaml"
SCHEMA = K8S / "example" / "schema.sql"
PASS = "pass.json"
USER = 65532
DRIFT_WITHIN_S = 10.0
RESTORED_WITHIN_S = 1.0
COLOR = "#3972F6"
DRIFT = 'schema_preflight_drift_findings{code="column-missing",severity="error"} 1.0'
VERIFIED = 'schema_preflight_drift_checks_total{outcome="compatible"}'
MIGRATION = "ALTER TABLE workflow DROP COLUMN color; INSERT INTO schema_migrations VALUES ('20261121090000')"


class Pod:
    """A pod that was made by ``pod``."""

    def __init__(self, name: str, address: str, directory: Path, database_url: str) -> None:
        self.address = address
        self.uid = str(uuid.uuid4())
        self.volumes = {volume: directory / volume for volume in ("schema-contract", "schema-state")}
        for volume in self.volumes.values():
            volume.mkdir()
            volume.chmod(0o777)  # as the kubelet makes an emptyDir
        self._name = name
        self._directory = directory
        self._database_url = database_url

    def copy_contract(self, application: str) -> str:
        """Run the init container, and return its command."""
        spec = container_of(CONTRACT, "schema-contract")
        podman("run", "--rm", "--pod", self._name, *self._options(spec), application, *spec["command"])
        return " ".join(spec["command"])

    @contextlib.contextmanager
    def realtime(self, application: str) -> Iterator[Container]:
        """Run the realtime server."""
        spec = container_of(REALTIME, "realtime")
        with self._running(application, spec, []) as container:
            container.wait_for("/health", 200, "ok")
            yield container

    @contextlib.contextmanager
    def sidecar(self, image: str, **environ: str) -> Iterator[Container]:
        """Run the sidecar, with these variables instead of what the manifest says."""
        spec = container_of(SIDECAR, "schema-readiness")
        defaults = {"SIDECAR_POD_UID": self.uid, "SIDECAR_DRIFT_INTERVAL_S": "1"}
        with self._running(image, spec, spec["args"], defaults | environ) as container:
            yield container

    def health(self) -> str:
        """Ask the realtime server's own page, which answers 200 here or the test fails."""
        with urllib.request.urlopen(f"http://{self.address}:3002/health", timeout=5) as answer:
            assert answer.status == 200, answer.status
            text: str = answer.read().decode().strip()
            return text

    def looked_at(self) -> dict[str, str] | int:
        """Look at a workflow as a browser does: what the server tells of it, or the status that it refuses with."""
        return asyncio.run(self._look())

    async def _look(self) -> dict[str, str] | int:
        url = f"http://{self.address}:3002/socket?workflow=first&user=ada"
        async with aiohttp.ClientSession() as session:
            try:
                async with session.ws_connect(url) as connection:
                    shown: dict[str, str] = await connection.receive_json(timeout=5)
                    return shown
            except aiohttp.WSServerHandshakeError as error:
                return error.status

    @contextlib.contextmanager
    def _running(
        self, image: str, spec: dict[str, Any], command: list[str], environ: Mapping[str, str] | None = None
    ) -> Iterator[Container]:
        options = ["--pod", self._name, "--no-healthcheck", *self._options(spec, environ)]
        address = (self.address, spec["ports"][0]["containerPort"])
        log = self._directory / f"{spec['name']}.termination-log"
        log.unlink(missing_ok=True)
        with started(image, options, command, address=address, termination_log=log) as container:
            yield container

    def _options(self, spec: dict[str, Any], environ: Mapping[str, str] | None = None) -> list[str]:
        """Return podman's words for what a manifest says of a container."""
        context = spec["securityContext"]
        options = ["--user", f"{context['runAsUser']}:{context['runAsGroup']}"]
        options += [f"--cap-drop={capability}" for capability in context["capabilities"]["drop"]]
        options += ["--memory", spec["resources"]["limits"]["memory"].replace("Mi", "m")]
        if context["readOnlyRootFilesystem"]:
            options += ["--read-only", "--read-only-tmpfs=false"]
        if not context["allowPrivilegeEscalation"]:
            options += ["--security-opt", "no-new-privileges"]
        values = {"DATABASE_URL": self._database_url} | dict(environ or {})
        for variable in spec.get("env", ()):
            # KeyError: a variable that neither the manifest nor this test gives a value.
            value = values.get(variable["name"]) or variable["value"]
            options += ["-e", f"{variable['name']}={value}"]
        for mount in spec.get("volumeMounts", ()):
            mode = ":ro" if mount.get("readOnly") else ""
            options += ["-v", f"{self.volumes[mount['name']]}:{mount['mountPath']}{mode}"]
        return options


class Cluster:
    """A network with a database, where pods can be made."""

    def __init__(self, network: str, directory: Path, server: EmbeddedPostgres) -> None:
        (subnet,) = inspect("network", network)["subnets"]
        self._gateway: str = subnet["gateway"]
        self._network = network
        self._directory = directory
        self._server = server
        with (server.data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {subnet['subnet']} scram-sha-256\n")

    @property
    def database(self) -> str:
        return f"{self._gateway}:{self._server.port}"

    @contextlib.contextmanager
    def pod(self, name: str) -> Iterator[Pod]:
        """Make a pod, and remove it with its containers afterwards."""
        directory = self._directory / name
        directory.mkdir()
        directory.chmod(0o755)
        full_name = f"{self._network}-{name}"
        podman("pod", "create", "--name", full_name, "--network", self._network)
        try:
            podman("pod", "start", full_name)
            infra = inspect("container", inspect("pod", full_name)["InfraContainerID"])
            address = infra["NetworkSettings"]["Networks"][self._network]["IPAddress"]
            yield Pod(full_name, address, directory, self._url("realtime", self._server.password[::-1]))
        finally:
            podman("pod", "rm", "--force", "--time", "0", full_name)

    def start_database(self) -> None:
        self._server.start(listen_addresses=self._gateway)

    def stop_database(self) -> None:
        self._server.stop()

    def migrate(self, *arguments: str) -> None:
        """Run psql as the superuser, as the example's migration Job does."""
        command = ["psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", *arguments]
        environ = os.environ | {"REALTIME_PASSWORD": self._server.password[::-1]}
        url = self._url("postgres", self._server.password)
        done = subprocess.run([*command, url], env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def _url(self, user: str, password: str) -> str:
        return f"postgresql://{user}:{password}@{self.database}/postgres"


def main(image: str, application: str) -> None:
    """Tell the story, a line for each promise; an AssertionError tells what does not hold."""
    with made_cluster() as cluster, cluster.pod("old") as old:
        takes_the_contract_out_of_the_image(old, application)
        with old.realtime(application), old.sidecar(image) as sidecar:
            becomes_ready(cluster, old, sidecar)
            with cluster.pod("other") as other:
                a_pass_survives_a_restart(cluster, old, sidecar, other, image)
            began = datetime.now(UTC)
            cluster.migrate("--command", MIGRATION)
            with cluster.pod("new") as new:
                new.copy_contract(application)
                with new.realtime(application):
                    a_mismatch_blocks_a_new_pod(new, image)
                    healthy_pods_refuse_every_client(old, new)
            drift_is_told_and_not_acted_on(old, sidecar, began)


def takes_the_contract_out_of_the_image(pod: Pod, application: str) -> None:
    command = pod.copy_contract(application)
    copied = pod.volumes["schema-contract"] / "contract.json"
    assert copied.read_bytes() == (K8S / "example" / "realtime" / "contract.json").read_bytes()
    assert copied.stat().st_uid == USER
    passed("the init container takes the contract out of the application's image, hardened", command)


def becomes_ready(cluster: Cluster, pod: Pod, sidecar: Container) -> None:
    line = sidecar.wait_for("/ready", 503, "connection refused")
    assert pod.health() == "ok"
    cluster.start_database()
    cluster.migrate("--single-transaction", "--file", str(SCHEMA))
    began = time.monotonic()
    until(lambda: (pod.health(), sidecar.get("/ready")), lambda answers: answers == ("ok", (200, "ready")))
    after_s = time.monotonic() - began
    passed(
        "/ready goes from 503 to 200, and /health is 200 all along", f"{line}; ready {after_s:.1f} s after migration"
    )
    shown = pod.looked_at()
    assert isinstance(shown, dict), shown
    assert shown["color"] == COLOR, shown
    passed("the realtime server lets a WebSocket client in", f"PostgreSQL at {cluster.database}, pod at {pod.address}")


def a_pass_survives_a_restart(cluster: Cluster, pod: Pod, sidecar: Container, other: Pod, image: str) -> None:
    state = pod.volumes["schema-state"] / PASS
    assert state.stat().st_uid == USER
    found = state.read_bytes()
    shutil.copy(pod.volumes["schema-contract"] / "contract.json", other.volumes["schema-contract"])
    with other.sidecar(image, SIDECAR_STATE_FILE="off") as forgetful:
        forgetful.wait_for("/ready", 200, "ready")
        cluster.stop_database()
        for container in (sidecar, forgetful):
            code, _ = container.signal("KILL")
            assert code == 128 + signal.SIGKILL, code
            container.start()
        took_s = restored_after_s(sidecar)
        passed("killed and started again while the database is away, it is ready at once", f"{took_s * 1000:.0f} ms")
        line = forgetful.wait_for("/ready", 503, "connection refused")
        assert [] == forgetful.events(logs.RESTORED)
        passed("without a state file it waits for the database", line)
    assert pod.health() == "ok"
    waits_with(other, image, found, "of another pod")
    waits_with(other, image, found[: len(found) // 2], "not a whole state file of this version", uid=pod.uid)
    # What the two lacked: the same file, whole and with the pod's own UID, is believed.
    with left_behind(other, image, found, pod.uid) as believing:
        restored_after_s(believing)
    assert sidecar.get("/ready") == (200, "ready")
    cluster.start_database()
    until(lambda: metric(sidecar, VERIFIED), lambda count: count > 0)
    passed("once the database is back, the restored pass is verified", f"{VERIFIED} {metric(sidecar, VERIFIED):.0f}")


def restored_after_s(sidecar: Container) -> float:
    """Return how long after it listened it was ready by its state file. It never tried the database before that."""
    answers = []

    def ask() -> int:
        answers.append(sidecar.get("/ready"))
        return answers[-1][0]

    until(ask, lambda status: status == 200)
    assert {text for status, text in answers if status == 503} <= {"starting"}, answers
    (restored,) = sidecar.events(logs.RESTORED)
    listening = sidecar.events(logs.LISTENING)[-1]
    took_s = (moment(restored["timestamp"]) - moment(listening["timestamp"])).total_seconds()
    assert took_s < RESTORED_WITHIN_S, took_s
    assert metric(sidecar, "schema_preflight_restored") == 1
    return took_s


def waits_with(pod: Pod, image: str, state: bytes, why: str, uid: str = "") -> None:
    with left_behind(pod, image, state, uid or pod.uid) as sidecar:
        line = sidecar.wait_for("/ready", 503, "connection refused")
        (unused,) = sidecar.events(logs.STATE_FILE_UNUSED)
        assert why == unused["error"], unused
        assert [] == sidecar.events(logs.RESTORED)
    passed(f"with a state file that is {why}, it waits as well", line)


@contextlib.contextmanager
def left_behind(pod: Pod, image: str, state: bytes, uid: str) -> Iterator[Container]:
    """Run the sidecar where a state file of that content was left behind."""
    path = pod.volumes["schema-state"] / PASS
    path.write_bytes(state)
    os.chown(path, USER, USER)
    with pod.sidecar(image, SIDECAR_POD_UID=uid) as sidecar:
        yield sidecar


def a_mismatch_blocks_a_new_pod(pod: Pod, image: str) -> None:
    with pod.sidecar(image) as sidecar:
        code = sidecar.wait()
        first = sidecar.termination_log.read_text().splitlines()[0]
    assert code == ExitCode.INCOMPATIBLE, code
    assert first == "incompatible: column color of relation public.workflow does not exist (42703)"
    passed(
        "a migration drops a column: a new pod's sidecar ends, its termination log says why", f"exit {code}; {first}"
    )


def healthy_pods_refuse_every_client(old: Pod, new: Pod) -> None:
    refused = (old.looked_at(), new.looked_at())
    assert refused == (500, 500), refused
    assert (old.health(), new.health()) == ("ok", "ok")
    passed(
        "the incident itself: both pods refuse WebSocket clients, and /health is 200 in both", f"status {refused[0]}"
    )


def drift_is_told_and_not_acted_on(pod: Pod, sidecar: Container, began: datetime) -> None:
    until(lambda: sidecar.get("/metrics"), lambda page: DRIFT in page[1])
    (found,) = sidecar.events(logs.DRIFT_FOUND)
    after_s = (moment(found["timestamp"]) - began).total_seconds()
    assert after_s < DRIFT_WITHIN_S, after_s
    assert sidecar.get("/ready") == (200, "ready")
    assert pod.health() == "ok"
    passed("the old pod's sidecar tells the drift and stays ready", f"{DRIFT}, {after_s:.1f} s after the migration")
    code, _ = sidecar.signal("TERM")
    assert code == ExitCode.OK, code


def metric(sidecar: Container, name: str) -> float:
    """Return a sample's value; 0 where there is none yet."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", sidecar.get("/metrics")[1], re.MULTILINE)
    return float(found[1]) if found else 0.0


def container_of(manifest: Path, name: str) -> dict[str, Any]:
    """Return what a manifest says of one of its containers."""
    spec = yaml.safe_load(manifest.read_text())["spec"]["template"]["spec"]
    (found,) = (one for one in [*spec.get("initContainers", ()), *spec.get("containers", ())] if one["name"] == name)
    return dict(found)


@contextlib.contextmanager
def made_cluster() -> Iterator[Cluster]:
    """Make a network with nothing in it, and a database that is not started; everything goes afterwards."""
    network = f"schema-readiness-{os.getpid()}"
    pause = images_called("podman-pause")
    # No name server: addresses do.
    podman("network", "create", "--disable-dns", network)
    try:
        with tempfile.TemporaryDirectory(prefix="sidecar-pod-") as text, embedded_postgres() as server:
            Path(text).chmod(0o755)
            yield Cluster(network, Path(text), server)
    finally:
        podman("network", "rm", network)
        # podman makes this one for the first pod.
        for image in images_called("podman-pause") - pause:
            podman("image", "rm", image)


def images_called(name: str) -> set[str]:
    return set(podman("image", "ls", "--quiet", "--no-trunc", "--filter", f"reference={name}").stdout.split())


if __name__ == "__main__":
    # An interrupted run cleans up too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    main(sys.argv[1], sys.argv[2])
