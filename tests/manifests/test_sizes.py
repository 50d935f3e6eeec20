"""Engine memory settings fit into container limits, and engines are configured as in the local stack."""

from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from clickstream_contracts.settings import Settings
from ray_apps.serving.config import REPLICA_CPUS
from tests.manifests.pods import MIB, Pod, cpu, pods, quantity
from tests.manifests.rendered import MANIFESTS, RENDERS, Object, identity, objects
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


def too_few_slots(resources: list[Object]) -> list[str]:
    """What is too small for the streams: slots (in production without one TaskManager), or partitions."""
    settings = overlay_settings(resources)
    parallelism, partitions = settings.flink_parallelism, settings.clicks_partitions
    managers = next(t for t in resources if t["kind"] == "Deployment" and t["metadata"]["name"] == "flink-taskmanager")["spec"]["replicas"]
    slots = max(managers - 1, 1) * int(taskmanager_config(resources)["taskmanager.numberOfTaskSlots"])
    small = [] if slots >= len(STREAMS) * parallelism else [f"{slots} slots for {len(STREAMS)} streams x {parallelism}"]
    return small + ([] if partitions >= parallelism else [f"{partitions} partitions for parallelism {parallelism}"])


def overlay_settings(resources: list[Object]) -> Settings:
    """The settings of an overlay as an app reads them."""
    config = next(t for t in resources if t["kind"] == "ConfigMap" and t["metadata"]["name"].startswith("clickstream-settings"))
    return Settings.from_env(config["data"])


STREAMS = ("clicks_to_lake", "fraud_scores", "fraud_to_lake", "recommendations")


@pytest.mark.parametrize("render", RENDERS)
def test_every_stream_has_its_slots(render: str) -> None:
    assert {path.parent.name for path in (MANIFESTS.parent / "flink_apps").glob("*/pipeline.py")} == set(STREAMS)
    assert too_few_slots(objects(render)) == []


def test_too_few_slots_are_reported() -> None:
    text = yaml.safe_dump_all(objects("production")).replace("CLICKSTREAM_FLINK_PARALLELISM: '4'", "CLICKSTREAM_FLINK_PARALLELISM: '9'")
    assert len(too_few_slots(list(yaml.safe_load_all(text)))) == 2


def serving_groups(render: str) -> dict[str, Any]:
    """The Ray cluster of the RayService."""
    config: dict[str, Any] = next(t for t in objects(render) if t["kind"] == "RayService")["spec"]["rayClusterConfig"]
    return config


@pytest.mark.parametrize("render", RENDERS)
def test_the_workers_have_cpus_for_every_replica(render: str) -> None:
    """Replicas reserve CPUs of workers, or of the head where there is no worker; the least replicas fit on the least workers."""
    config, settings = serving_groups(render), overlay_settings(objects(render))
    head = float(config["headGroupSpec"]["rayStartParams"]["num-cpus"])
    (group,) = config["workerGroupSpecs"]
    cpus = float(group["rayStartParams"]["num-cpus"])
    assert settings.serve_max_replicas * REPLICA_CPUS <= head + cpus * group["maxReplicas"]
    assert settings.serve_min_replicas * REPLICA_CPUS <= head + cpus * group["minReplicas"]
    assert settings.serve_min_replicas <= settings.serve_max_replicas
    # Serve's proxy, which the readiness probe asks, runs only where a replica is; Serve spreads replicas over the workers.
    assert settings.serve_min_replicas >= group["minReplicas"]


@pytest.mark.parametrize("render", ["production", "external"])
def test_serving_grows_by_workers_and_its_head_has_no_replica(render: str) -> None:
    config = serving_groups(render)
    assert config["enableInTreeAutoscaling"] is True
    assert config["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert config["headGroupSpec"]["template"]["spec"]["automountServiceAccountToken"] is True
    (group,) = config["workerGroupSpecs"]
    assert 2 <= group["minReplicas"] < group["maxReplicas"]
    assert config["autoscalerOptions"]["idleTimeoutSeconds"] >= 60


@pytest.mark.parametrize("render", RENDERS)
def test_applying_the_manifests_leaves_the_number_of_workers_to_the_autoscaler(render: str) -> None:
    groups = [
        group
        for t in objects(render)
        if t["apiVersion"] == "ray.io/v1"
        for group in t["spec"].get("rayClusterConfig", t["spec"])["workerGroupSpecs"]
    ]
    assert len(groups) == 2
    assert [group["groupName"] for group in groups if "replicas" in group] == []


def largest_memory(spec: Any) -> int:
    """Bytes of a Ray cluster with all its workers."""
    head, groups = spec["headGroupSpec"], spec["workerGroupSpecs"]
    numbers = [(head, 1), *((group, group["maxReplicas"]) for group in groups)]
    autoscaler = quantity(spec["autoscalerOptions"]["resources"]["limits"]["memory"]) if spec["enableInTreeAutoscaling"] else 0
    containers = [(group["template"]["spec"]["containers"][0], number) for group, number in numbers]
    memory: int = autoscaler + sum(number * quantity(container["resources"]["limits"]["memory"]) for container, number in containers)
    return memory


@pytest.mark.parametrize("render", RENDERS)
def test_the_largest_ray_clusters_fit_into_the_quota(render: str) -> None:
    """All training workers, and serving twice: an upgrade starts the new cluster beside the old one."""
    resources = [t for t in objects(render) if t["metadata"].get("namespace") == "clickstream-ray"]
    clusters = [t for t in resources if t["apiVersion"] == "ray.io/v1"]
    memory = sum(largest_memory(t["spec"].get("rayClusterConfig", t["spec"])) * (2 if t["kind"] == "RayService" else 1) for t in clusters)
    quota = next(t for t in resources if t["kind"] == "ResourceQuota")
    assert memory <= quantity(quota["spec"]["hard"]["limits.memory"])


@pytest.mark.parametrize("render", RENDERS)
def test_the_largest_spark_application_fits_into_the_quota(render: str) -> None:
    """One driver and all executors; overhead as in plugins/clickstream/runtime/pod_specs.py. The pool `spark` admits one application."""
    settings = overlay_settings(objects(render))
    heaps = [settings.spark_driver_memory, *[settings.spark_executor_memory] * settings.spark_max_executors]
    memory = sum(quantity(heap) + max(512 * MIB, 0.4 * quantity(heap)) for heap in heaps)
    cpus = 0.5 * (1 + settings.spark_max_executors * settings.spark_executor_cores)
    quota = next(t["spec"]["hard"] for t in objects(render) if identity(t) == "ResourceQuota clickstream-spark/quota")
    assert memory <= quantity(quota["limits.memory"])
    assert cpus <= cpu(quota["requests.cpu"])
