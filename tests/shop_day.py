"""The running local stack for tests: run commands, trigger DAG runs, read tables and topics."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.demo.dag_runs import run_scheduled
from tools.kafka.reader import records
from tools.lake import catalog, nessie
from tools.localstack import airflow, layout
from tools.localstack.airflow_api import Airflow

ROOT = Path(__file__).parents[1]


class Shop:
    """One running stack and its shop."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env
        from tools.localstack import running

        self.settings: Settings = running(env["CLICKSTREAM_STACK_DIR"])
        self.env = {**env, **self.settings.to_env()}

    def run(self, *argv: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `python -m ARGV` in the repository; asserts exit code 0 unless `ok` is False."""
        done = subprocess.run([sys.executable, "-m", *argv], cwd=ROOT, env=self.env, capture_output=True, text=True, check=False)
        assert not ok or done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    @cached_property
    def airflow(self) -> Airflow:
        return Airflow.of(self.settings)

    @property
    def password(self) -> str:
        """The password of Airflow's user admin."""
        return airflow.password(layout.Stack(self.settings), "admin")

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Returns the runs of a DAG."""
        return self.airflow.runs(dag_id)

    def start_streams(self) -> None:
        """Wait for the first scheduled run of the streams' DAG, which deploys all streams."""
        run_scheduled(self.airflow, names.STREAMS, 900)

    def heal_streams(self) -> None:
        """Run the streams' DAG, which is otherwise scheduled every five minutes, until a run succeeds."""
        for _ in range(5):
            run_id = self.airflow.trigger(names.STREAMS)
            if self.airflow.wait(names.STREAMS, run_id, 600, lambda task, state: None) == "success":
                return
        raise AssertionError(f"{names.STREAMS} failed five times")

    def nightly(self, day: str, expect: str = "success", **params: Any) -> str:
        """Run the nightly for a day and wait for its end; returns the run's id."""
        return self.finish(names.NIGHTLY, self.trigger_nightly(day, **params), expect)

    def trigger_nightly(self, day: str, **params: Any) -> str:
        """Trigger the nightly for a day; returns the run's id without waiting."""
        self.airflow.unpause(names.NIGHTLY)
        return self.airflow.trigger(names.NIGHTLY, {"day": day, **params})

    def task_state(self, run_id: str, task_id: str, dag_id: str = names.NIGHTLY) -> str:
        """Returns the current state of a task, `none` if it has none."""
        return next((str(t["state"]) for t in self.airflow.tasks(dag_id, run_id) if t["task_id"] == task_id), "none")

    def finish(self, dag_id: str, run_id: str, expect: str = "success", seconds: float = 900) -> str:
        """Wait for the end of a run and assert its state; returns the run's id."""
        states: dict[str, str] = {}
        state = self.airflow.wait(dag_id, run_id, seconds, states.__setitem__)
        assert state == expect, f"{dag_id} {run_id}: {state}, {states}"
        return run_id

    def receipt(self, run_id: str, task_id: str, dag_id: str = names.NIGHTLY) -> dict[str, Any]:
        """Returns the receipt of a task, its XCom value."""
        value = self.airflow.xcom(dag_id, run_id, task_id)
        assert isinstance(value, dict), f"{task_id} of {run_id} returned {value!r}"
        return value

    def table(self, name: str, ref: str = names.MAIN, columns: tuple[str, ...] = ("*",), row_filter: str = "true") -> pa.Table:
        """Returns the rows of a table at a ref."""
        from pyiceberg.expressions import AlwaysTrue

        loaded = catalog.open_catalog(self.settings, ref).load_table(name)
        return loaded.scan(row_filter=AlwaysTrue() if row_filter == "true" else row_filter, selected_fields=columns).to_arrow()

    def topic(self, name: str) -> list[dict[str, Any]]:
        """Returns all JSON values of a topic, None for a tombstone."""
        return [json.loads(message.value() or b"null") for message in records(self.settings, name)]

    def content(self, name: str, ref: str = names.MAIN) -> object:
        """Returns the row count and an order-independent hash of a table, to compare states."""
        connection = duckdb.connect()
        connection.register("rows", self.table(name, ref))
        return connection.execute("SELECT count(*), sum(hash(rows)::HUGEINT) FROM rows").fetchone()

    def curated_state(self) -> dict[str, str]:
        """Returns the metadata file of each published table on main, all of one commit."""
        entries = self.nessie("trees/main/entries?content=true&max-records=500")["entries"]
        tables = {".".join(entry["name"]["elements"]): entry.get("content") for entry in entries if entry["type"] == "ICEBERG_TABLE"}
        return {name: str(content["metadataLocation"]) for name, content in tables.items() if name.startswith(("curated.", "marts."))}

    def task_log(self, run_id: str, task_id: str, dag_id: str = names.NIGHTLY, attempt: int = 1) -> str:
        """Returns the log of one try of a task as text."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{attempt}"
        return json.dumps(self.airflow.call("GET", path, headers={"Accept": "application/json"}))

    def nessie(self, path: str) -> Any:
        """Returns the JSON of a GET request to Nessie's REST API v2."""
        return nessie.request(self.settings, "GET", path)

    def references(self, kind: str) -> set[str]:
        """Returns the names of all references of a kind, BRANCH or TAG."""
        return {reference["name"] for reference in nessie.references(self.settings, kind)}


def eventually(check: Callable[[], bool], expected: str, seconds: float = 180, interval: float = 1) -> None:
    """Poll `check` every `interval` seconds until it is true; asserts that this happens within `seconds`."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {expected}"
        time.sleep(interval)
