"""What a user does with a stack, for tests: run commands, trigger a night, read tables at a ref."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow as pa

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tools.demo import summary
from tools.demo.airflow_api import Airflow
from tools.demo.dag_runs import run_scheduled
from tools.kafka.reader import records
from tools.lake import catalog

ROOT = Path(__file__).parents[1]


class Shop:
    """One running stack."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env
        from tools.localstack import running

        self.settings: Settings = running(env["CLICKSTREAM_STACK_DIR"])
        self.env = {**env, **self.settings.to_env()}

    def run(self, *argv: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """`python -m ARGV` in the project's folder."""
        done = subprocess.run([sys.executable, "-m", *argv], cwd=ROOT, env=self.env, capture_output=True, text=True, check=False)
        assert not ok or done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    @cached_property
    def airflow(self) -> Airflow:
        return Airflow.of(self.settings, self.password)

    @property
    def password(self) -> str:
        """The admin's password."""
        return summary.password(self.settings)

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """A DAG's runs."""
        return self.airflow.runs(dag_id)

    def start_streams(self) -> None:
        """Let Airflow deploy the stream and wait for its run."""
        run_scheduled(self.airflow, names.STREAMS, 900)

    def heal_streams(self) -> None:
        """Run the stream's repair, which comes every five minutes by itself, until it finds the job healthy."""
        for _ in range(5):
            run_id = self.airflow.trigger(names.STREAMS)
            if self.airflow.wait(names.STREAMS, run_id, 600, lambda task, state: None) == "success":
                return
        raise AssertionError(f"{names.STREAMS} found the job unhealthy five times")

    def nightly(self, day: str, expect: str = "success", **params: Any) -> str:
        """Run the nightly for a day; returns the run's id."""
        return self.finish(names.NIGHTLY, self.trigger_nightly(day, **params), expect)

    def trigger_nightly(self, day: str, **params: Any) -> str:
        """Start the nightly for a day; returns the run's id at once."""
        self.airflow.unpause(names.NIGHTLY)
        return self.airflow.trigger(names.NIGHTLY, {"day": day, **params})

    def task_state(self, run_id: str, task_id: str, dag_id: str = names.NIGHTLY) -> str:
        """A task's state now."""
        return next((str(t["state"]) for t in self.airflow.tasks(dag_id, run_id) if t["task_id"] == task_id), "none")

    def finish(self, dag_id: str, run_id: str, expect: str = "success") -> str:
        states: dict[str, str] = {}
        state = self.airflow.wait(dag_id, run_id, 900, states.__setitem__)
        assert state == expect, f"{dag_id} {run_id}: {state}, {states}"
        return run_id

    def receipt(self, run_id: str, task_id: str, dag_id: str = names.NIGHTLY) -> dict[str, Any]:
        """What a task of a run returned."""
        found = self.airflow.xcom(dag_id, run_id, task_id)
        assert isinstance(found, dict), f"{task_id} of {run_id} returned {found!r}"
        return found

    def table(self, name: str, ref: str = names.MAIN, columns: tuple[str, ...] = ("*",), row_filter: str = "true") -> pa.Table:
        """A table's rows at a ref."""
        from pyiceberg.expressions import AlwaysTrue

        at = catalog.connect(self.settings, ref).load_table(name)
        return at.scan(row_filter=AlwaysTrue() if row_filter == "true" else row_filter, selected_fields=columns).to_arrow()

    def topic(self, name: str) -> list[dict[str, Any]]:
        """All that a topic of JSON holds now."""
        return [json.loads(message.value() or b"null") for message in records(self.settings, name)]

    def content(self, name: str, ref: str = names.MAIN) -> object:
        """Rows and an order-free hash of a table, to compare states."""
        con = duckdb.connect()
        con.register("rows", self.table(name, ref))
        return con.execute("SELECT count(*), sum(hash(rows)::HUGEINT) FROM rows").fetchone()

    def curated_state(self) -> dict[str, str]:
        """Each published table's metadata file on main, read at one commit."""
        entries = self.nessie("trees/main/entries?content=true&max-records=500")["entries"]
        tables = {".".join(e["name"]["elements"]): e.get("content") for e in entries if e["type"] == "ICEBERG_TABLE"}
        return {name: str(content["metadataLocation"]) for name, content in tables.items() if name.startswith(("curated.", "marts."))}

    def task_log(self, run_id: str, task_id: str, dag_id: str = names.NIGHTLY, attempt: int = 1) -> str:
        """A task's log as text."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{attempt}"
        return json.dumps(self.airflow.call("GET", path, headers={"Accept": "application/json"}))

    def nessie(self, path: str) -> Any:
        answer = httpx.get(f"{self.settings.nessie_uri}/api/v2/{path}", timeout=30)
        answer.raise_for_status()
        return answer.json()

    def references(self, kind: str) -> set[str]:
        return {r["name"] for r in self.nessie("trees")["references"] if r["type"] == kind}


def eventually(check: Callable[[], bool], what: str, seconds: float = 180) -> None:
    """Wait until `check` holds."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}"
        time.sleep(1)
