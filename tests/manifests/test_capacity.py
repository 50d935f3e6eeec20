"""Requests of the rendered pods against what is free on the nodes, and images against those that the nodes have."""

import re
from copy import deepcopy

import pytest

from scripts.kube import capacity, images
from tests.manifests.pods import cpu, pods, quantity
from tests.manifests.rendered import Object, objects
from tests.manifests.runtime import airflow_resources

GIB = 2**30


def node(name: str, cpus: str, memory: str, **spec: object) -> Object:
    """A ready node."""
    return {
        "metadata": {"name": name},
        "spec": spec,
        "status": {"allocatable": {"cpu": cpus, "memory": memory}, "conditions": [{"type": "Ready", "status": "True"}], "images": []},
    }


def pod(namespace: str, node_name: str, memory: str) -> Object:
    """A running pod with a request."""
    containers = [{"name": "main", "resources": {"requests": {"cpu": "1", "memory": memory}}}]
    return {
        "metadata": {"name": "other", "namespace": namespace},
        "spec": {"nodeName": node_name, "containers": containers},
        "status": {"phase": "Running"},
    }


@pytest.mark.parametrize("render", ["local", "production"])
def test_the_requests_are_those_of_the_rendered_pods(render: str) -> None:
    counted = capacity.total(size for _, size in capacity.requested(objects(render)))
    cpus = memory = 0.0
    for made in pods([t for t in objects(render) if t["kind"] != "CronJob"]):
        workers_of_training = "ray-worker" in made.labels.values() and "RayCluster" in made.origin
        if not workers_of_training:
            cpus += made.replicas * sum(cpu(c["resources"]["requests"]["cpu"]) for c in made.spec["containers"])
            memory += made.replicas * sum(quantity(c["resources"]["requests"]["memory"]) for c in made.spec["containers"])
    assert counted[1] >= memory
    assert counted == pytest.approx((cpus, memory), rel=0.1)


def test_a_spark_application_is_counted_as_airflow_creates_it() -> None:
    app = next(t for t in airflow_resources() if t["kind"] == "SparkApplication")["spec"]
    for role in ("driver", "executor"):
        size = capacity.spark_size(app[role]["cores"], app[role]["memory"])
        heap = int(app[role]["memory"][:-1]) * {"m": 1, "g": 1024}[app[role]["memory"][-1]]
        assert size == (cpu(app[role]["coreRequest"]), (heap + int(app[role]["memoryOverhead"][:-1])) * 2**20)


def test_the_page_says_how_large_a_cluster_must_be() -> None:
    peak = max(
        capacity.total(size for _, size in [*capacity.requested(objects("local")), *batch(objects("local"))])
        for batch in (capacity.nightly, capacity.training)
    )
    # The operators: 0.2 CPUs and 0.6 GiB.
    assert peak[0] + 0.2 <= 6
    assert peak[1] / GIB + 0.625 <= 16


def missing(nodes: list[Object], running: list[Object]) -> list[str]:
    return [text for text, _ in capacity.problems(objects("local"), nodes, running)]


def test_only_what_is_free_counts() -> None:
    large = [node("a", "8", "20Gi")]
    assert missing(large, []) == []
    assert missing([node("a", "4", "10Gi"), node("b", "4", "10Gi")], []) == []
    [text] = missing(large, [pod("another-team", "a", "6Gi")])
    assert text.startswith("free memory is 14.0 GiB (on 1 nodes)")
    # The pods of an earlier deployment are replaced.
    assert missing(large, [pod("clickstream-flink", "a", "6Gi")]) == []


def test_tainted_cordoned_and_broken_nodes_do_not_count() -> None:
    tainted = node("a", "8", "32Gi", taints=[{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}])
    cordoned = node("b", "8", "32Gi", unschedulable=True)
    broken = deepcopy(node("c", "8", "32Gi"))
    broken["status"]["conditions"][0]["status"] = "Unknown"
    texts = missing([tainted, cordoned, broken], [])
    assert texts[0].startswith("free CPU is 0.0 (on 0 nodes; 3 nodes are tainted, cordoned or not ready)")


def test_a_pod_that_fits_on_no_node_is_a_problem() -> None:
    texts = missing([node(str(number), "2", "1800Mi") for number in range(12)], [])
    assert len(texts) == 1
    assert re.fullmatch(r"no node has [\d.]+ CPUs and 2.0 GiB free for the largest pod, (serve|train) worker", texts[0])


def test_an_image_that_no_node_has_and_no_registry_serves_is_a_problem() -> None:
    names = {image for item in objects("local") for image in images.images(item)}
    assert "localhost/clickstream/spark-apps:0.1.0" in names, "Airflow's Spark applications use it"
    has_none, has_all = node("a", "8", "20Gi"), node("b", "8", "20Gi")
    has_all["status"]["images"] = [{"names": sorted(names)}]
    kinds = [kind for kind, *_ in images.check(objects("local"), [has_none])]
    own = {name for name in names if name.startswith("localhost/")}
    assert kinds.count("problem") == len(own) == 5
    assert images.check(objects("local"), [has_all]) == []
    partly = images.check(objects("local"), [has_none, has_all])
    assert {kind for kind, *_ in partly} == {"note"}
    assert all("1 of 2 nodes do not have" in text for _, text, _ in partly)


def test_images_of_a_registry_are_named_as_not_checked() -> None:
    lines = images.check(objects("production"), [node("a", "8", "20Gi")])
    [(kind, text, _)] = [line for line in lines if "registry.example.org" in line[1]]
    assert kind == "note"
    assert "registry.example.org/clickstream/tools" in text
