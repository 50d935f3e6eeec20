"""A client of Airflow's public REST API, signed in as a user."""

import time
from collections.abc import Callable
from typing import Any, Self

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from clickstream_contracts.settings import Settings
from tools.common import http
from tools.localstack import airflow
from tools.localstack.layout import Stack

FINISHED = {"success", "failed"}
retry_while_unreachable = retry(
    retry=retry_if_exception_type(httpx.TransportError), wait=wait_fixed(2), stop=stop_after_delay(120), reraise=True
)


class AirflowError(RuntimeError):
    """Airflow refused a request or a run did not end; the text says what and where to look."""


class Airflow:
    """A signed-in client of one Airflow. It is a context manager, because it keeps its connection open."""

    def __init__(self, base: str, user: str, password: str) -> None:
        self.base = base
        self._login = {"username": user, "password": password}
        self._http = http.client(base, timeout=60)
        self._sign_in()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Returns a client of the local stack's Airflow, signed in as admin."""
        stack = Stack(settings)
        return cls(airflow.address(stack), "admin", airflow.password(stack, "admin"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    @retry_while_unreachable
    def _sign_in(self) -> None:
        response = self._http.post("/auth/token", json=self._login)
        if response.status_code != 201:
            raise AirflowError(f"{self.base} rejected the login of {self._login['username']}: HTTP {response.status_code}")
        self._http.headers["Authorization"] = f"Bearer {response.json()['access_token']}"

    @retry_while_unreachable
    def call(self, method: str, path: str, **kwargs: Any) -> Any:
        """Send one request below /api/v2 and return the response's JSON. Raises AirflowError with Airflow's own message."""
        response = self._http.request(method, f"/api/v2{path}", **kwargs)
        if response.status_code == 401:
            self._sign_in()
            response = self._http.request(method, f"/api/v2{path}", **kwargs)
        if response.is_error:
            raise AirflowError(f"{method} {path}: {response.status_code} {_detail(response)}")
        return response.json() if response.content else None

    def paused(self, dag_id: str) -> bool:
        """Whether a DAG is paused."""
        return bool(self.call("GET", f"/dags/{dag_id}")["is_paused"])

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run a DAG."""
        self.call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run; returns its id."""
        run = self.call("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf or {}})
        return str(run["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Returns a DAG's runs, the newest first."""
        newest = {"limit": 100, "order_by": "-run_after"}
        return list(self.call("GET", f"/dags/{dag_id}/dagRuns", params=newest)["dag_runs"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Returns the run's task instances."""
        response = self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 100})
        return list(response["task_instances"])

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Returns what a task returned; None if it returned nothing."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        try:
            return self.call("GET", path, params={"deserialize": "true"})["value"]
        except AirflowError as error:
            if ": 404 " in str(error):
                return None
            raise

    def wait(self, dag_id: str, run_id: str, timeout: float, on_change: Callable[[str, str], None]) -> str:
        """Wait until a run ends and return its state; `on_change` gets the id and the state of each task that changes.

        Raises AirflowError after `timeout` seconds.
        """
        states: dict[tuple[str, int], str] = {}
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            state = str(self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])
            for task in self.tasks(dag_id, run_id):
                instance = (task["task_id"], task["map_index"])
                if task["state"] and states.get(instance) != task["state"]:
                    states[instance] = task["state"]
                    on_change(task["task_id"], task["state"])
            if state in FINISHED:
                return state
            time.sleep(1)
        raise AirflowError(f"{dag_id} {run_id} did not end within {timeout:.0f} s: open {self.base}/dags/{dag_id}/runs/{run_id}")


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json().get("detail", response.text))[:500]
    except ValueError:
        return response.text[:500]
