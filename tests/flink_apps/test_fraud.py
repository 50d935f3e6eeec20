"""fraud_scores over a labelled file and over hand-made edges: what the job says of every event is what the oracle says."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clickstream_contracts.fraud_rules import rules
from tests.flink_apps.conftest import REPO
from tests.flink_apps.fraud_oracle import MINUTE, SECOND, judge

STREAM = "fraud_scores"
TOOLS = REPO / ".venvs" / "tools" / "bin" / "python"
CORPUS = (
    "--events",
    "20000",
    "--attacks",
    "2",
    "--seed",
    "5",
    "--until",
    "2026-01-05",
    "--late",
    "0",
    "--out-of-order",
    "0",
    "--duplicates",
    "0",
)
LATER = 1_767_700_000_000

EMPTY = dict.fromkeys(
    ("user_id", "device_id", "product_id", "quantity", "price", "order_id", "payment_token", "coupon", "latitude", "longitude")
)


def event(name: str, kind: str, at: int, **fields: Any) -> dict[str, Any]:
    """A hand-made event some milliseconds after LATER."""
    moment = {"event_time": LATER + at, "arrived_ms": LATER + at}
    return EMPTY | {"event_id": name, "event_type": kind, "session_id": "s", "schema_version": 1} | moment | fields


def paid(name: str, at: int, card: str) -> dict[str, Any]:
    return event(name, "purchase", at, device_id=f"d-{name}", payment_token=card, order_id=f"o-{name}", quantity=1, price=9.5)


HERE, THERE = {"latitude": 48.2, "longitude": 16.4}, {"latitude": 40.7, "longitude": -74}
EDGES = [
    # the fifth order lies exactly at the window's edge, or a millisecond beyond it
    *(paid(f"in{i}", 0 if i == 0 else 10 * MINUTE - 4 + i, "edge-in") for i in range(5)),
    *(paid(f"out{i}", 0 if i == 0 else 10 * MINUTE - 3 + i, "edge-out") for i in range(5)),
    # equal timestamps see one another
    *(event(f"same{i}", "login", 20 * MINUTE, user_id="u-same", device_id="d-same") for i in range(6)),
    # nobody's device and nobody's user are no one entity
    *(event(f"nobody{i}", "login_failed", 21 * MINUTE + i) for i in range(12)),
    # an order that was held up for a minute, and arrives when the others with its card have
    *(paid(f"slow{i}", 25 * MINUTE + i, "edge-slow") for i in range(4)),
    paid("slow4", 25 * MINUTE - 55 * SECOND, "edge-slow") | {"arrived_ms": LATER + 25 * MINUTE + 5 * SECOND},
    # a phone sends at once what was clicked within the minute before, then its user signs in
    *(
        event(f"burst{i}", kind, 26 * MINUTE + 6 * i * SECOND, user_id="u-burst", device_id="d-burst", **HERE)
        | {"arrived_ms": LATER + 27 * MINUTE}
        for i, kind in enumerate(("view_item", "add_to_cart", "view_item", "add_to_cart", "begin_checkout", "view_item"))
    ),
    event("burst", "login", 27 * MINUTE, user_id="u-burst", device_id="d-burst", **HERE),
    # two sign-ins failed, one of them is sent again, and another device buys
    *(event(f"again{i % 2}", "login_failed", 28 * MINUTE + i * SECOND, user_id="u-again", device_id="d-again", **HERE) for i in range(3)),
    paid("again-bought", 28 * MINUTE + 9 * SECOND, "edge-again") | {"user_id": "u-again"} | HERE,
    # at home on both devices, one of which is a minute later behind a network abroad; and a stranger abroad on a third
    *(
        event(f"{user}{i}", "login", 29 * MINUTE + 10 * i * SECOND, user_id=f"u-{user}", device_id=f"d-{user}-{device}", **place)
        for user, third in (("roamer", "b"), ("robbed", "c"))
        for i, (device, place) in enumerate((("a", HERE), ("b", HERE), (third, THERE)))
    ),
    # the last events before the end: a user who fires, then silence
    *(event(f"end{i}", "login", 30 * MINUTE + i * SECOND, user_id="u-end", device_id="d-end") for i in range(6)),
]

# What is no click is passed over here, and kept by the lake's quarantine.
AFTER = 31 * MINUTE
WRONG: dict[str, dict[str, Any]] = {
    "below": {"quantity": -3},
    "no number": {"price": "cheap"},
    "endless": {"price": 1e300},
    "another version": {"schema_version": 99},
    "no session": {"session_id": None},
    "empty session": {"session_id": ""},
    "too long": {"search_query": "x" * 5000},
    "no time": {"event_time": "yesterday"},
    "too late": {"event_time": LATER + 3 * 24 * 60 * MINUTE},
    "too early": {"event_time": 5},
    "no place": {"latitude": 91},
}
TRASH = [
    '{"event_id": "torn", "event_ty',
    "[1, 2]",
    *(json.dumps(paid(name, AFTER, "card-of-trash") | fields) for name, fields in WRONG.items()),
]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    subprocess.run([str(TOOLS), "-m", "tools.shop", "corpus", "--out", str(folder), *CORPUS], check=True, cwd=REPO)
    path = folder / "events.json"
    with path.open("a") as file:
        file.writelines(json.dumps(one) + "\n" for one in sorted(EDGES, key=lambda one: one["arrived_ms"]))
        file.writelines(line + "\n" for line in TRASH)
    return path


@pytest.fixture(scope="module")
def judged(events: Path, flink_environment: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    command = [sys.executable, "-m", "flink_apps.fraud_file", str(events), str(events.parent)]
    done = subprocess.run(command, env=flink_environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: lines(events.parent / name) for name in ("scores", "alerts", "late")}


def lines(folder: Path) -> list[dict[str, Any]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.exists() else []
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def read(path: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()[: -len(TRASH)]]
    return [EMPTY | {key: value for key, value in one.items() if key != "product_id"} for one in found]


def test_every_event_is_judged_as_the_oracle_judges_it(events: Path, judged: dict[str, list[dict[str, Any]]]) -> None:
    expected = judge(read(events))
    found = {s["event_id"]: {name: part for name, part in s["parts"].items() if part > 0} for s in judged["scores"]}
    assert len(found) > 400
    assert judged["late"] == []
    assert found == expected


def test_nobody_is_judged_for_a_record_that_is_no_event(judged: dict[str, list[dict[str, Any]]]) -> None:
    assert WRONG.keys() & {one["event_id"] for found in judged.values() for one in found} == set()


def test_the_edge_of_a_window_belongs_to_it(judged: dict[str, list[dict[str, Any]]]) -> None:
    score = {s["event_id"]: s["score"] for s in judged["scores"]}
    assert score["in4"] == 0.8
    assert score["out4"] == 0.4
    assert score["same0"] == score["end5"] == 0.6
    assert score["end4"] == score["nobody11"] == 0


def test_what_was_held_up_for_a_minute_is_judged_as_it_comes(judged: dict[str, list[dict[str, Any]]]) -> None:
    score = {s["event_id"]: s["score"] for s in judged["scores"]}
    assert (score["slow3"], score["slow4"]) == (0.4, 0.8)


def test_clicks_that_come_at_once_are_no_rapid_fire_and_what_is_sent_again_counts_once(judged: dict[str, list[dict[str, Any]]]) -> None:
    score = {s["event_id"]: s["score"] for s in judged["scores"]}
    assert (score["burst"], score["again-bought"]) == (0, 0)
    assert not [alert for alert in judged["alerts"] if alert["entity"] in ("u-burst", "u-again")]


def test_a_device_behind_a_network_abroad_is_no_stranger(judged: dict[str, list[dict[str, Any]]]) -> None:
    score = {s["event_id"]: s["score"] for s in judged["scores"]}
    assert (score["roamer2"], score["robbed2"]) == (0, 0.7)


def test_a_score_says_why(judged: dict[str, list[dict[str, Any]]]) -> None:
    one = next(s for s in judged["scores"] if s["event_id"] == "in4")
    assert one["reasons"] == "5 purchases with this card in 10 min, limit 4"
    assert one["patterns"] == "card_velocity"
    assert one["decision"] == "block"
    assert one["rule_version"] == rules().version


def test_one_attack_raises_at_most_one_alert_for_each_decision(judged: dict[str, list[dict[str, Any]]]) -> None:
    raised = [(a["pattern"], a["entity"], a["decision"]) for a in judged["alerts"]]
    assert len(raised) == len(set(raised)) == len({a["alert_id"] for a in judged["alerts"]})
    assert [a["event_id"] for a in judged["alerts"] if a["entity"] == "u-same"] == ["same0"]
    assert {a["pattern"] for a in judged["alerts"]} == {pattern.name for pattern in rules().patterns}


def test_no_python_operator_is_on_the_way(plan: str) -> None:
    assert "Python" not in plan
    assert plan.count("Sink(") == 3
    assert plan.count("table=[[default_catalog, default_database, records,") == 1


def test_lateness_is_asked_once_behind_both_clocks(plan: str) -> None:
    """Two askers would hear of the watermark at two moments, and an event could be late for none of them or for both."""
    asker, correlate, union = plan.strip().splitlines()[:3]
    assert plan.count("CURRENT_WATERMARK(") == asker.count("CURRENT_WATERMARK(") == 1
    assert ("Correlate(" in correlate, "Union(" in union) == (True, True)
    assert plan.count("default_database, ticks]") == 1
    [shared] = re.findall(r"\(reuse_id=\[(\d+)\]\)", asker)
    late = plan.partition("Sink(table=[default_catalog.default_database.late]")[2]
    assert f"Reused(reference_id=[{shared}])" in late
    assert plan.count(f"Reused(reference_id=[{shared}])") == 2
