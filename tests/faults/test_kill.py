"""kill -9 of each component while it works: every acknowledged event is in the lake exactly once, and the nightly run succeeds."""

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

# `make test` kills the components whose failed recovery would lose most; `make faults` kills all.
CORE = ("flink-taskmanager", "kafka", "nessie")
OTHERS = ("flink-jobmanager", "s3")
BATCH = ("spark-master", "spark-worker-1", "spark-connect", "airflow-scheduler")
RATE, SECONDS = 1500, 20
SMALL = ("--users", "2000", "--products", "500")
WITHOUT_FAULTS = ("--late", "0", "--out-of-order", "0", "--duplicates", "0")


def pid_of(shop: Shop, component: str) -> int:
    components = json.loads(shop.run("tools.localstack", "status", "--json", ok=False).stdout)["components"]
    return next(int(c["pid"] or 0) for c in components if c["name"] == component)


def kill(shop: Shop, component: str) -> None:
    """kill -9 of the component and of all its child processes."""
    main_process = psutil.Process(pid_of(shop, component))
    for process in [*main_process.children(recursive=True), main_process]:
        process.send_signal(signal.SIGKILL)


def is_restarted(shop: Shop, component: str, old_pid: int) -> bool:
    components = json.loads(shop.run("tools.localstack", "status", "--json", ok=False).stdout)["components"]
    return any(c["name"] == component and c["state"] == "up" and c["pid"] != old_pid for c in components)


def ledger_balances(shop: Shop, curated: bool = False) -> bool:
    options = ["--curated"] if curated else []
    return shop.run("tools.ledger", "check", *options, ok=False).returncode == 0


@pytest.fixture
def traffic(shop: Shop, request: pytest.FixtureRequest) -> "Iterator[subprocess.Popen[str]]":
    """A live shop in the background, with a seed of the test's own and the options of its parameter."""
    seed = str(zlib.crc32(request.node.name.encode()) % 100_000)
    options = ("--rate", str(RATE), "--seconds", str(SECONDS), "--seed", seed, *SMALL, *getattr(request, "param", ()))
    argv = [sys.executable, "-m", "tools.shop", "live", *options]
    process = subprocess.Popen(argv, cwd=ROOT, env=shop.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    yield process
    if process.poll() is None:
        process.kill()


def kill_during_traffic(traffic: "subprocess.Popen[str]", shop: Shop, component: str) -> None:
    """Kill the component in the middle of the traffic, and wait until the lake holds all acknowledged records."""
    before = end_offsets(shop.settings)
    eventually(lambda: end_offsets(shop.settings) != before, "the shop sends records")
    time.sleep(SECONDS / 2)
    old_pid = pid_of(shop, component)
    kill(shop, component)
    eventually(lambda: is_restarted(shop, component, old_pid), f"{component} is restarted")
    output, _ = traffic.communicate(timeout=240)
    assert traffic.returncode == 0, output
    shop.heal_streams()
    eventually(lambda: ledger_balances(shop), "the ledger balances", 300)


@pytest.mark.parametrize("component", [*CORE, *(pytest.param(component, marks=pytest.mark.long) for component in OTHERS)])
def test_a_killed_component_loses_and_duplicates_no_record(shop: Shop, traffic: "subprocess.Popen[str]", component: str) -> None:
    kill_during_traffic(traffic, shop, component)


def scores_by_event(shop: Shop, start: float) -> dict[str, list[str]]:
    """Returns the content of all scores of each event since `start` (seconds since 1970)."""
    scores = defaultdict(list)
    for score in shop.topic(names.FRAUD_SCORES_TOPIC):
        if score["event_time"] >= 1000 * start:
            content = [score[name] for name in ("score", "decision", "patterns", "reasons", "parts")]
            scores[score["event_id"]].append(json.dumps(content))
    return scores


@pytest.mark.long
@pytest.mark.parametrize("traffic", [("--attacks", "2", *WITHOUT_FAULTS)], indirect=True, ids=["attacked"])
def test_after_a_kill_of_the_taskmanager_every_event_is_scored_and_repeated_scores_are_equal(
    shop: Shop, traffic: "subprocess.Popen[str]"
) -> None:
    start = time.time()
    kill_during_traffic(traffic, shop, "flink-taskmanager")
    rows = shop.table("raw.clicks", columns=("event_id", "event_type", "event_time")).to_pylist()
    sent = {row["event_id"] for row in rows if row["event_type"] in rules().scored_events and row["event_time"].timestamp() >= start}

    def not_scored() -> set[str]:
        return sent - scores_by_event(shop, start).keys() - {late["event_id"] for late in shop.topic(names.LATE_CLICKS_TOPIC)}

    eventually(lambda: not not_scored(), "a score for each payment and login, or a record in the topic of late events")
    scores = scores_by_event(shop, start)
    assert {event: contents for event, contents in scores.items() if len(set(contents)) > 1} == {}
    late = sent - scores.keys()
    print(f"{len(late)} of {len(sent)} payments and logins were late for the stream")
    assert len(late) <= len(sent) / 10


@pytest.mark.long
@pytest.mark.parametrize("component", BATCH)
def test_a_nightly_run_succeeds_after_a_kill(shop: Shop, component: str) -> None:
    shop.run("tools.shop", "live", "--rate", "500", "--seconds", "4", "--seed", str(os.getpid()), *SMALL)
    day = (date.today() - timedelta(days=1)).isoformat()
    run_id = shop.trigger_nightly(day)
    eventually(lambda: shop.task_state(run_id, "curate") == "running", "curate is running")
    time.sleep(4)
    old_pid = pid_of(shop, component)
    kill(shop, component)
    eventually(lambda: is_restarted(shop, component, old_pid), f"{component} is restarted")
    shop.finish("clickstream_nightly", run_id)
    assert ledger_balances(shop, curated=True)
