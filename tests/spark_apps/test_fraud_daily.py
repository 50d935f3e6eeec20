"""marts.fraud_daily counts each event and each alert once, by its first arrival, on the day of the event."""

from decimal import Decimal
from typing import Any

from spark_apps.audits import app as audits
from tests.spark_apps.local_lake import LocalLake, at

OFFSETS = iter(range(10_000))


def kafka_columns() -> dict[str, Any]:
    return {"kafka_partition": 0, "kafka_offset": next(OFFSETS), "ingested_at": at("70 00:00")}


def score(event_id: str, when: str, decision: str, patterns: str, **more: Any) -> dict[str, Any]:
    result = {"event_id": event_id, "event_time": at(when), "decision": decision, "patterns": patterns}
    return kafka_columns() | result | {"event_type": "purchase", "amount": 10.1} | more


def alert(alert_id: str, when: str, pattern: str, entity: str, **more: Any) -> dict[str, Any]:
    columns = {"alert_id": alert_id, "event_time": at(when), "pattern": pattern, "entity_type": "user_id", "entity": entity}
    return kafka_columns() | columns | more


def fraud_daily(lake: LocalLake) -> dict[tuple[str, str], tuple[Any, ...]]:
    columns = ("string(day)", "pattern", "alerts", "entities", "events", "reviewed", "blocked", "amount_blocked")
    rows = lake.table("marts.fraud_daily").selectExpr(*columns).collect()
    return {(day, pattern): tuple(counts) for day, pattern, *counts in rows}


def test_each_event_and_each_alert_counts_once_on_its_day(lake: LocalLake) -> None:
    lake.send({"event_id": "x", "event_type": "page_view", "event_time": "2 10:00", "session_id": "s"})
    lake.insert(
        "raw.fraud_scores",
        score("a", "2 10:00", "block", "card_testing,rapid_fire"),
        score("b", "2 11:00", "block", "card_testing", event_type="login"),
        score("c", "2 23:59:59.999", "review", "rapid_fire"),
        score("d", "3 00:00", "allow", ""),
        # Written twice after a restart of the stream, and once more by other rules: the first arrival counts.
        score("a", "2 10:00", "block", "card_testing,rapid_fire"),
        score("a", "2 10:00", "allow", "", ingested_at=at("70 00:01")),
        {"kafka_partition": 1, "kafka_offset": 0, "ingested_at": at("70 00:00"), "payload": bytearray(b"not json")},
    )
    lake.insert(
        "raw.fraud_alerts",
        alert("1", "2 10:00", "card_testing", "u1"),
        alert("2", "2 10:01", "rapid_fire", "u1"),
        alert("3", "2 10:02", "rapid_fire", "u2"),
        alert("3", "2 10:02", "rapid_fire", "u2"),
        # The alert of an event without a score: it is neither a payment nor a sign-in.
        alert("4", "4 10:00", "scraping_bot", "d1", entity_type="device_id"),
    )
    lake.nightly()
    assert fraud_daily(lake) == {
        ("2026-01-02", "all"): (3, 2, 3, 1, 2, Decimal("10.10")),
        ("2026-01-02", "card_testing"): (1, 1, 2, 0, 2, Decimal("10.10")),
        ("2026-01-02", "rapid_fire"): (2, 2, 2, 1, 1, Decimal("10.10")),
        ("2026-01-03", "all"): (0, 0, 1, 0, 0, Decimal("0.00")),
        ("2026-01-04", "all"): (1, 1, 0, 0, 0, Decimal("0.00")),
        ("2026-01-04", "scraping_bot"): (1, 1, 0, 0, 0, Decimal("0.00")),
    }


def test_scores_that_reach_the_lake_late_are_counted_by_the_next_run(lake: LocalLake) -> None:
    lake.send({"event_id": "x", "event_type": "page_view", "event_time": "2 10:00", "session_id": "s"})
    lake.insert("raw.fraud_scores", score("a", "2 10:00", "allow", ""))
    lake.publish_unaudited(run="one", day="2026-01-02")
    lake.send({"event_id": "y", "event_type": "page_view", "event_time": "3 10:00", "session_id": "s"})
    lake.insert("raw.fraud_scores", score("b", "2 10:01", "review", "rapid_fire"))
    lake.nightly(run="two", day="2026-01-03")
    assert fraud_daily(lake)["2026-01-02", "all"] == (0, 0, 2, 1, 0, Decimal("0.00"))


def test_a_payment_and_an_alert_that_are_sent_again_with_another_day_count_on_the_day_of_the_first_arrival(lake: LocalLake) -> None:
    lake.send({"event_id": "a", "event_type": "purchase", "event_time": "2 23:59:58", "session_id": "s"})
    lake.send({"event_id": "a", "event_type": "purchase", "event_time": "3 00:00:03", "session_id": "s"})
    lake.insert("raw.fraud_scores", score("a", "2 23:59:58", "allow", ""), score("a", "3 00:00:03", "review", "rapid_fire"))
    lake.insert("raw.fraud_alerts", alert("1", "2 23:59:58", "rapid_fire", "u1"), alert("1", "3 00:00:03", "rapid_fire", "u1"))
    lake.publish_unaudited(run="one", day="2026-01-03")
    expected = {
        ("2026-01-02", "all"): (1, 1, 1, 0, 0, Decimal("0.00")),
        ("2026-01-02", "rapid_fire"): (1, 1, 0, 0, 0, Decimal("0.00")),
    }
    assert fraud_daily(lake) == expected
    lake.send({"event_id": "x", "event_type": "page_view", "event_time": "4 10:00", "session_id": "s"})
    lake.nightly(run="two", day="2026-01-04")
    assert fraud_daily(lake) == expected


def test_a_late_score_gives_way_to_the_score_of_the_stream_on_another_day(lake: LocalLake) -> None:
    lake.send({"event_id": "a", "event_type": "purchase", "event_time": "2 10:00", "session_id": "s"})
    lake.publish_unaudited(run="one", day="2026-01-02")
    assert fraud_daily(lake) == {("2026-01-02", "all"): (0, 0, 1, 0, 0, Decimal("0.00"))}
    lake.send({"event_id": "a", "event_type": "purchase", "event_time": "4 10:00", "session_id": "s"})
    lake.insert("raw.fraud_scores", score("a", "4 10:00", "block", ""))
    lake.nightly(run="two", day="2026-01-04")
    assert fraud_daily(lake) == {("2026-01-04", "all"): (0, 0, 1, 0, 1, Decimal("10.10"))}


def test_the_audit_compares_the_day_of_the_first_arrival(lake: LocalLake) -> None:
    lake.send({"event_id": "a", "event_type": "purchase", "event_time": "2 10:00", "session_id": "s"})
    lake.insert("raw.fraud_scores", score("a", "2 10:00", "allow", ""), score("a", "3 10:00", "allow", ""))
    lake.nightly(run="one", day="2026-01-02")
    # The same number of rows on the day of the second arrival.
    wrong = lake.table("marts.fraud_daily").selectExpr("date_add(day, 1) AS day", "* EXCEPT (day)").localCheckpoint()
    lake.lake.replace("marts.fraud_daily", wrong)
    result = audits.run_audit(lake.lake, audits.read_audit(audits.FOLDER / "fraud_daily_matches_scores.sql"))
    assert result.rows == 2
