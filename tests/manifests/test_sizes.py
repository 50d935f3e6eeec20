"""What each engine is told to take is less than what its container may have, and the cluster is set up as the laptop is."""

from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.manifests.pods import MIB, Pod, pods, quantity
from tests.manifests.rendered import MANIFESTS, RENDERS, Object, objects
from tests.manifests.runtime import resources
from tools.localstack import flink, kafka


def limit(pod: Pod) -> int:
    """The memory that a pod's own container may have."""
    return quantity(pod.spec["containers"][0]["resources"]["limits"]["memory"])


def flink_config() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((MANIFESTS / "base" / "flink" / "config.yaml").read_text())
    return found


def kafka_config() -> dict[str, str]:
    lines = (MANIFESTS / "base" / "kafka" / "server.properties").read_text().splitlines()
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


def flink_overdrawn(things: list[Object], config: dict[str, Any]) -> list[str]:
    """JobManager and TaskManager processes that leave their container less than what Python takes beside them."""
    beside = {"jobmanager": 384 * MIB, "taskmanager": 64 * MIB}
    found = {
        pod.spec["containers"][0]["command"][0].split("/")[-1].removesuffix(".sh"): limit(pod)
        for pod in pods(things)
        if "flink-" in pod.origin
    }
    assert found.keys() == beside.keys()
    return [role for role in beside if quantity(config[f"{role}.memory.process.size"]) + beside[role] > found[role]]


@pytest.mark.parametrize("render", RENDERS)
def test_flinks_processes_fit(render: str) -> None:
    assert flink_overdrawn(objects(render), flink_config()) == []
    large = flink_config() | {"taskmanager.memory.process.size": "1792m"}
    assert flink_overdrawn(objects(render), large) == ["taskmanager"]


def ray_overdrawn(things: list[Object]) -> list[str]:
    """Ray's pods whose object store is more than their shared memory, or than a third of their memory."""
    found = []
    for thing in (thing for thing in things if thing["apiVersion"] == "ray.io/v1"):
        spec = thing["spec"].get("rayClusterConfig", thing["spec"])
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
            store, pod = int(group["rayStartParams"]["object-store-memory"]), group["template"]["spec"]
            shared = next(quantity(v["emptyDir"]["sizeLimit"]) for v in pod["volumes"] if v["name"] == "shm")
            if store > shared or store > quantity(pod["containers"][0]["resources"]["limits"]["memory"]) / 3:
                found.append(f"{thing['metadata']['name']}: {store // MIB} MiB")
    return found


@pytest.mark.parametrize("render", RENDERS)
def test_rays_object_stores_fit(render: str) -> None:
    assert ray_overdrawn(objects(render)) == []


def test_a_ray_object_store_that_is_too_large_is_seen() -> None:
    text = yaml.safe_dump_all(objects("local")).replace("'201326592'", "'301326592'")
    assert len(ray_overdrawn(list(yaml.safe_load_all(text)))) == 4


def test_sparks_heaps_leave_room_for_python() -> None:
    application = next(thing for thing in resources() if thing["kind"] == "SparkApplication")
    halves = [application["spec"][half] for half in ("driver", "executor")]
    assert all(quantity(half["memoryOverhead"]) >= max(384 * MIB, 0.4 * quantity(half["memory"])) for half in halves)


@pytest.mark.parametrize("render", RENDERS)
def test_go_collects_its_garbage_before_the_limit(render: str) -> None:
    told = [
        (pod, c, e["value"]) for pod in pods(objects(render)) for c in pod.containers for e in c.get("env", []) if e["name"] == "GOMEMLIMIT"
    ]
    assert all(quantity(value.removesuffix("B")) <= 0.9 * quantity(c["resources"]["limits"]["memory"]) for _, c, value in told)


LOCAL = SimpleNamespace(settings=SimpleNamespace(kafka_port=9092))


def test_kafka_is_set_up_as_on_the_laptop() -> None:
    """All but places: addresses, folders, listeners."""
    places = {"listeners", "advertised.listeners", "log.dirs"}
    here = {key: str(value) for key, value in kafka._config(LOCAL, MANIFESTS).items()}  # type: ignore[arg-type]
    there = kafka_config()
    assert here.keys() == there.keys()
    assert {key for key in here if here[key] != there[key]} == places


def test_flink_is_set_up_as_on_the_laptop() -> None:
    """Sizes and recovery are equal; the cluster names a TaskManager by its pod."""
    here = flink._sizes() | flink._recovery(LOCAL)  # type: ignore[arg-type]
    here.pop("taskmanager.resource-id")
    assert {key: (value, flink_config().get(key)) for key, value in here.items() if flink_config().get(key) != value} == {}
