"""Runs of DAGs as a person at the terminal follows them: each task as it ends, and what one run starts in turn."""

import time
from typing import Any

from clickstream_contracts import names
from tools.airflow_api import Airflow
from tools.stack.progress import say

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
    earlier, paused = _ids(airflow, dag_id), airflow.paused(dag_id)
    airflow.unpause(dag_id)
    begun = _appeared(airflow, dag_id, earlier, DUE_SECONDS) if paused else _under_way(airflow, dag_id)
    run_id = begun or airflow.trigger(dag_id)
    _watch(airflow, dag_id, run_id, deadline)
    return run_id


def _under_way(airflow: Airflow, dag_id: str) -> str:
    return next((str(run["dag_run_id"]) for run in airflow.runs(dag_id) if run["state"] in ("queued", "running")), "")


def _ids(airflow: Airflow, dag_id: str) -> set[str]:
    return {run["dag_run_id"] for run in airflow.runs(dag_id)}


def _appeared(airflow: Airflow, dag_id: str, earlier: set[str], patience: float) -> str:
    """A run that is none of the earlier ones, as soon as there is one; '' when patience ends."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        for run in airflow.runs(dag_id):
            if run["dag_run_id"] not in earlier:
                return str(run["dag_run_id"])
        time.sleep(1)
    return ""


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
        run_id = _appeared(self._airflow, dag_id, self._earlier[dag_id], 1.0 if self._ended else APPEARS_SECONDS)
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
