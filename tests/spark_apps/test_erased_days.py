"""The nightly run after an erasure: sessions, orders and marts of its days are computed again, and each offset is accounted for."""

from datetime import date
from typing import Any

from clickstream_contracts import names
from spark_apps.curate.events import events
from tests.spark_apps.local_lake import FIRST_ARRIVAL, LocalLake, at


def event(event_id: str, user: str, kind: str, when: str, session: str) -> dict[str, Any]:
    order = {"price": "5.00", "currency": "EUR", "order_id": f"order-{event_id}"} if kind == "purchase" else {}
    return {"event_id": event_id, "user_id": user, "event_type": kind, "event_time": when, "session_id": session, "product_id": "p"} | order


def erase(lake: LocalLake, unpublished: int) -> None:
    """What tools.erasure commits: the rows of ann are gone; the session that she shares with bob is his, and counts her events."""
    for table in ("raw.clicks", "curated.events", "curated.orders", "curated.order_lines", "curated.sessions"):
        lake.spark.sql(f"DELETE FROM {lake.catalog.name(table)} WHERE user_id = 'ann'")
    lake.spark.sql(f"UPDATE {lake.catalog.name('curated.ingest_ledger')} SET accepted = accepted - 3, erased = 3")
    gap = {"kafka_partition": 0, "reason": "erased", "recorded_at": FIRST_ARRIVAL}
    ranges = ((0, 3), (unpublished, unpublished + 1))
    lake.insert("landing.offset_gaps", *(gap | {"first_offset": first, "end_offset": end} for first, end in ranges))
    name = lake.catalog.name("curated.events")
    lake.spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ('{names.ERASED_DAYS_PROPERTY}' = '2026-01-02')")
    lake.publish()


def test_the_run_after_an_erasure_is_green_and_counts_the_user_nowhere(lake: LocalLake) -> None:
    anns = [
        event("a1", "ann", "view_item", "2 10:00", "shared"),
        event("a2", "ann", "purchase", "2 10:05", "shared"),
        event("a3", "ann", "view_item", "2 11:00", "own"),
    ]
    lake.send(*anns, event("b1", "bob", "view_item", "2 10:10", "shared"), event("b2", "bob", "purchase", "2 12:00", "of bob"))
    lake.publish_unaudited(run="one")
    lake.send(event("a4", "ann", "view_item", "3 10:00", "own"), event("b3", "bob", "view_item", "3 10:00", "of bob"))
    erase(lake, unpublished=5)

    receipt = lake.nightly(run="two", day="2026-01-03")

    assert receipt.facts["days"] == ["2026-01-02", "2026-01-03"]
    starts = (("of bob", "2 12:00"), ("of bob", "3 10:00"), ("shared", "2 10:10"))
    sessions = [(f"{session}@{int(at(start).timestamp() * 1000)}", 1) for session, start in starts]
    assert lake.rows("curated.sessions", "session_key", "events") == sessions
    assert lake.rows("marts.revenue_daily", "day", "orders") == [(date(2026, 1, 2), 1)]
    assert lake.rows("curated.ingest_ledger", "run", "accepted", "gaps", "erased") == [("one", 2, 0, 3), ("two", 1, 0, 1)]
    assert events.erased_days(lake.lake) == []
