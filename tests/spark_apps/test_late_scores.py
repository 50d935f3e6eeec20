"""The nightly run scores the events that the stream has not scored, as the reference implementation does, and no others."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from clickstream_contracts.fraud_rules import rules
from spark_apps.marts import late_scores
from tests.flink_apps import fraud_cases
from tests.flink_apps.fraud_oracle import expected_parts
from tests.spark_apps.local_lake import FIRST_ARRIVAL, LocalLake, at

EVENT_TYPES = ["purchase", "payment_failed", "login", "login_failed", "view_item", "view_item", "profile_change", "page_view"]
LOCATIONS = [(52.5, 13.4), (40.7, -74.0), (35.7, 139.7), (52.6, 13.3)]


def random_events(seed: int, count: int) -> list[dict[str, Any]]:
    """Returns two hours of few users, devices and cards around midnight, so that every pattern occurs; no two at the same time."""
    rng = random.Random(seed)
    events = []
    for number, moment in enumerate(sorted(rng.sample(range(7_200_000), count))):
        minutes, milliseconds = divmod(moment + 23 * 3_600_000, 60_000)
        day, minutes = 2 + minutes // 1440, minutes % 1440
        latitude, longitude = rng.choice(LOCATIONS)
        events.append(
            {
                "event_id": f"e{number:04d}",
                "event_type": rng.choice(EVENT_TYPES),
                "event_time": f"{day} {minutes // 60:02d}:{minutes % 60:02d}:{milliseconds / 1000:.3f}",
                "session_id": f"s{rng.randint(1, 9)}",
                "user_id": rng.choice([None, *(f"u{n}" for n in range(6))]),
                "device_id": f"d{rng.randint(1, 4)}",
                "payment_token": rng.choice([None, *(f"c{n}" for n in range(5))]),
                "order_id": f"o{number}",
                "price": rng.choice(["5.00", "70.10", "250.00"]),
                "quantity": rng.choice([None, 1, 2, 3]),
                "coupon": rng.choice([None, None, "WELCOME10", "SPRING"]),
                "latitude": latitude,
                "longitude": longitude,
            }
        )
    return events


def burst() -> list[dict[str, Any]]:
    """Returns the events of one user who views a product each second, then buys."""
    views: list[dict[str, Any]] = [{"event_type": "view_item", "event_time": f"2 12:00:{n:02d}"} for n in range(59)]
    purchase = {"event_type": "purchase", "event_time": "2 12:00:59", "price": "9.99", "quantity": 1}
    ids = {"session_id": "bot", "device_id": "bot", "user_id": "bot"}
    return [event | ids | {"event_id": f"b{n}"} for n, event in enumerate([*views, purchase])]


def attacks() -> list[dict[str, Any]]:
    """Returns the smaller ones of the hand-made attacks, without a currency, as the other events of these days."""
    start = round(at("2 03:00").timestamp() * 1000)
    rows = [row for events in fraud_cases.attacks(start).values() if len(events) < 60 for row in events]
    rows += [row for row in fraud_cases.attacks(start)["credential stuffing"] if int(row["event_id"].removeprefix("stuff")) < 60]
    return [
        {name: value for name, value in row.items() if value is not None and name not in ("arrived_ms", "currency")} | _texts(row)
        for row in rows
    ]


def _texts(row: dict[str, Any]) -> dict[str, str]:
    """Returns the time and the price as LocalLake.send reads them."""
    seconds, milliseconds = divmod(row["event_time"] - round(at("2 00:00").timestamp() * 1000), 1000)
    price = {"price": f"{row['price']:.2f}"} if row["price"] else {}
    return {"event_time": f"2 {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60 + milliseconds / 1000:06.3f}"} | price


def decision(score: float) -> str:
    if score >= 0.8:
        return "block"
    return "review" if score >= 0.5 else "allow"


def for_oracle(event: dict[str, Any]) -> dict[str, Any]:
    price = {"price": float(event["price"])} if event.get("price") else {}
    return fraud_cases.NO_FIELDS | event | price | {"event_time": round(at(event["event_time"]).timestamp() * 1000)}


def test_events_without_a_score_are_scored_as_by_the_oracle(lake: LocalLake) -> None:
    events = random_events(7, 900) + burst() + attacks()
    lake.send(*(dict(event) for event in events))
    expected = expected_parts([for_oracle(event) for event in events])
    scored_by_stream = set(random.Random(1).sample(sorted(expected), len(expected) // 2)) - {"b59"}
    times = {event["event_id"]: at(event["event_time"]) for event in events}
    stream_scores = [
        {"event_id": event_id, "event_time": times[event_id], "decision": "allow"}
        | {"kafka_partition": 0, "kafka_offset": offset, "ingested_at": at("70 00:00")}
        for offset, event_id in enumerate(sorted(scored_by_stream))
    ]
    lake.insert("raw.fraud_scores", *stream_scores)
    lake.nightly(day="2026-01-03")

    rows = {row.event_id: row for row in lake.table("marts.late_fraud_scores").collect()}
    parts = {event_id: {name: part for name, part in json.loads(row.parts).items() if part > 0} for event_id, row in rows.items()}
    # profile_change is not in `expected`: the stream evaluates it only for its alert, so neither engine scores it.
    assert parts == {event_id: expected_part for event_id, expected_part in expected.items() if event_id not in scored_by_stream}
    assert {pattern for expected_part in expected.values() for pattern in expected_part} == {pattern.name for pattern in rules().patterns}
    for event_id, row in rows.items():
        assert row.score == max(expected[event_id].values(), default=0)
        assert row.patterns == ",".join(pattern.name for pattern in rules().patterns if pattern.name in expected[event_id])
        assert row.decision == decision(row.score)
        assert bool(row.reasons) == bool(expected[event_id])
    assert rows["b59"].reasons == "11 events of this user in 10 s, limit 5; 59 products viewed by this device in 60 s, limit 30"
    counts = lake.table("marts.fraud_daily").where("pattern = 'all'").selectExpr("sum(events)", "sum(late)").collect()[0]
    assert tuple(counts) == (len(expected), len(rows))


def test_a_later_score_of_the_stream_replaces_that_of_the_nightly_run(lake: LocalLake) -> None:
    purchase = {"event_type": "purchase", "session_id": "s1", "price": "10.00", "quantity": 1}
    lake.send({"event_id": "a", "event_time": "2 10:00", **purchase})
    lake.publish_unaudited(run="one")
    assert lake.rows("marts.late_fraud_scores", "event_id") == ["a"]
    kafka = {"kafka_partition": 0, "kafka_offset": 0, "ingested_at": at("70 00:00")}
    lake.insert("raw.fraud_scores", kafka | {"event_id": "a", "event_time": at("2 10:00"), "decision": "review", "patterns": "rapid_fire"})
    lake.send({"event_id": "b", "event_time": "3 10:00", **purchase})
    lake.nightly(run="two", day="2026-01-03")
    daily = lake.rows("marts.fraud_daily", "pattern", "events", "late", "reviewed")
    assert daily == [("all", 1, 0, 1), ("all", 1, 1, 0), ("rapid_fire", 1, 0, 1)]


def test_an_event_whose_repeat_on_another_day_was_scored_is_not_scored_again(lake: LocalLake) -> None:
    purchase = {"event_id": "a", "event_type": "purchase", "session_id": "s1", "price": "10.00", "quantity": 1}
    lake.send({"event_time": "2 10:00", **purchase}, {"event_time": "4 10:00", **purchase})
    arrived = {"kafka_partition": 0, "kafka_offset": 0, "ingested_at": FIRST_ARRIVAL + timedelta(seconds=2)}
    lake.insert(
        "raw.fraud_scores", arrived | {"event_id": "a", "event_time": at("4 10:00"), "decision": "review", "patterns": "rapid_fire"}
    )
    lake.publish_unaudited(run="one", day="2026-01-04")
    assert lake.rows("curated.events", "event_day") == [at("2 00:00").date()]
    assert lake.rows("marts.late_fraud_scores", "event_id") == []
    assert {str(day) for day in lake.rows("marts.fraud_daily", "day")} == {"2026-01-04"}


def test_a_pattern_can_count_the_events_of_a_session(lake: LocalLake, monkeypatch: pytest.MonkeyPatch) -> None:
    rapid_fire, *others = rules().patterns
    rules_by_session = replace(rules(), patterns=(replace(rapid_fire, entity="session_id"), *others))
    monkeypatch.setattr(late_scores, "rules", lambda: rules_by_session)
    logins = [{"event_id": f"e{n}", "event_type": "login", "event_time": f"2 10:00:0{n}", "session_id": "s1"} for n in range(6)]
    lake.send(*logins)
    lake.recompute()
    scores = dict(lake.rows("marts.late_fraud_scores", "event_id", "score"))
    assert (scores["e4"], scores["e5"]) == (0, 0.6)


@pytest.mark.long
def test_scores_do_not_depend_on_the_order_of_arrival(new_lake: Callable[[], LocalLake]) -> None:
    events, contents = random_events(3, 200), []
    for seed in (1, 2):
        lake = new_lake()
        random.Random(seed).shuffle(events)
        lake.send(*(dict(event) for event in events))
        lake.nightly(day="2026-01-03")
        contents.append(lake.lake.contents({"late": lake.table("marts.late_fraud_scores")}))
    assert contents[0] == contents[1]
