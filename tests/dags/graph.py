"""The graph of every DAG as plain data. `python -m tests.dags.graph` writes the reviewed snapshot again."""

import json
import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.plugins.environment import ROOT

SNAPSHOT = Path(__file__).with_name("graph.json")
# Modules that hold the runtime or are made for one DAG bag; they are imported again for another runtime.
RELOADED_MODULES = ("clickstream.runtime", "clickstream.dag_defaults", "clickstream.templates", "unusual_prefix")


def load(runtime: str) -> Any:
    """Returns the DAG bag that an Airflow process with CLICKSTREAM_RUNTIME=`runtime` loads."""
    from airflow.dag_processing.dagbag import DagBag

    for name in list(sys.modules):
        if name.startswith(RELOADED_MODULES):
            del sys.modules[name]
    with patch.dict(os.environ, {"CLICKSTREAM_RUNTIME": runtime, "CLICKSTREAM_SPARK_POOL": "spark"}):
        return DagBag(str(ROOT / "dags"))


def graph(bag: Any) -> dict[str, Any]:
    """Returns what a reviewer checks in a change: schedule, parameters, tasks, dependencies, pools and timeouts."""
    return {dag_id: _dag(dag) for dag_id, dag in sorted(bag.dags.items())}


def _dag(dag: Any) -> dict[str, Any]:
    from airflow.serialization.serialized_objects import DagSerialization

    return {
        "schedule": DagSerialization.to_dict(dag)["dag"]["timetable"]["__var"],
        "params": {name: dag.params.get_param(name).schema for name in dag.params},
        "tasks": {task.task_id: _task(task) for task in dag.topological_sort()},
    }


def _task(task: Any) -> dict[str, Any]:
    kind = "work"
    if task.is_setup:
        kind = "setup"
    elif task.is_teardown:
        kind = "teardown"
    return {
        "kind": kind,
        "group": task.task_group.group_id,
        "mapped": task.is_mapped,
        "then": sorted(task.downstream_task_ids),
        "pool": task.pool,
        "retries": task.retries,
        "minutes": task.execution_timeout.total_seconds() / 60,
        "trigger_rule": str(task.trigger_rule),
        "inlets": [asset.name for asset in task.inlets],
        "outlets": [asset.name for asset in task.outlets],
    }


def to_json(bag: Any) -> str:
    """Returns the graph as the snapshot holds it."""
    return json.dumps(graph(bag), indent=1) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(to_json(load("local")))
