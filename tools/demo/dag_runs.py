"""Runs of DAGs as a person at the terminal follows them: each task as it ends, and what one run starts in turn."""

import time
from collections.abc import Callable
from typing import Any

from clickstream_contracts import names
from tools.demo.airflow_api import Airflow
from tools.localstack.progress import say

MARKS = {"success": "✓", "failed": "✗", "upstream_failed": "✗", "skipped": "!"}
APPEARS_SECONDS, DUE_SECONDS, ENDS_SECONDS = 60.0, 15.0, 900.0


class RunError(RuntimeError):
    """A run failed; the text says where to look."""


def run_dag(airflow: Airflow, dag_id: str, deadline: float, conf: dict[str, Any] | None = None) -> str:
    """Trigger a DAG and show each task as it ends; returns the run's id. Raises RunError when the run fails."""
    airflow.unpause(dag_id)
    run_id = airflow.trigger(dag_id, conf)
    _watch(airflow, dag_id, run_id, deadline)
    return run_id


def run_scheduled(airflow: Airflow, dag_id: str, deadline: float) -> str:
    """As `run_dag`, for a DAG that runs every few minutes: a run that its schedule has begun, or begins as soon as it may, will do."""
    if airflow.paused(dag_id):
        earlier = _ids(airflow, dag_id)
        airflow.unpause(dag_id)
        begun = _newest(airflow, dag_id, lambda run: run["dag_run_id"] not in earlier, DUE_SECONDS)
    else:
        begun = _newest(airflow, dag_id, lambda run: run["state"] in ("queued", "running"))
    run_id = begun or airflow.trigger(dag_id)
    _watch(airflow, dag_id, run_id, deadline)
    return run_id


def _ids(airflow: Airflow, dag_id: str) -> set[str]:
    return {run["dag_run_id"] for run in airflow.runs(dag_id)}


def _newest(airflow: Airflow, dag_id: str, wanted: Callable[[dict[str, Any]], bool], patience: float = 0.0) -> str:
    """The newest run that is wanted, as soon as there is one; '' when patience ends."""
    deadline = time.monotonic() + patience
    while True:
        for run in airflow.runs(dag_id):
            if wanted(run):
                return str(run["dag_run_id"])
        if time.monotonic() >= deadline:
            return ""
        time.sleep(1)


def _watch(airflow: Airflow, dag_id: str, run_id: str, deadline: float, may_fail: str = "") -> None:
    state = airflow.wait(dag_id, run_id, deadline, lambda task, is_: say(MARKS[is_], f"  {task}", is_) if is_ in MARKS else None)
    failed = {task["task_id"] for task in airflow.tasks(dag_id, run_id) if task["state"] == "failed"}
    if state != "success" and failed != {may_fail}:
        raise RunError(f"{dag_id} ended as {state}: open {airflow.base}/dags/{dag_id}/runs/{run_id} and read the red task's log")


class Chain:
    """The DAGs that a nightly release starts one after the other: it knows which runs are of this release."""

    def __init__(self, airflow: Airflow) -> None:
        self._airflow = airflow
        self._dags = (names.FEATURES, names.TRAIN, names.ROLLOUT)
        self._earlier = {dag_id: _ids(airflow, dag_id) for dag_id in self._dags}
        self._runs: dict[str, str] = {}
        self._ended = False
        for dag_id in self._dags:
            airflow.unpause(dag_id)

    def follow(self, dag_id: str, may_fail: str = "") -> None:
        """Watch the run that the DAG before it started, if it did. Raises RunError when it fails elsewhere than in `may_fail`."""
        earlier, patience = self._earlier[dag_id], 1.0 if self._ended else APPEARS_SECONDS
        run_id = _newest(self._airflow, dag_id, lambda run: run["dag_run_id"] not in earlier, patience)
        if run_id:
            self._runs[dag_id] = run_id
            _watch(self._airflow, dag_id, run_id, ENDS_SECONDS, may_fail)
        else:
            say("!", f"  {dag_id}", "not started: nothing new came from the step before")
        self._ended = not run_id or self._released_nothing(dag_id, run_id)

    def _released_nothing(self, dag_id: str, run_id: str) -> bool:
        """Whether the run found all as it was: it skips what would release it."""
        return any(task["state"] == "skipped" for task in self._airflow.tasks(dag_id, run_id))

    def model(self) -> dict[str, Any]:
        """What was trained, how the gate judged it, and the release that came of it; '' and {} where there was none."""
        trained, registered = (self._facts(names.TRAIN, task) for task in ("train", "register"))
        told = {name: registered.get(name) for name in ("model", "passed", "reasons", "numbers", "champion", "tag")}
        return {**told, "trials": trained.get("trials", []), "release": self._xcom(names.ROLLOUT, "tag") or ""}

    def _facts(self, dag_id: str, task_id: str) -> dict[str, Any]:
        return dict((self._xcom(dag_id, task_id) or {}).get("facts", {}))

    def _xcom(self, dag_id: str, task_id: str) -> Any:
        return self._airflow.xcom(dag_id, self._runs[dag_id], task_id) if dag_id in self._runs else None
