"""Starts and follows DAG runs at the terminal: prints each task when it ends, and follows the runs that a run triggers."""

import time
from collections.abc import Callable
from typing import Any

from clickstream_contracts import names
from tools.localstack.airflow_api import Airflow
from tools.localstack.progress import say

MARKS = {"success": "✓", "failed": "✗", "upstream_failed": "✗", "skipped": "!"}
# How long a triggered run may take to appear, a scheduled one to begin, and a run of the chain to end.
APPEARS_SECONDS, DUE_SECONDS, ENDS_SECONDS = 60.0, 15.0, 900.0


class RunError(RuntimeError):
    """A run failed; the text says where to look."""


def run_dag(airflow: Airflow, dag_id: str, deadline: float, conf: dict[str, Any] | None = None) -> str:
    """Trigger a DAG and follow the run; returns its id. Raises RunError when the run fails, AirflowError after `deadline` seconds."""
    airflow.unpause(dag_id)
    run_id = airflow.trigger(dag_id, conf)
    _follow(airflow, dag_id, run_id, deadline)
    return run_id


def run_scheduled(airflow: Airflow, dag_id: str, deadline: float) -> str:
    """As `run_dag`, for a DAG that runs every few minutes.

    An active run is followed, or the one that unpausing starts; only without any a run is triggered.
    """
    if airflow.paused(dag_id):
        earlier = _run_ids(airflow, dag_id)
        airflow.unpause(dag_id)
        active = _newest_run(airflow, dag_id, lambda run: run["dag_run_id"] not in earlier, DUE_SECONDS)
    else:
        active = _newest_run(airflow, dag_id, lambda run: run["state"] in ("queued", "running"))
    run_id = active or airflow.trigger(dag_id)
    _follow(airflow, dag_id, run_id, deadline)
    return run_id


def _run_ids(airflow: Airflow, dag_id: str) -> set[str]:
    return {run["dag_run_id"] for run in airflow.runs(dag_id)}


def _newest_run(airflow: Airflow, dag_id: str, matches: Callable[[dict[str, Any]], bool], timeout: float = 0.0) -> str:
    """Returns the id of the newest run that matches, as soon as there is one; '' after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        for run in airflow.runs(dag_id):
            if matches(run):
                return str(run["dag_run_id"])
        if time.monotonic() >= deadline:
            return ""
        time.sleep(1)


def _follow(airflow: Airflow, dag_id: str, run_id: str, deadline: float, may_fail: str = "") -> None:
    state = airflow.wait(dag_id, run_id, deadline, _print_task)
    failed = {task["task_id"] for task in airflow.tasks(dag_id, run_id) if task["state"] == "failed"}
    if state != "success" and failed != {may_fail}:
        raise RunError(f"{dag_id} ended as {state}: open {airflow.base}/dags/{dag_id}/runs/{run_id} and read the log of the failed task")


def _print_task(task_id: str, state: str) -> None:
    if state in MARKS:
        say(MARKS[state], f"  {task_id}", state)


class ReleaseChain:
    """Follows the DAGs that one nightly release triggers: features, training, rollout.

    Make it before the nightly run: runs that exist by then belong to earlier releases.
    """

    def __init__(self, airflow: Airflow) -> None:
        self._airflow = airflow
        self._dags = (names.FEATURES, names.TRAIN, names.ROLLOUT)
        self._earlier = {dag_id: _run_ids(airflow, dag_id) for dag_id in self._dags}
        self._runs: dict[str, str] = {}
        self._chain_has_ended = False
        for dag_id in self._dags:
            airflow.unpause(dag_id)

    def follow(self, dag_id: str, may_fail: str = "") -> None:
        """Follow the run that the DAG before it triggered, if it did. Raises RunError when another task than `may_fail` fails."""
        earlier, timeout = self._earlier[dag_id], 1.0 if self._chain_has_ended else APPEARS_SECONDS
        run_id = _newest_run(self._airflow, dag_id, lambda run: run["dag_run_id"] not in earlier, timeout)
        if run_id:
            self._runs[dag_id] = run_id
            _follow(self._airflow, dag_id, run_id, ENDS_SECONDS, may_fail)
        else:
            say("!", f"  {dag_id}", "not triggered: the step before published nothing new")
        self._chain_has_ended = not run_id or self._published_nothing(dag_id, run_id)

    def _published_nothing(self, dag_id: str, run_id: str) -> bool:
        """Whether the run changed nothing: then it skips its merge. Other tasks are skipped in every good run."""
        return any((task["task_id"], task["state"]) == ("merge", "skipped") for task in self._airflow.tasks(dag_id, run_id))

    def model(self) -> dict[str, Any]:
        """Returns the trained model, the gate's result and the release; None, '' and [] where there was none."""
        trained, registered = (self._facts(names.TRAIN, task) for task in ("train", "register"))
        gate = {name: registered.get(name) for name in ("model", "passed", "reasons", "numbers", "champion", "tag")}
        return {**gate, "trials": trained.get("trials", []), "release": self._xcom(names.ROLLOUT, "tag") or ""}

    def _facts(self, dag_id: str, task_id: str) -> dict[str, Any]:
        return dict((self._xcom(dag_id, task_id) or {}).get("facts", {}))

    def _xcom(self, dag_id: str, task_id: str) -> Any:
        return self._airflow.xcom(dag_id, self._runs[dag_id], task_id) if dag_id in self._runs else None
