"""Engine memory settings fit into container limits, and engines are configured as in the local stack."""

from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.manifests.pods import MIB, Pod, pods, quantity
from tests.manifests.rendered import MANIFESTS, RENDERS, Object, objects
from tests.manifests.runtime import airflow_resources
from tools.localstack import flink, kafka


def limit(pod: Pod) -> int:
    """Memory limit of a pod's main container in bytes."""
    return quantity(pod.spec["containers"][0]["resources"]["limits"]["memory"])


def flink_config() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((MANIFESTS / "base" / "flink" / "config.yaml").read_text())
    return config


def kafka_config() -> dict[str, str]:
    lines = (MANIFESTS / "base" / "kafka" / "server.properties").read_text().splitlines()
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


def taskmanager_config(resources: list[Object]) -> dict[str, Any]:
    """config.yaml with the options of the TaskManager's command line, which override it."""
    pod = next(pod for pod in pods(resources) if pod.labels.get("app.kubernetes.io/name") == "flink-taskmanager")
    options = (argument.removeprefix("-D") for argument in pod.spec["containers"][0]["args"])
    return flink_config() | dict(option.strip().split("=", 1) for option in options if "=" in option)


def flink_over_limit(resources: list[Object], config: dict[str, Any]) -> list[str]:
    """Flink roles whose process size plus Python's reserve exceeds the container's limit."""
    python_reserve = {"jobmanager": 384 * MIB, "taskmanager": 64 * MIB}
    limits_by_role = {
        pod.spec["containers"][0]["command"][0].split("/")[-1].removesuffix(".sh"): limit(pod)
        for pod in pods(resources)
        if "flink-" in pod.origin
    }
    assert limits_by_role.keys() == python_reserve.keys()
    return [
        role for role in python_reserve if quantity(config[f"{role}.memory.process.size"]) + python_reserve[role] > limits_by_role[role]
    ]


@pytest.mark.parametrize("render", RENDERS)
def test_flink_processes_fit_into_their_limits(render: str) -> None:
    assert flink_over_limit(objects(render), taskmanager_config(objects(render))) == []
    large = flink_config() | {"taskmanager.memory.process.size": "3584m"}
    assert flink_over_limit(objects(render), large) == ["taskmanager"]


def ray_over_limit(resources: list[Object]) -> list[str]:
    """Ray groups whose object store exceeds /dev/shm or a third of the memory limit."""
    too_large = []
    for resource in (resource for resource in resources if resource["apiVersion"] == "ray.io/v1"):
        spec = resource["spec"].get("rayClusterConfig", resource["spec"])
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
            store, pod = int(group["rayStartParams"]["object-store-memory"]), group["template"]["spec"]
            shared = next(quantity(v["emptyDir"]["sizeLimit"]) for v in pod["volumes"] if v["name"] == "shm")
            if store > shared or store > quantity(pod["containers"][0]["resources"]["limits"]["memory"]) / 3:
                too_large.append(f"{resource['metadata']['name']}: {store // MIB} MiB")
    return too_large


@pytest.mark.parametrize("render", RENDERS)
def test_ray_object_stores_fit_into_shared_memory(render: str) -> None:
    assert ray_over_limit(objects(render)) == []


def test_a_ray_object_store_that_is_too_large_is_found() -> None:
    text = yaml.safe_dump_all(objects("local")).replace("'201326592'", "'301326592'")
    assert len(ray_over_limit(list(yaml.safe_load_all(text)))) == 4


def test_sparks_heaps_leave_room_for_python() -> None:
    application = next(resource for resource in airflow_resources() if resource["kind"] == "SparkApplication")
    roles = [application["spec"][role] for role in ("driver", "executor")]
    assert all(quantity(role["memoryOverhead"]) >= max(384 * MIB, 0.4 * quantity(role["memory"])) for role in roles)


@pytest.mark.parametrize("render", RENDERS)
def test_gomemlimit_is_below_the_memory_limit(render: str) -> None:
    limits = [
        (pod, c, e["value"]) for pod in pods(objects(render)) for c in pod.containers for e in c.get("env", []) if e["name"] == "GOMEMLIMIT"
    ]
    assert all(quantity(value.removesuffix("B")) <= 0.9 * quantity(c["resources"]["limits"]["memory"]) for _, c, value in limits)


LOCAL = SimpleNamespace(settings=SimpleNamespace(kafka_port=9092))


def test_kafka_is_set_up_as_on_the_laptop() -> None:
    """Equal except addresses, folders and listeners."""
    address_settings = {"listeners", "advertised.listeners", "log.dirs"}
    laptop = {key: str(value) for key, value in kafka._config(LOCAL, MANIFESTS).items()}  # type: ignore[arg-type]
    cluster = kafka_config()
    assert laptop.keys() == cluster.keys()
    assert {key for key in laptop if laptop[key] != cluster[key]} == address_settings


def test_flink_is_set_up_as_on_the_laptop() -> None:
    """Sizes and recovery settings are equal, except the TaskManager's resource-id."""
    laptop = flink._sizes() | flink._recovery(LOCAL)  # type: ignore[arg-type]
    laptop.pop("taskmanager.resource-id")
    assert {key: (value, flink_config().get(key)) for key, value in laptop.items() if flink_config().get(key) != value} == {}


@pytest.mark.parametrize("render", ["local", "production"])
def test_postgres_buffers_leave_room_for_connections(render: str) -> None:
    """Shared buffers and the autovacuum workers' memory are at most half of the limit."""
    databases = [pod for pod in pods(objects(render)) if pod.labels.get("app.kubernetes.io/name") == "postgres"]
    assert databases
    for pod in databases:
        options = dict(option.split("=") for option in pod.spec["containers"][0]["args"] if "=" in option)
        used = quantity(options["shared_buffers"].removesuffix("B")) + int(options["autovacuum_max_workers"]) * quantity(
            options["maintenance_work_mem"].removesuffix("B")
        )
        assert used <= limit(pod) / 2


@pytest.mark.parametrize("render", RENDERS)
def test_the_ray_autoscaler_has_the_memory_that_it_imports(render: str) -> None:
    """Its imports alone take 207 MiB; KubeRay's own default is 512Mi."""
    for resource in (resource for resource in objects(render) if resource["kind"] == "RayCluster"):
        assert quantity(resource["spec"]["autoscalerOptions"]["resources"]["limits"]["memory"]) >= quantity("512Mi")
