"""fraud_scores over a simulated day and hand-made edge cases: its scores are those of the oracle."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clickstream_contracts.fraud_rules import rules
from flink_apps.fraud_scores.pipeline import STREAM as FRAUD_SCORES
from tests.flink_apps import fraud_cases
from tests.flink_apps.conftest import REPO
from tests.flink_apps.fraud_cases import NO_FIELDS, ids
from tests.flink_apps.fraud_oracle import MINUTE, SECOND, event_timestamp, expected_parts

STREAM = "fraud_scores"
TOOLS_PYTHON = REPO / ".venvs" / "tools" / "bin" / "python"
SHOP = ("--events", "20000", "--attacks", "2", "--seed", "5", "--until", "2026-01-05")
IN_ORDER = ("--late", "0", "--out-of-order", "0", "--duplicates", "0")
# After all events of the corpus, in milliseconds since 1970.
EDGE_CASES_START = 1_767_700_000_000

Row = dict[str, Any]
# By kind of result (scores, alerts, late), its rows.
Results = dict[str, list[Row]]


def event(event_id: str, event_type: str, offset: int, **fields: Any) -> Row:
    """A hand-made event, `offset` ms after EDGE_CASES_START."""
    return fraud_cases.event(event_id, event_type, EDGE_CASES_START + offset, **fields)


def purchase(event_id: str, offset: int, card: str) -> Row:
    fields = {"device_id": f"d-{event_id}", "payment_token": card, "order_id": f"o-{event_id}", "quantity": 1, "price": 9.5}
    return event(event_id, "purchase", offset, **fields)


VIENNA, NEW_YORK = {"latitude": 48.2, "longitude": 16.4}, {"latitude": 40.7, "longitude": -74}
PHONE_EVENTS = ("view_item", "add_to_cart", "view_item", "add_to_cart", "begin_checkout", "view_item")
BASKET_BUYER = {"user_id": "u-basket", "device_id": "d-basket"} | VIENNA
ORDERS_BUYER = {"user_id": "u-orders", "device_id": "d-orders"} | VIENNA
EDGE_CASES = [
    # The fifth order with a card is exactly one window after the first, or a millisecond more.
    *(purchase(f"in{i}", 0 if i == 0 else 10 * MINUTE - 4 + i, "edge-in") for i in range(5)),
    *(purchase(f"out{i}", 0 if i == 0 else 10 * MINUTE - 3 + i, "edge-out") for i in range(5)),
    # Events with the same timestamp are in each other's windows.
    *(event(f"same{i}", "login", 20 * MINUTE, user_id="u-same", device_id="d-same") for i in range(6)),
    # Events without a user and a device do not form an entity.
    *(event(f"nobody{i}", "login_failed", 21 * MINUTE + i) for i in range(12)),
    # A purchase without a quantity counts as one piece.
    *(event(f"piece{i}", "login_failed", 23 * MINUTE + i, user_id="u-piece", device_id="d-piece") for i in range(3)),
    event("piece3", "profile_change", 23 * MINUTE + 3, user_id="u-piece", device_id="d-piece"),
    purchase("piece4", 23 * MINUTE + 4, "edge-piece") | {"user_id": "u-piece", "device_id": "d-piece", "quantity": None, "price": 100.5},
    # An order that was delayed for a minute and arrives after the others with its card.
    *(purchase(f"slow{i}", 25 * MINUTE + i, "edge-slow") for i in range(4)),
    purchase("slow4", 25 * MINUTE - 55 * SECOND, "edge-slow") | {"arrived_ms": EDGE_CASES_START + 25 * MINUTE + 5 * SECOND},
    # A phone sends the events of a minute in one batch, then its user signs in.
    *(
        event(f"burst{i}", event_type, 26 * MINUTE + 6 * i * SECOND, user_id="u-burst", device_id="d-burst", **VIENNA)
        | {"arrived_ms": EDGE_CASES_START + 27 * MINUTE}
        for i, event_type in enumerate(PHONE_EVENTS)
    ),
    event("burst", "login", 27 * MINUTE, user_id="u-burst", device_id="d-burst", **VIENNA),
    # Two failed sign-ins, one of them sent twice, then a purchase on another device.
    *(event(f"again{i % 2}", "login_failed", 28 * MINUTE + i * SECOND, user_id="u-again", device_id="d-again", **VIENNA) for i in range(3)),
    purchase("again-bought", 28 * MINUTE + 9 * SECOND, "edge-again") | {"user_id": "u-again"} | VIENNA,
    # A user with two devices at home: one of them is then behind a network abroad ("roamer"), or a third device is abroad ("robbed").
    *(
        event(f"{user}{i}", "login", 29 * MINUTE + 10 * i * SECOND, user_id=f"u-{user}", device_id=f"d-{user}-{device}", **place)
        for user, third_device in (("roamer", "b"), ("robbed", "c"))
        for i, (device, place) in enumerate((("a", VIENNA), ("b", VIENNA), (third_device, NEW_YORK)))
    ),
    # One order of seven lines, and six orders of one line each, in three seconds.
    *(purchase(f"line{i}", 29 * MINUTE + 40 * SECOND, "edge-basket") | BASKET_BUYER | {"order_id": "basket"} for i in range(7)),
    *(purchase(f"order{i}", 29 * MINUTE + 40 * SECOND + 500 * i, f"edge-order{i}") | ORDERS_BUYER for i in range(6)),
    # A payment that its sender held back for 20 minutes.
    purchase("held", 0, "edge-held") | {"arrived_ms": EDGE_CASES_START + 29 * MINUTE + 50 * SECOND},
    *(purchase(f"held{i}", 29 * MINUTE + 40 * SECOND + i, "edge-held") for i in range(4)),
    # The last events before the end of the file.
    *(event(f"end{i}", "login", 30 * MINUTE + i * SECOND, user_id="u-end", device_id="d-end") for i in range(6)),
]

CASES_START = EDGE_CASES_START + 31 * MINUTE
ATTACKS, GOOD_CUSTOMERS = fraud_cases.attacks(CASES_START), fraud_cases.good_customers(CASES_START)
CASES = [row for rows in (*ATTACKS.values(), *GOOD_CUSTOMERS.values()) for row in rows]

# Records that are no valid clicks: not scored here, in quarantine in the lake.
INVALID: dict[str, dict[str, Any]] = {
    "negative quantity": {"quantity": -3},
    "price is no number": {"price": "cheap"},
    "price too large": {"price": 1e300},
    "another version": {"schema_version": 99},
    "no session": {"session_id": None},
    "empty session": {"session_id": ""},
    "too long": {"search_query": "x" * 5000},
    "time is no number": {"event_time": "yesterday"},
    "too far in the future": {"event_time": EDGE_CASES_START + 3 * 24 * 60 * MINUTE},
    "too early": {"event_time": 5},
    "latitude out of range": {"latitude": 91},
}
INVALID_LINES = [
    '{"event_id": "cut short", "event_ty',
    "[1, 2]",
    *(json.dumps(purchase(name, 31 * MINUTE, "card-of-invalid-events") | fields) for name, fields in INVALID.items()),
]


@pytest.fixture(scope="module")
def events_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus, the edge cases in order of arrival, and the invalid lines."""
    folder = tmp_path_factory.mktemp("corpus")
    subprocess.run([str(TOOLS_PYTHON), "-m", "tools.shop", "corpus", "--out", str(folder), *SHOP, *IN_ORDER], check=True, cwd=REPO)
    path = folder / "events.json"
    with path.open("a") as file:
        file.writelines(json.dumps(edge_case) + "\n" for edge_case in sorted([*EDGE_CASES, *CASES], key=lambda row: row["arrived_ms"]))
        file.writelines(line + "\n" for line in INVALID_LINES)
    return path


@pytest.fixture(scope="module")
def results(events_file: Path, flink_environment: dict[str, str]) -> Results:
    command = [sys.executable, "-m", "flink_apps.fraud_scores.from_file", str(events_file), str(events_file.parent)]
    process = subprocess.run(command, env=flink_environment, capture_output=True, text=True, timeout=600, check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    return {name: json_lines(events_file.parent / name) for name in ("scores", "alerts", "late")}


@pytest.fixture(scope="module")
def score(results: Results) -> dict[str, float]:
    """By event id, its score."""
    return {row["event_id"]: row["score"] for row in results["scores"]}


def json_lines(folder: Path) -> list[Row]:
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.exists() else []
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def valid_events(path: Path) -> list[Row]:
    rows = [json.loads(line) for line in path.read_text().splitlines()[: -len(INVALID_LINES)]]
    return [NO_FIELDS | {key: value for key, value in row.items() if key != "product_id"} for row in rows]


def test_the_parts_of_every_score_are_those_of_the_oracle(events_file: Path, results: Results) -> None:
    expected = expected_parts(valid_events(events_file))
    parts = {row["event_id"]: {name: part for name, part in row["parts"].items() if part > 0} for row in results["scores"]}
    assert len(parts) > 400 + len(CASES) // 2
    assert results["late"] == []
    assert parts == expected


def test_records_that_are_no_valid_clicks_have_no_result(results: Results) -> None:
    assert INVALID.keys() & {row["event_id"] for rows in results.values() for row in rows} == set()


def test_an_event_at_the_edge_of_a_window_is_in_the_window(score: dict[str, float]) -> None:
    assert score["in4"] == 0.8
    assert score["out4"] == 0.4
    assert score["same0"] == score["end5"] == 0.6
    assert score["end4"] == score["nobody11"] == 0


def test_a_missing_quantity_counts_as_one_piece(results: Results, score: dict[str, float]) -> None:
    assert score["piece4"] == 0.9
    assert [row["amount"] for row in results["scores"] if row["event_id"] == "piece4"] == [100.5]


def test_a_delayed_server_event_counts_from_its_arrival(score: dict[str, float]) -> None:
    assert (score["slow3"], score["slow4"]) == (0.4, 0.8)


def test_clicks_sent_in_one_batch_are_no_rapid_fire_and_a_repeated_event_counts_once(results: Results, score: dict[str, float]) -> None:
    assert (score["burst"], score["again-bought"]) == (0, 0)
    assert not [alert for alert in results["alerts"] if alert["entity"] in ("u-burst", "u-again")]


def test_the_lines_of_one_order_are_no_rapid_fire_and_many_orders_are(results: Results, score: dict[str, float]) -> None:
    assert [score[f"line{i}"] for i in range(7)] == [0] * 7
    assert (score["order4"], score["order5"]) == (0, 0.6)
    assert [alert["entity"] for alert in results["alerts"] if alert["entity"] in ("u-basket", "u-orders")] == ["u-orders"]


def test_a_known_device_behind_a_network_abroad_is_no_impossible_travel(score: dict[str, float]) -> None:
    assert (score["roamer2"], score["robbed2"]) == (0, 0.7)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_flagged(name: str, results: Results) -> None:
    scores = [row["event_id"] for row in results["scores"] if row["decision"] != "allow"]
    alerts = [row["event_id"] for row in results["alerts"]]
    assert ids(ATTACKS[name]) & set(scores)
    assert ids(ATTACKS[name]) & set(alerts)


@pytest.mark.parametrize("name", GOOD_CUSTOMERS)
def test_a_good_customer_is_not_flagged(name: str, results: Results, score: dict[str, float]) -> None:
    customer = ids(GOOD_CUSTOMERS[name])
    assert {event_id: score[event_id] for event_id in customer & score.keys() if score[event_id] >= rules().review_from} == {}
    assert [row["reason"] for row in results["alerts"] if row["event_id"] in customer] == []


def test_a_late_payment_is_judged_at_its_arrival_and_marked(results: Results) -> None:
    held = [row for row in results["scores"] if row["event_id"] == "held"]
    assert [(row["score"], row["is_late"]) for row in held] == [(0.8, True)]
    assert {row["event_id"]: row["is_late"] for row in results["alerts"] if row["entity"] == "edge-held"} == {"held": True}
    assert {row["event_id"] for row in results["scores"] if row["is_late"]} == {"held"}


def test_a_score_has_its_patterns_reasons_decision_and_rule_version(results: Results) -> None:
    row = next(row for row in results["scores"] if row["event_id"] == "in4")
    assert row["reasons"] == "5 purchases with this card in 10 min, limit 4"
    assert row["patterns"] == "card_velocity"
    assert row["decision"] == "block"
    assert row["rule_version"] == rules().version


def test_one_attack_raises_at_most_one_alert_for_each_decision(results: Results) -> None:
    alerts = [(row["pattern"], row["entity"], row["decision"]) for row in results["alerts"]]
    assert len(alerts) == len(set(alerts)) == len({row["alert_id"] for row in results["alerts"]})
    assert [row["event_id"] for row in results["alerts"] if row["entity"] == "u-same"] == ["same0"]
    assert {row["pattern"] for row in results["alerts"]} == {pattern.name for pattern in rules().patterns}


START_WITHOUT_STATE = """
import sys
from pathlib import Path
from flink_apps.fraud_scores import from_file
from_file.score(Path(sys.argv[1]), Path(sys.argv[2]), emit_from=int(sys.argv[3]))
"""


def test_a_start_without_state_gives_the_scores_and_alerts_of_a_job_that_has_always_run(
    events_file: Path, results: Results, flink_environment: dict[str, str], tmp_path: Path
) -> None:
    events = valid_events(events_file)
    timestamps = {event["event_id"]: event_timestamp(event) for event in events}
    emit_from = sorted(timestamps[row["event_id"]] for row in results["alerts"])[len(results["alerts"]) // 2]
    assert FRAUD_SCORES.look_back_seconds is not None
    read_from = emit_from - 1000 * (FRAUD_SCORES.look_back_seconds - FRAUD_SCORES.emit_seconds)
    file = tmp_path / "events.json"
    file.write_text("".join(json.dumps(event) + "\n" for event in events if event["arrived_ms"] >= read_from))
    command = [sys.executable, "-c", START_WITHOUT_STATE, str(file), str(tmp_path), str(emit_from)]
    process = subprocess.run(command, env=flink_environment, capture_output=True, text=True, timeout=600, check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    for name, key, when in (("scores", "event_id", "scored_at"), ("alerts", "alert_id", "raised_at")):
        expected = {row[key]: row | {when: ""} for row in results[name] if timestamps[row["event_id"]] >= emit_from}
        assert {row[key]: row | {when: ""} for row in json_lines(tmp_path / name)} == expected
        assert len(expected) > 10
    assert {row["decision"] for row in json_lines(tmp_path / "scores")} == {"allow", "review", "block"}


def test_the_plan_has_no_python_operator_and_reads_the_topic_once(plan: str) -> None:
    assert "Python" not in plan
    assert plan.count("Sink(") == 3
    assert plan.count("table=[[default_catalog, default_database, records,") == 1


def test_the_watermark_is_evaluated_once_above_both_sources(plan: str) -> None:
    """Two operators would see the watermark at two moments, and an event could be late for neither of them or for both."""
    calc, correlate, union = plan.strip().splitlines()[:3]
    assert plan.count("CURRENT_WATERMARK(") == calc.count("CURRENT_WATERMARK(") == 1
    assert ("Correlate(" in correlate, "Union(" in union) == (True, True)
    assert plan.count("default_database, ticks]") == 1
    [shared] = re.findall(r"\(reuse_id=\[(\d+)\]\)", calc)
    late = plan.partition("Sink(table=[default_catalog.default_database.late_events]")[2]
    assert f"Reused(reference_id=[{shared}])" in late
    assert plan.count(f"Reused(reference_id=[{shared}])") == 2
