"""Flink's high availability on a real API server: two JobManagers with the permissions of the manifests, of which the leader is killed."""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import flink_process
from tests.flink_process import DRIVER
from tests.manifests.flink_processes import NAMESPACE, Process, grant, kubeconfig
from tests.manifests.server import Server
from tests.ports import free_ports

pytestmark = pytest.mark.engine
JOB = flink_process.job("execution.checkpointing.interval", "1s")


def eventually(value: Callable[[], Any], expected: str, seconds: float = 120) -> Any:
    """Poll until `value()` is true and returns it; a JobManager without a leader rejects requests for a while."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if result := value():
                return result
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {expected}"
        time.sleep(1)


def get(manager: Process, path: str) -> Any:
    return httpx.get(f"{manager.rest}{path}", timeout=30).raise_for_status().json()


def taskmanagers(manager: Process) -> list[Any]:
    return list(get(manager, "/taskmanagers")["taskmanagers"])


def config_maps(server: Server) -> dict[str, Any]:
    """The ConfigMaps of high availability by name."""
    text = server.run_checked("-n", NAMESPACE, "get", "configmaps", "-l", "type=flink-native-kubernetes", "-o", "json")
    return {item["metadata"]["name"]: item for item in json.loads(text)["items"]}


def leader(server: Server, managers: list[Process]) -> Process:
    """The JobManager whose REST address the ConfigMap of the cluster names."""
    text = str(config_maps(server)["clickstream-cluster-config-map"]["data"])
    [manager] = [manager for manager in managers if manager.rest in text]
    return manager


@pytest.fixture
def processes(server: Server, tmp_path: Path) -> Iterator[list[Process]]:
    """Two JobManagers and a TaskManager."""
    grant(server)
    storage, first_port = tmp_path / "storage", free_ports()["airflow_port"]
    started: list[Process] = []
    try:
        for number, role in enumerate(("jobmanager", "jobmanager", "taskmanager")):
            config = kubeconfig(server, f"flink-{role}", tmp_path / f"{number}.kubeconfig")
            started.append(Process(tmp_path / str(number), role, config, storage, first_port + 8 * number))
        yield started
    finally:
        for process in started:
            process.kill()
        server.run("-n", NAMESPACE, "delete", "configmaps", "-l", "type=flink-native-kubernetes")


def test_another_jobmanager_goes_on_with_the_jobs_of_a_killed_leader(server: Server, processes: list[Process], tmp_path: Path) -> None:
    managers = processes[:2]
    for manager in managers:
        eventually(partial(taskmanagers, manager), "a TaskManager is registered")
    killed = leader(server, managers)
    [standby] = [manager for manager in managers if manager is not killed]
    (tmp_path / "job.py").write_text(JOB)
    program = {"entryClass": "org.apache.flink.client.python.PythonDriver", "programArgsList": ["-py", str(tmp_path / "job.py")]}
    # The standby accepts a job and passes it to the leader.
    response = httpx.post(f"{standby.rest}/jars/{DRIVER}/run", json=program, timeout=240)
    assert response.is_success, response.text[:3000]
    job = response.json()["jobid"]
    eventually(lambda: get(standby, f"/jobs/{job}/checkpoints")["counts"]["completed"] > 0, "a checkpoint is completed")
    assert f"clickstream-{job}-config-map" in config_maps(server)

    killed.kill()
    restored = eventually(lambda: get(standby, f"/jobs/{job}/checkpoints")["latest"]["restored"], "the job restored a checkpoint")
    assert restored["external_path"].startswith(f"file:{tmp_path}/storage/checkpoints")
    assert leader(server, managers) is standby
    before = get(standby, f"/jobs/{job}/checkpoints")["counts"]["completed"]
    eventually(lambda: get(standby, f"/jobs/{job}/checkpoints")["counts"]["completed"] > before, "the job completes checkpoints")

    httpx.patch(f"{standby.rest}/jobs/{job}", params={"mode": "cancel"}).raise_for_status()
    eventually(lambda: f"clickstream-{job}-config-map" not in config_maps(server), "a job that ended leaves no ConfigMap")
    logs = "\n".join(process.log.read_text() for process in processes)
    assert "forbidden" not in logs.lower()
