"""Airflow as its users reach it: the public REST interface, with a login."""

import time
from collections.abc import Callable
from typing import Any, Self

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from clickstream_contracts.settings import Settings

FINISHED = {"success", "failed"}


class AirflowError(RuntimeError):
    """Airflow refused a request or a run failed; the text says what and where to look."""


class Airflow:
    """A signed-in client of one Airflow; a context manager, because it keeps its connection open."""

    def __init__(self, base: str, user: str, password: str) -> None:
        self.base = base
        self._login = {"username": user, "password": password}
        self._http = httpx.Client(base_url=base, timeout=60)
        self._sign_in()

    @classmethod
    def of(cls, settings: Settings, password: str) -> Self:
        """The local stack's Airflow, signed in as admin."""
        return cls(f"http://127.0.0.1:{settings.airflow_port}", "admin", password)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    @retry(retry=retry_if_exception_type(httpx.TransportError), wait=wait_fixed(2), stop=stop_after_delay(120), reraise=True)
    def _sign_in(self) -> None:
        answer = self._http.post("/auth/token", json=self._login)
        if answer.status_code != 201:
            raise AirflowError(f"{self.base} refused the login of {self._login['username']}: {answer.status_code}")
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    @retry(retry=retry_if_exception_type(httpx.TransportError), wait=wait_fixed(2), stop=stop_after_delay(120), reraise=True)
    def call(self, method: str, path: str, **kwargs: Any) -> Any:
        """One request below /api/v2; the answer's JSON. Raises AirflowError with Airflow's own words on a refusal."""
        answer = self._http.request(method, f"/api/v2{path}", **kwargs)
        if answer.status_code == 401:
            self._sign_in()
            answer = self._http.request(method, f"/api/v2{path}", **kwargs)
        if answer.is_error:
            raise AirflowError(f"{method} {path}: {answer.status_code} {_detail(answer)}")
        return answer.json() if answer.content else None

    def paused(self, dag_id: str) -> bool:
        """Whether the scheduler leaves a DAG alone."""
        return bool(self.call("GET", f"/dags/{dag_id}")["is_paused"])

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run a DAG."""
        self.call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run; returns its id."""
        run = self.call("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf or {}})
        return str(run["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """A DAG's runs, the newest first."""
        newest = {"limit": 100, "order_by": "-run_after"}
        return list(self.call("GET", f"/dags/{dag_id}/dagRuns", params=newest)["dag_runs"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The run's task instances."""
        found = self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 100})
        return list(found["task_instances"])

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """What a task returned; None if it returned nothing."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        try:
            return self.call("GET", path, params={"deserialize": "true"})["value"]
        except AirflowError as error:
            if ": 404 " in str(error):
                return None
            raise

    def wait(self, dag_id: str, run_id: str, timeout: float, on_change: Callable[[str, str], None]) -> str:
        """Wait for a run's end, telling each change of a task's state; returns the run's state."""
        seen: dict[str, str] = {}
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            state = str(self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])
            for task in self.tasks(dag_id, run_id):
                if task["state"] and seen.get(task["task_id"]) != task["state"]:
                    seen[task["task_id"]] = task["state"]
                    on_change(task["task_id"], task["state"])
            if state in FINISHED:
                return state
            time.sleep(1)
        raise AirflowError(f"{dag_id} {run_id} did not end within {timeout:.0f} s: look at {self.base}/dags/{dag_id}/runs/{run_id}")


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail", answer.text))[:500]
    except ValueError:
        return answer.text[:500]
