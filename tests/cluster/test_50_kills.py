"""Each component is killed while the shop sends events: every acknowledged event is in the lake exactly once, and streams run again."""

import time
from typing import Any

import pytest

from tests.cluster.cluster import AIRFLOW, FLINK, KAFKA, NESSIE, RAY, SCHEDULER, SPARK, STORE, Cluster
from tests.shop_day import eventually

NAME = "app.kubernetes.io/name="
STORES = {
    "taskmanager": (FLINK, NAME + "flink-taskmanager"),
    "jobmanager": (FLINK, NAME + "flink-jobmanager"),
    "kafka": (KAFKA, NAME + "kafka"),
    "nessie": (NESSIE, NAME + "nessie"),
    "nessie-postgres": (NESSIE, NAME + "postgres"),
    "object-store": (STORE, NAME + "object-store"),
}
RATE, SECONDS = 50, 60
SERVE_HEAD = "ray.io/node-type=head,ray.io/serve=true"
# Kills the processes of Serve replicas, which have the name of their actor, and prints their ids. The image has no pkill.
KILL_REPLICAS = """
import os, pathlib, signal
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    if "ServeReplica" in (folder / "cmdline").read_text().split("\\0")[0]:
        os.kill(int(folder.name), signal.SIGKILL)
        print(folder.name)
"""
SMALL = ("--users", "2000", "--products", "500", "--no-master-data")


def live_shop(run: str, rate: int, seconds: int) -> tuple[str, ...]:
    """Returns the command of a shop that sends events for some seconds; its ledger has the name `run`."""
    seed = str(int(time.time()))
    return ("tools.shop", "live", "--rate", str(rate), "--seconds", str(seconds), "--seed", seed, "--run", run, *SMALL)


def ledger_balances(cluster: Cluster, run: str) -> bool:
    """Whether every acknowledged record of a shop's run is in the lake exactly once."""
    return cluster.tool_succeeds("tools.ledger", "check", "--run", run)


@pytest.mark.parametrize("component", STORES)
def test_a_killed_component_loses_and_duplicates_no_event(deployed: Cluster, measured: dict[str, Any], component: str) -> None:
    namespace, selector = STORES[component]
    run = f"kill-{component}-{int(time.time())}"
    traffic = deployed.start_tool(*live_shop(run, RATE, SECONDS))
    time.sleep(SECONDS / 3)
    killed = deployed.kill(namespace, selector)
    start = time.monotonic()
    eventually(
        lambda: bool(deployed.ready_pods(namespace, selector).keys() - killed.keys()), f"another pod of {component} is ready", 600, 3
    )
    measured["ready_after"] = round(time.monotonic() - start, 1)
    output, _ = traffic.communicate(timeout=600)
    assert traffic.returncode == 0, output[-3000:]
    eventually(lambda: streams_run(deployed), "all streams run again", 900, 15)
    measured["streams_after"] = round(time.monotonic() - start, 1)
    eventually(lambda: ledger_balances(deployed, run), "the ledger balances", 600, 10)
    measured["balanced_after"] = round(time.monotonic() - start, 1)


def streams_run(cluster: Cluster) -> bool:
    """Whether each stream is RUNNING with a completed checkpoint."""
    return cluster.run(*SCHEDULER, "python", "-m", "clickstream.streams.status").returncode == 0


def test_a_nightly_run_survives_kills_of_driver_executor_and_scheduler(deployed: Cluster, measured: dict[str, Any]) -> None:
    """The scheduler is killed while wait_for_lake runs and while Spark runs, an executor while it writes, a driver in another task."""
    run_id = deployed.trigger("clickstream_nightly", f"kill_{int(time.time())}")
    kills = (
        ("wait_for_lake", AIRFLOW, NAME + "airflow-scheduler"),
        ("curate", SPARK, NAME + "spark-executor"),
        ("curate", SPARK, NAME + "spark-driver"),
        ("marts", AIRFLOW, NAME + "airflow-scheduler"),
    )
    for task, namespace, selector in kills:
        kill_during_task(deployed, run_id, task, namespace, selector)
    deployed.wait_for_run("clickstream_nightly", run_id, 3600)
    measured["tasks"] = deployed.task_states("clickstream_nightly", run_id)
    deployed.script("validate-deployment", "--yes")


def kill_during_task(cluster: Cluster, run_id: str, task: str, namespace: str, selector: str) -> None:
    """Wait until the task of the nightly runs and the pod is ready, and kill the pod."""

    def is_running() -> bool:
        return cluster.task_states("clickstream_nightly", run_id).get(task) == "running"

    def has_pod() -> bool:
        return bool(cluster.ready_pods(namespace, selector))

    eventually(is_running, f"{task} is running", 1800, 2)
    eventually(has_pod, f"a pod {selector}", 600, 1)
    time.sleep(5)
    print(task, cluster.kill(namespace, selector))


@pytest.mark.parametrize("kind", ["head", "replica"])
def test_recommendations_return_after_a_kill_in_serving(deployed: Cluster, measured: dict[str, Any], kind: str) -> None:
    start = time.monotonic()
    if kind == "head":
        deployed.kill(RAY, SERVE_HEAD)
    else:
        [head] = deployed.ready_pods(RAY, SERVE_HEAD).values()
        killed = deployed.kubectl("-n", RAY, "exec", head, "-c", "ray", "--", "python", "-c", KILL_REPLICAS)
        assert killed.strip(), "no process of a replica"
    eventually(lambda: recommends(deployed), "a recommendation", 900, 5)
    measured["answers_after"] = round(time.monotonic() - start, 1)


def recommends(cluster: Cluster) -> bool:
    """Whether a user's list changes after a view, made by a model."""
    return cluster.tool_succeeds("tools.rollout.recommend", "--users", "1")


def test_training_survives_a_kill_of_the_ray_head(deployed: Cluster, measured: dict[str, Any]) -> None:
    run_id = deployed.trigger("clickstream_train", f"kill_{int(time.time())}")
    eventually(lambda: bool(deployed.ready_pods(RAY, "ray.io/node-type=worker")), "a Ray worker runs", 900, 2)
    time.sleep(10)
    deployed.kill(RAY, "ray.io/node-type=head,ray.io/cluster=train")
    eventually(lambda: deployed.run_state("clickstream_train", run_id) in {"success", "failed"}, "the training has ended", 3600, 10)
    measured["tasks"] = deployed.task_states("clickstream_train", run_id)
    assert deployed.run_state("clickstream_train", run_id) == "success", measured["tasks"]
