"""What the stream did not judge the night judges as the oracle does, and only that."""

import json
import random
from collections.abc import Callable
from typing import Any

from clickstream_contracts.fraud_rules import rules
from tests.flink_apps.fraud_oracle import expected_parts
from tests.spark_apps.little_lake import LittleLake, at

KINDS = ["purchase", "payment_failed", "login", "login_failed", "view_item", "view_item", "profile_change", "page_view"]
PLACES = [(52.5, 13.4), (40.7, -74.0), (35.7, 139.7), (52.6, 13.3)]


def random_events(seed: int, count: int) -> list[dict[str, Any]]:
    """Two hours of few users, devices and cards around midnight, so that every pattern is met; no two at one moment."""
    rng = random.Random(seed)
    found = []
    for number, moment in enumerate(sorted(rng.sample(range(7_200_000), count))):
        minutes, milliseconds = divmod(moment + 23 * 3_600_000, 60_000)
        day, minutes = 2 + minutes // 1440, minutes % 1440
        latitude, longitude = rng.choice(PLACES)
        found.append(
            {
                "event_id": f"e{number:04d}",
                "event_type": rng.choice(KINDS),
                "event_time": f"{day} {minutes // 60:02d}:{minutes % 60:02d}:{milliseconds / 1000:.3f}",
                "session_id": f"s{rng.randint(1, 9)}",
                "user_id": rng.choice([None, *(f"u{n}" for n in range(6))]),
                "device_id": f"d{rng.randint(1, 4)}",
                "payment_token": rng.choice([None, *(f"c{n}" for n in range(5))]),
                "order_id": f"o{number}",
                "price": rng.choice(["5.00", "70.10", "250.00"]),
                "quantity": rng.randint(1, 3),
                "coupon": rng.choice([None, None, "WELCOME10", "SPRING"]),
                "latitude": latitude,
                "longitude": longitude,
            }
        )
    return found


def burst() -> list[dict[str, Any]]:
    """One user who looks at a product each second, then buys."""
    seen: list[dict[str, Any]] = [{"event_type": "view_item", "event_time": f"2 12:00:{n:02d}"} for n in range(59)]
    bought = {"event_type": "purchase", "event_time": "2 12:00:59", "price": "9.99", "quantity": 1}
    return [one | {"event_id": f"b{n}", "session_id": "bot", "device_id": "bot", "user_id": "bot"} for n, one in enumerate([*seen, bought])]


def for_oracle(event: dict[str, Any]) -> dict[str, Any]:
    nothing = dict.fromkeys(("user_id", "device_id", "payment_token", "order_id", "coupon", "latitude", "longitude"))
    price = {"price": float(event["price"])} if "price" in event else {}
    return nothing | event | price | {"event_time": round(at(event["event_time"]).timestamp() * 1000)}


def test_what_the_stream_missed_is_judged_as_the_oracle_judges_it(lake: LittleLake) -> None:
    events = random_events(7, 900) + burst()
    lake.send(*(dict(event) for event in events))
    expected = expected_parts([for_oracle(event) for event in events])
    by_stream = set(random.Random(1).sample(sorted(expected), len(expected) // 2)) - {"b59"}
    times = {event["event_id"]: at(event["event_time"]) for event in events}
    scores = [{"event_id": name, "event_time": times[name], "decision": "allow", "kafka_partition": 0} for name in sorted(by_stream)]
    lake.insert("raw.fraud_scores", *(one | {"kafka_offset": n, "ingested_at": at("9 00:00")} for n, one in enumerate(scores)))
    lake.night(day="2026-01-03")

    rows = {row.event_id: row for row in lake.table("marts.late_fraud_scores").collect()}
    found = {name: {k: v for k, v in json.loads(row.parts).items() if v > 0} for name, row in rows.items()}
    # A changed profile is judged by the stream for its alarm only; it has no score, there or here.
    assert found == {name: parts for name, parts in expected.items() if name not in by_stream}
    assert {pattern for parts in expected.values() for pattern in parts} == {pattern.name for pattern in rules().patterns}
    for name, row in rows.items():
        assert row.score == max(expected[name].values(), default=0)
        assert row.patterns == ",".join(p.name for p in rules().patterns if p.name in expected[name])
        assert row.decision == ("block" if row.score >= 0.8 else "review" if row.score >= 0.5 else "allow")
        assert bool(row.reasons) == bool(expected[name])
    assert rows["b59"].reasons == "11 events of this user in 10 s, limit 5; 59 products viewed by this device in 60 s, limit 30"
    total = lake.table("marts.fraud_daily").where("pattern = 'all'").selectExpr("sum(events)", "sum(late)").collect()[0]
    assert tuple(total) == (len(expected), len(rows))


def test_a_score_that_came_after_the_night_takes_the_place_of_the_nights(lake: LittleLake) -> None:
    buy = {"event_type": "purchase", "session_id": "s1", "price": "10.00", "quantity": 1}
    lake.send({"event_id": "a", "event_time": "2 10:00", **buy})
    lake.night(run="one")
    assert lake.rows("marts.late_fraud_scores", "event_id") == ["a"]
    place = {"kafka_partition": 0, "kafka_offset": 0, "ingested_at": at("9 00:00")}
    lake.insert("raw.fraud_scores", place | {"event_id": "a", "event_time": at("2 10:00"), "decision": "review", "patterns": "rapid_fire"})
    lake.send({"event_id": "b", "event_time": "3 10:00", **buy})
    lake.night(run="two", day="2026-01-03")
    daily = lake.rows("marts.fraud_daily", "pattern", "events", "late", "reviewed")
    assert daily == [("all", 1, 0, 1), ("all", 1, 1, 0), ("rapid_fire", 1, 0, 1)]


def test_the_night_of_another_order_of_arrival_judges_alike(new_lake: Callable[[], LittleLake]) -> None:
    events, contents = random_events(3, 200), []
    for number in (1, 2):
        lake = new_lake()
        random.Random(number).shuffle(events)
        lake.send(*(dict(event) for event in events))
        lake.night(day="2026-01-03")
        contents.append(lake.lake.contents({"late": lake.table("marts.late_fraud_scores")}))
    assert contents[0] == contents[1]
