"""Compaction and collection beside the real stream clicks_to_lake: kills and restores after it lose and double nothing."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from tests import flink_process
from tests.faults.test_kill import kill
from tests.shop_day import ROOT, Shop, eventually
from tests.tools.local_stack import environment, running_stack
from tools.lake import catalog
from tools.lake.object_store import s3_client
from tools.maintenance import compaction, unreferenced_files

pytestmark = [pytest.mark.engine, pytest.mark.long]
TABLES = ("raw.clicks", "raw.quarantine")
DRIVER = {"entryClass": "org.apache.flink.client.python.PythonDriver", "allowNonRestoredState": False}


class Stream:
    """The stream clicks_to_lake on a Flink of its own, and what is sent to it."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.settings = shop, shop.settings
        self.flink = httpx.Client(base_url=self.settings.flink_uri, timeout=300)
        jar = flink_process.driver_jar()
        uploaded = self.flink.post("/jars/upload", files={"jarfile": (jar.name, jar.read_bytes(), "application/java-archive")}).json()
        self.jar = uploaded["filename"].rsplit("/", 1)[-1]
        self.job = ""

    def start(self, state: str = "") -> None:
        """Start the stream, from a checkpoint if one is given, and wait until it completes a checkpoint."""
        body = DRIVER | {"programArgsList": ["-pym", f"flink_apps.{names.CLICKS_TO_LAKE_JOB}"]}
        started = self.flink.post(f"/jars/{self.jar}/run", json=body | ({"savepointPath": state} if state else {}))
        assert started.status_code == 200, started.text[-3000:]
        self.job = started.json()["jobid"]
        self.wait_for_checkpoints(1)

    def completed_checkpoints(self) -> int:
        return int(self.flink.get(f"/jobs/{self.job}/checkpoints").json()["counts"]["completed"])

    def wait_for_checkpoints(self, number: int) -> None:
        """Wait for so many more checkpoints."""
        before = self.completed_checkpoints()
        eventually(lambda: self.completed_checkpoints() >= before + number, f"{number} more checkpoints", 300)

    def failures(self, cause: str = "iceberg") -> list[str]:
        """Returns the failures whose cause is in a package; a TaskManager on a busy machine can miss heartbeats."""
        history = self.flink.get(f"/jobs/{self.job}/exceptions").json()["exceptionHistory"]["entries"]
        return [entry["stacktrace"][:2000] for entry in history if cause in entry["stacktrace"]]

    def cancel(self) -> str:
        """Cancel the stream without a savepoint; returns its newest checkpoint."""
        self.flink.patch(f"/jobs/{self.job}", params={"mode": "cancel"}).raise_for_status()
        eventually(lambda: self.flink.get(f"/jobs/{self.job}").json()["state"] == "CANCELED", "the job is cancelled")
        prefix = f"{names.checkpoint_prefix(names.CLICKS_TO_LAKE_JOB)}/{self.job}/"
        listed = s3_client(self.settings).list_objects_v2(Bucket=self.settings.s3_bucket, Prefix=prefix)["Contents"]
        metadata = [item for item in listed if item["Key"].endswith("/_metadata")]
        newest = max(metadata, key=lambda item: int(item["Key"].split("/chk-")[1].split("/")[0]))
        return f"s3://{self.settings.s3_bucket}/{newest['Key'].removesuffix('/_metadata')}"

    def send(self, seconds: int, seed: int) -> "subprocess.Popen[str]":
        pace = ("--rate", "300", "--seconds", str(seconds), "--seed", str(seed))
        options = (*pace, "--users", "2000", "--products", "500", "--broken", "0.02")
        return subprocess.Popen([sys.executable, "-m", "tools.shop", "live", *options], cwd=ROOT, env=self.shop.env, text=True)

    def require_balance(self) -> None:
        def balances() -> bool:
            return self.shop.run("tools.ledger", "check", ok=False).returncode == 0

        eventually(balances, "the ledger balances", 300)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stream]:
    """The running stream. TEST_STACK_DIR names a running stack without one, which is neither started nor stopped."""
    running = os.environ.get("TEST_STACK_DIR")
    home = Path(running) if running else tmp_path_factory.mktemp("stream")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLICKSTREAM_CHECKPOINT_SECONDS", "3")
        with nullcontext() if running else running_stack(home, "s3,nessie,kafka,flink"):
            stream = Stream(Shop(environment(home)))
            with stream.flink:
                stream.start()
                yield stream


def compact(settings: Settings) -> int:
    """Rewrite all small files of the stream, also those of the open hour; returns the number of commits."""
    main = catalog.open_catalog(settings)
    return sum(compaction.compact(main, name, datetime.now(UTC) + timedelta(days=2), apply=True).commits for name in TABLES)


def collect(settings: Settings) -> int:
    """Collect files as if the minimum age were some seconds."""
    found = unreferenced_files.find(settings, datetime.now(UTC), timedelta(seconds=20))
    unreferenced_files.delete(settings, found)
    return found.count


def rows(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Returns the rows of both tables in the order of their offsets."""
    order = [("kafka_partition", "ascending"), ("kafka_offset", "ascending")]
    main = catalog.open_catalog(settings)
    return {name: main.load_table(name).scan().to_arrow().sort_by(order).to_pylist() for name in TABLES}


def files(settings: Settings) -> int:
    return sum(len(list(catalog.open_catalog(settings).load_table(name).scan().plan_files())) for name in TABLES)


class Repeated(threading.Thread):
    """Runs maintenance again and again until it is stopped; `errors` are those of its runs."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings, self.stopped = settings, threading.Event()
        self.commits, self.collected = 0, 0
        self.errors: list[Exception] = []

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                self.commits += compact(self.settings)
                self.collected += collect(self.settings)
            except Exception as error:
                self.errors.append(error)
            self.stopped.wait(1)

    def stop(self) -> None:
        self.stopped.set()
        self.join()


def test_maintenance_beside_the_running_stream_loses_and_doubles_nothing(stream: Stream) -> None:
    sender, maintenance = stream.send(60, seed=1), Repeated(stream.settings)
    maintenance.start()
    assert sender.wait(timeout=300) == 0
    stream.wait_for_checkpoints(2)
    maintenance.stop()
    print(f"{maintenance.commits} commits of compactions, {maintenance.collected} files collected")
    assert maintenance.errors == []
    assert maintenance.commits > 1
    assert maintenance.collected > 0
    assert stream.failures() == []
    stream.require_balance()


def test_every_value_stays_and_one_file_is_left(stream: Stream) -> None:
    sender = stream.send(20, seed=2)
    assert sender.wait(timeout=300) == 0
    stream.require_balance()
    before = rows(stream.settings)
    assert files(stream.settings) > 2
    compact(stream.settings)
    assert files(stream.settings) == 2
    assert rows(stream.settings) == before
    assert len(before["raw.clicks"]) > 1000
    assert len(before["raw.quarantine"]) > 10


def test_a_taskmanager_that_is_killed_after_a_compaction_goes_on(stream: Stream) -> None:
    sender = stream.send(40, seed=3)
    for _ in range(2):
        eventually(lambda: compact(stream.settings) > 0, "there are small files to rewrite")
        kill(stream.shop, "flink-taskmanager")
        time.sleep(10)
    eventually(lambda: len(stream.failures(cause="")) > 0, "the stream has noticed the kill")
    assert sender.wait(timeout=300) == 0
    stream.require_balance()
    stream.wait_for_checkpoints(2)


def test_a_restored_stream_goes_on_after_a_compaction_made_the_last_commit(stream: Stream) -> None:
    """Without Flink's properties the restored sink commits the checkpoint again, whose files are gone, and fails for ever."""
    sender = stream.send(20, seed=4)
    assert sender.wait(timeout=300) == 0
    stream.require_balance()
    checkpoint = stream.cancel()
    assert compact(stream.settings) > 0
    time.sleep(25)
    collect(stream.settings)
    stream.start(checkpoint)
    sender = stream.send(20, seed=5)
    assert sender.wait(timeout=300) == 0
    stream.require_balance()
    stream.wait_for_checkpoints(2)
    assert stream.failures() == []
