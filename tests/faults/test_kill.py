"""kill -9 of each part while it works: afterwards every acknowledged event is in its place once, and the night completes."""

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from datetime import date, timedelta

import psutil
import pytest

from tests.shop_day import ROOT, Shop, eventually

# The three that lose most if recovery is wrong run in `make test`; `make faults` runs all.
CORE = ("flink-taskmanager", "kafka", "nessie")
REST = ("flink-jobmanager", "s3")
BATCH = ("spark-worker-1", "airflow-scheduler")
RATE, SECONDS = 1500, 20
SMALL = ("--users", "2000", "--products", "500")


def pid_of(shop: Shop, part: str) -> int:
    parts = json.loads(shop.run("tools.stack", "status", "--json", ok=False).stdout)["parts"]
    return next(int(p["pid"] or 0) for p in parts if p["name"] == part)


def kill(shop: Shop, part: str) -> None:
    """kill -9 of the part and of all it started."""
    process = psutil.Process(pid_of(shop, part))
    for one in [*process.children(recursive=True), process]:
        one.send_signal(signal.SIGKILL)


def alive_again(shop: Shop, part: str, old: int) -> bool:
    parts = json.loads(shop.run("tools.stack", "status", "--json", ok=False).stdout)["parts"]
    return any(p["name"] == part and p["state"] == "up" and p["pid"] != old for p in parts)


def ledger_balances(shop: Shop, curated: bool = False) -> bool:
    return shop.run("tools.ledger", "check", *(["--curated"] if curated else []), ok=False).returncode == 0


@pytest.fixture
def traffic(shop: Shop, request: pytest.FixtureRequest) -> "Iterator[subprocess.Popen[str]]":
    """A live shop in the background; its seed is the test's own."""
    seed = str(zlib.crc32(request.node.name.encode()) % 100_000)
    argv = [sys.executable, "-m", "tools.shop", "live", "--rate", str(RATE), "--seconds", str(SECONDS), "--seed", seed, *SMALL]
    process = subprocess.Popen(argv, cwd=ROOT, env=shop.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    yield process
    if process.poll() is None:
        process.kill()


def part_params() -> list[object]:
    return [*CORE, *(pytest.param(part, marks=pytest.mark.long) for part in REST)]


@pytest.mark.parametrize("part", part_params())
def test_a_killed_part_loses_and_doubles_nothing(shop: Shop, traffic: "subprocess.Popen[str]", part: str) -> None:
    time.sleep(SECONDS / 2)
    old = pid_of(shop, part)
    kill(shop, part)
    eventually(lambda: alive_again(shop, part, old), f"{part} is up again")
    output, _ = traffic.communicate(timeout=240)
    assert traffic.returncode == 0, output
    shop.heal_streams()
    eventually(lambda: ledger_balances(shop), "the ledger balances", 300)


@pytest.mark.long
@pytest.mark.parametrize("part", BATCH)
def test_a_night_survives(shop: Shop, part: str) -> None:
    shop.run("tools.shop", "live", "--rate", "500", "--seconds", "4", "--seed", str(os.getpid()), *SMALL)
    day = (date.today() - timedelta(days=1)).isoformat()
    run_id = shop.trigger_nightly(day)
    eventually(lambda: shop.task_state(run_id, "curate") == "running", "curate runs")
    time.sleep(4)
    old = pid_of(shop, part)
    kill(shop, part)
    eventually(lambda: alive_again(shop, part, old), f"{part} is up again")
    shop.finish("clickstream_nightly", run_id)
    assert ledger_balances(shop, curated=True)
