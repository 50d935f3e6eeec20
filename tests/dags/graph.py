"""The shape of every DAG as plain data. `python -m tests.dags.graph` renews the reviewed snapshot."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.plugins.environment import ROOT

SNAPSHOT = Path(__file__).with_name("graph.json")


def load(runtime: str) -> Any:
    """The DAG bag as an Airflow process with CLICKSTREAM_RUNTIME=`runtime` sees it."""
    from airflow.dag_processing.dagbag import DagBag

    for name in [n for n in sys.modules if n.startswith(("clickstream.runtime", "clickstream.templates", "unusual_prefix"))]:
        del sys.modules[name]
    before = os.environ.get("CLICKSTREAM_RUNTIME")
    os.environ["CLICKSTREAM_RUNTIME"] = runtime
    try:
        return DagBag(str(ROOT / "dags"))
    finally:
        os.environ.pop("CLICKSTREAM_RUNTIME") if before is None else os.environ.update(CLICKSTREAM_RUNTIME=before)


def graph(bag: Any) -> dict[str, Any]:
    """What a reviewer wants to see change: schedule, tasks, arrows, pools, patience."""
    return {dag_id: _dag(dag) for dag_id, dag in sorted(bag.dags.items())}


def _dag(dag: Any) -> dict[str, Any]:
    from airflow.serialization.serialized_objects import DagSerialization

    return {
        "schedule": DagSerialization.to_dict(dag)["dag"]["timetable"]["__var"],
        "params": {name: dag.params.get_param(name).schema for name in dag.params},
        "tasks": {task.task_id: _task(task) for task in dag.topological_sort()},
    }


def _task(task: Any) -> dict[str, Any]:
    kind = "setup" if task.is_setup else "teardown" if task.is_teardown else "work"
    return {
        "kind": kind,
        "then": sorted(task.downstream_task_ids),
        "pool": task.pool,
        "retries": task.retries,
        "minutes": task.execution_timeout.total_seconds() / 60,
        "trigger_rule": str(task.trigger_rule),
        "inlets": [asset.name for asset in task.inlets],
        "outlets": [asset.name for asset in task.outlets],
    }


def text(bag: Any) -> str:
    """The graph as the snapshot holds it."""
    return json.dumps(graph(bag), indent=1) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(text(load("local")))
