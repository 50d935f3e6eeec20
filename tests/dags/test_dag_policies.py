"""Policies of every DAG: it loads in both runtimes without I/O, is documented, and its tasks have timeouts and retries."""

import re
import socket
import time
from datetime import timedelta
from typing import Any

import pytest

from clickstream.dag_defaults import OWNER, Tag
from clickstream.notifications.notifier import FailureNotifier
from clickstream_contracts import names
from tests.dags.graph import SNAPSHOT, graph, load, to_json
from tests.plugins.environment import HOME, ROOT

DAG_IDS = sorted(path.stem for path in (ROOT / "dags").glob("*.py"))


@pytest.mark.parametrize("runtime", ["local", "kubernetes"])
def test_every_file_loads_as_the_dag_of_its_name(bags: dict[str, Any], runtime: str) -> None:
    assert bags[runtime].import_errors == {}
    assert sorted(bags[runtime].dags) == DAG_IDS


def test_both_runtimes_have_the_same_graph_and_different_operators(bags: dict[str, Any]) -> None:
    assert graph(bags["local"]) == graph(bags["kubernetes"])
    operators = {runtime: {type(task).__name__ for dag in bag.dags.values() for task in dag.tasks} for runtime, bag in bags.items()}
    assert operators["local"] != operators["kubernetes"]


def test_the_graph_equals_the_reviewed_snapshot(bag: Any) -> None:
    assert to_json(bag) == SNAPSHOT.read_text(), "if the change is intended: python -m tests.dags.graph"


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_a_dag_has_docs_tags_and_an_owner_and_runs_one_at_a_time(bag: Any, dag_id: str) -> None:
    dag = bag.dags[dag_id]
    assert dag.doc_md.lstrip().startswith("# ")
    assert dag.tags
    assert set(dag.tags) <= set(Tag)
    assert {task.owner for task in dag.tasks} == {OWNER}
    assert dag.max_active_runs == 1
    assert dag.catchup is False


@pytest.mark.parametrize("dag_id", [names.NIGHTLY, names.FEATURES, names.TRAIN])
def test_the_publication_is_one_task_group_from_its_branch_to_its_end(bag: Any, dag_id: str) -> None:
    dag = bag.dags[dag_id]
    group = dag.task_group.get_child_by_label("publication")
    members = {task.task_id for task in group.iter_tasks()}
    after_the_branch = {task.task_id for task in dag.get_task("create_branch").get_flat_relatives(upstream=False)}
    released = {task_id for task_id in after_the_branch if task_id in ("neighbours", "gate", "next_days")}
    assert members == {"create_branch"} | after_the_branch - released
    assert {"create_branch", "seal", "merge", "rerun", "drop_branch"} <= members


@pytest.mark.parametrize("dag_id", [names.NIGHTLY, names.FEATURES, names.TRAIN])
def test_a_run_that_waits_for_another_one_holds_no_worker(bag: Any, dag_id: str) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    # The scheduler reads the mode from the serialized task.
    pin_main = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags[dag_id])).get_task("pin_main")
    assert pin_main.reschedule
    assert pin_main.downstream_task_ids & {"create_branch", "pin_data"}


@pytest.mark.parametrize("dag_id", [names.NIGHTLY, names.FEATURES])
def test_the_merge_depends_on_the_audits_and_not_on_their_mapped_results(bag: Any, dag_id: str) -> None:
    dag = bag.dags[dag_id]
    assert dag.get_task("merge").upstream_task_ids >= {"audit", "seal"}
    assert dag.get_task("merge").audit_task_id == "audit"
    assert dag.get_task("audit_result").downstream_task_ids == set()


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_every_task_has_a_timeout_and_a_limited_number_of_retries(bag: Any, dag_id: str) -> None:
    for task in bag.dags[dag_id].tasks:
        assert task.execution_timeout, task.task_id
        assert "retries" in bag.dags[dag_id].default_args, dag_id
        assert 0 <= task.retries <= 5, task.task_id


def test_long_tasks_leave_a_slot_for_urgent_ones(bag: Any) -> None:
    """At most one run of each DAG is active, and its long tasks follow each other; all Spark tasks share the one slot of their pool."""
    long_tasks = {
        (task.pool, dag_id if task.pool != "spark" else "")
        for dag_id, dag in bag.dags.items()
        for task in dag.tasks
        if task.execution_timeout > timedelta(minutes=15)
    }
    files = {
        "manifests/base/airflow/airflow.env": r"AIRFLOW__CORE__PARALLELISM=(\d+)$",
        "tools/localstack/airflow.py": r'"parallelism": "(\d+)"',
    }
    for path, pattern in files.items():
        [parallelism] = re.findall(pattern, (ROOT / path).read_text(), re.M)
        assert len(long_tasks) < int(parallelism), f"{path}: a rollback would wait for one of {long_tasks}"


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_every_task_that_fails_is_notified_and_of_a_stream_only_the_first_time(bag: Any, dag_id: str) -> None:
    for task in bag.dags[dag_id].tasks:
        callbacks = task.partial_kwargs["on_failure_callback"] if task.is_mapped else task.on_failure_callback
        [notifier] = callbacks if isinstance(callbacks, list) else [callbacks]
        assert isinstance(notifier, FailureNotifier), task.task_id
        assert notifier.first_only == (dag_id == names.STREAMS)


def test_loading_opens_no_connection_and_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: Any) -> None:
        raise AssertionError(f"a DAG file connected to {address} while it was loaded")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert load("local").import_errors == {}
    assert not (HOME / "airflow.db").exists()


def test_loading_takes_less_than_a_second_of_cpu_time_per_dag(bag: Any) -> None:
    """CPU time of a second load, so that the providers' imports and a busy machine do not count."""
    start = time.process_time()
    load("local")
    assert (time.process_time() - start) / len(DAG_IDS) < 1


def test_loading_again_makes_no_new_version_of_a_dag(bag: Any) -> None:
    """Airflow stores a new version whenever the serialized DAG differs, e.g. by the address of an object in its arguments."""
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.serialized_objects import DagSerialization

    first, again = (
        {dag_id: SerializedDagModel.hash(DagSerialization.to_dict(d)) for dag_id, d in b.dags.items()} for b in (bag, load("local"))
    )
    assert first == again


def test_every_dag_named_in_the_docs_exists(bag: Any) -> None:
    words = {word.strip("`.,:") for dag in bag.dags.values() for word in dag.doc_md.split() if word.startswith("`clickstream_")}
    assert words <= set(DAG_IDS)
