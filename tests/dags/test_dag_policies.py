"""What holds for every DAG: it loads anywhere, says what it is, and each of its tasks has an end."""

import socket
import time
from typing import Any

import pytest

from clickstream.dag_defaults import OWNER, Tag
from tests.dags.graph import SNAPSHOT, graph, load, text
from tests.plugins.environment import HOME, ROOT

DAGS = sorted(p.stem for p in (ROOT / "dags").glob("*.py"))


@pytest.mark.parametrize("runtime", ["local", "kubernetes"])
def test_every_file_loads_as_the_dag_of_its_name(bags: dict[str, Any], runtime: str) -> None:
    assert bags[runtime].import_errors == {}
    assert sorted(bags[runtime].dags) == DAGS


def test_both_runtimes_give_the_same_graph(bags: dict[str, Any]) -> None:
    assert graph(bags["local"]) == graph(bags["kubernetes"])
    kinds = [{type(t).__name__ for d in bag.dags.values() for t in d.tasks} for bag in bags.values()]
    assert kinds[0] != kinds[1]


def test_the_graph_is_the_reviewed_one(bag: Any) -> None:
    assert text(bag) == SNAPSHOT.read_text(), "if the change is meant: python -m tests.dags.graph"


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_dag_says_what_it_is(bag: Any, dag_id: str) -> None:
    dag = bag.dags[dag_id]
    assert dag.doc_md.lstrip().startswith("# ")
    assert dag.tags
    assert set(dag.tags) <= set(Tag)
    assert {t.owner for t in dag.tasks} == {OWNER}
    assert dag.max_active_runs == 1
    assert dag.catchup is False


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_task_has_an_end_and_a_number_of_tries(bag: Any, dag_id: str) -> None:
    for task in bag.dags[dag_id].tasks:
        assert task.execution_timeout, task.task_id
        assert "retries" in bag.dags[dag_id].default_args, dag_id
        assert 0 <= task.retries <= 5, task.task_id


def test_loading_opens_no_connection_and_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: Any) -> None:
        raise AssertionError(f"a DAG file connected to {address} while it was read")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert load("local").import_errors == {}
    assert not (HOME / "airflow.db").exists()


def test_loading_takes_little_processor_time(bag: Any) -> None:
    """CPU time after a first load, so that the providers' imports and a busy machine do not count."""
    before = time.process_time()
    load("local")
    assert (time.process_time() - before) / len(DAGS) < 1


def test_every_arrow_of_the_docs_is_a_dag(bag: Any) -> None:
    """Docs that send a reader to another DAG name one that exists."""
    named = {word.strip("`.,:") for dag in bag.dags.values() for word in dag.doc_md.split() if word.startswith("`clickstream_")}
    assert named <= set(DAGS) | {"clickstream_streams"}
