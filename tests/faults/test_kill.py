"""kill -9 of each part while it works: afterwards every acknowledged event is in its place once, and the night completes."""

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta

import psutil
import pytest

from clickstream_contracts import names
from clickstream_contracts.fraud_rules import rules
from tests.shop_day import ROOT, Shop, eventually
from tools.kafka.reader import end_offsets

# The three that lose most if recovery is wrong run in `make test`; `make faults` runs all.
CORE = ("flink-taskmanager", "kafka", "nessie")
REST = ("flink-jobmanager", "s3")
BATCH = ("spark-master", "spark-worker-1", "spark-connect", "airflow-scheduler")
RATE, SECONDS = 1500, 20
SMALL = ("--users", "2000", "--products", "500")
FAULTLESS = ("--late", "0", "--out-of-order", "0", "--duplicates", "0")


def pid_of(shop: Shop, part: str) -> int:
    parts = json.loads(shop.run("tools.localstack", "status", "--json", ok=False).stdout)["components"]
    return next(int(p["pid"] or 0) for p in parts if p["name"] == part)


def kill(shop: Shop, part: str) -> None:
    """kill -9 of the part and of all it started."""
    process = psutil.Process(pid_of(shop, part))
    for one in [*process.children(recursive=True), process]:
        one.send_signal(signal.SIGKILL)


def alive_again(shop: Shop, part: str, old: int) -> bool:
    parts = json.loads(shop.run("tools.localstack", "status", "--json", ok=False).stdout)["components"]
    return any(p["name"] == part and p["state"] == "up" and p["pid"] != old for p in parts)


def ledger_balances(shop: Shop, curated: bool = False) -> bool:
    return shop.run("tools.ledger", "check", *(["--curated"] if curated else []), ok=False).returncode == 0


@pytest.fixture
def traffic(shop: Shop, request: pytest.FixtureRequest) -> "Iterator[subprocess.Popen[str]]":
    """A live shop in the background, with the test's own options; its seed is the test's own too."""
    seed = str(zlib.crc32(request.node.name.encode()) % 100_000)
    options = ("--rate", str(RATE), "--seconds", str(SECONDS), "--seed", seed, *SMALL, *getattr(request, "param", ()))
    argv = [sys.executable, "-m", "tools.shop", "live", *options]
    process = subprocess.Popen(argv, cwd=ROOT, env=shop.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    yield process
    if process.poll() is None:
        process.kill()


def kill_amid(traffic: "subprocess.Popen[str]", shop: Shop, part: str) -> None:
    """Kill the part in the middle of the traffic, and wait until all that was acknowledged is in its place."""
    before = end_offsets(shop.settings)
    eventually(lambda: end_offsets(shop.settings) != before, "the shop is open")
    time.sleep(SECONDS / 2)
    old = pid_of(shop, part)
    kill(shop, part)
    eventually(lambda: alive_again(shop, part, old), f"{part} is up again")
    output, _ = traffic.communicate(timeout=240)
    assert traffic.returncode == 0, output
    shop.heal_streams()
    eventually(lambda: ledger_balances(shop), "the ledger balances", 300)


def part_params() -> list[object]:
    return [*CORE, *(pytest.param(part, marks=pytest.mark.long) for part in REST)]


@pytest.mark.parametrize("part", part_params())
def test_a_killed_part_loses_and_doubles_nothing(shop: Shop, traffic: "subprocess.Popen[str]", part: str) -> None:
    kill_amid(traffic, shop, part)


def verdicts(shop: Shop, since: float) -> dict[str, list[str]]:
    """What was said of each event since then, as often as it was said."""
    found = defaultdict(list)
    for score in shop.topic(names.FRAUD_SCORES_TOPIC):
        if score["event_time"] >= 1000 * since:
            found[score["event_id"]].append(json.dumps([score[name] for name in ("score", "decision", "patterns", "reasons", "parts")]))
    return found


@pytest.mark.long
@pytest.mark.parametrize("traffic", [("--attacks", "2", *FAULTLESS)], indirect=True, ids=["attacked"])
def test_a_killed_taskmanager_passes_nobody_over_and_says_the_same(shop: Shop, traffic: "subprocess.Popen[str]") -> None:
    since = time.time()
    kill_amid(traffic, shop, "flink-taskmanager")
    rows = shop.table("raw.clicks", columns=("event_id", "event_type", "event_time")).to_pylist()
    sent = {row["event_id"] for row in rows if row["event_type"] in rules().scored_events and row["event_time"].timestamp() >= since}

    def passed_over() -> set[str]:
        return sent - verdicts(shop, since).keys() - {late["event_id"] for late in shop.topic(names.LATE_CLICKS_TOPIC)}

    eventually(lambda: not passed_over(), "a score for each payment and sign-in, or a word that it came late")
    said = verdicts(shop, since)
    assert {event: found for event, found in said.items() if len(set(found)) > 1} == {}
    late = sent - said.keys()
    print(f"{len(late)} of {len(sent)} payments and sign-ins came too late for the stream")
    assert len(late) <= len(sent) / 10


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
