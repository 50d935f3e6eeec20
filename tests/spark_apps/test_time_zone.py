"""Days are those of the shop's time zone, on days with 23 and 25 hours too, and days of two zones are never mixed."""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from spark_apps.audits import app as audits
from spark_apps.common.days import time_ranges
from spark_apps.common.session import TIME_ZONE
from spark_apps.curate import app as curate
from spark_apps.features import app as features
from tests.spark_apps.local_lake import LocalLake

EVENT_DAYS = ("curated.events", "event_day")


@pytest.fixture(autouse=True)
def zone(spark: Any) -> Iterator[Any]:
    """Sets the zone of the session, as the setting does when an app opens its session; UTC again after the test."""
    yield lambda name: spark.conf.set(TIME_ZONE, name)
    spark.conf.set(TIME_ZONE, "UTC")


def click(event_id: str, kind: str, time: str, session: str, **more: Any) -> dict[str, Any]:
    """An event at a UTC time of 2026, in the form that LocalLake.send takes."""
    moment = datetime.fromisoformat(f"2026-{time}:00+00:00")
    day = (moment.date() - date(2026, 1, 1)).days + 1
    return {"event_id": event_id, "event_type": kind, "event_time": f"{day} {moment:%H:%M}", "session_id": session, **more}


def purchase(event_id: str, time: str, price: str, **more: Any) -> dict[str, Any]:
    order = {"order_id": f"o_{event_id}", "product_id": "p1", "price": price, "quantity": 1, "currency": "EUR", "user_id": "u1"}
    return click(event_id, "purchase", time, f"s_{event_id}", **order | more)


def revenue(lake: LocalLake) -> dict[str, Decimal]:
    return {str(row.day): row.net_revenue for row in lake.table("marts.revenue_daily").collect()}


def days_of(lake: LocalLake, table: str, column: str) -> set[str]:
    return {str(row[0]) for row in lake.table(table).select(column).distinct().collect()}


def test_a_purchase_before_local_midnight_is_in_the_revenue_of_that_day(lake: LocalLake, zone: Any) -> None:
    zone("America/Los_Angeles")
    lake.send(
        click("view", "view_item", "02-03T07:10", "s_late", product_id="p1", user_id="u1"),
        purchase("late", "02-03T07:30", "10.00"),  # 23:30 on February 2
        purchase("early", "02-03T08:00", "7.00"),  # midnight: February 3
    )
    receipt = lake.nightly(day="2026-02-02")
    assert receipt.facts["days"] == ["2026-02-02", "2026-02-03"]
    assert revenue(lake) == {"2026-02-02": Decimal("10.00"), "2026-02-03": Decimal("7.00")}
    complete = {str(row.day): row.is_complete for row in lake.table("marts.funnel_daily").collect()}
    assert complete == {"2026-02-02": True, "2026-02-03": False}
    for table, column in (
        EVENT_DAYS, ("curated.sessions", "session_day"), ("curated.orders", "order_day"), ("curated.order_lines", "line_day"),
        ("marts.product_daily", "day"), ("marts.product_revenue_daily", "day"),
    ):  # fmt: skip
        assert days_of(lake, table, column) == {"2026-02-02", "2026-02-03"}, table


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}:00+00:00")


# In Berlin these days have 23 and 25 hours.
CLOCK_CHANGES = [("2026-03-29", "03-28T23:00", 23), ("2026-10-25", "10-24T22:00", 25)]


def test_a_day_on_which_clocks_change_has_all_its_hours(lake: LocalLake, zone: Any) -> None:
    zone("Europe/Berlin")
    for day, first, hours in CLOCK_CHANGES:
        assert time_ranges([date.fromisoformat(day)], "Europe/Berlin") == [(utc(first), utc(first) + timedelta(hours=hours))]
        # The last hour of the day before, each hour of the day, and the first one of the day after.
        times = [utc(first) + timedelta(hours=number) for number in range(-1, hours + 1)]
        lake.send(*(purchase(f"{day}_{number}", f"{time:%m-%dT%H:%M}", "1.00") for number, time in enumerate(times)))
    lake.nightly(run="one", day="2026-10-25")
    assert {day: revenue(lake)[day] for day, _, _ in CLOCK_CHANGES} == {"2026-03-29": Decimal(23), "2026-10-25": Decimal(25)}
    assert sum(revenue(lake).values()) == Decimal(23 + 25 + 4)
    # Late events of both ends of a day extend its sessions.
    lake.send(*(click(f"late_{day}", "page_view", first, f"s_{day}_1") for day, first, _ in CLOCK_CHANGES))
    lake.send(*(click(f"last_{day}", "page_view", f"{day[5:]}T21:59", f"s_{day}_{hours}") for day, _, hours in CLOCK_CHANGES))
    receipt = lake.nightly(run="two", day="2026-10-25")
    assert receipt.facts["days"] == [day for day, _, _ in CLOCK_CHANGES]
    sessions = {str(row.day): row.sessions for row in lake.table("marts.funnel_daily").collect()}
    assert (sessions["2026-03-29"], sessions["2026-10-25"]) == (24, 25)


def test_a_changed_zone_is_refused_and_changes_nothing(lake: LocalLake, zone: Any) -> None:
    lake.send(purchase("a", "02-03T07:30", "10.00"))
    lake.recompute(day="2026-02-03")
    lake.publish()
    commits = lake.commits()
    lake.send(purchase("b", "02-04T07:30", "5.00"))
    zone("America/Los_Angeles")
    for arguments in ((), ("--rebuild", "--rebuild-from=2026-01-01")):
        code, receipt = lake.run(curate, "--end-offsets", json.dumps(lake.offsets), *arguments, day="2026-02-04")
        assert code == 1
        assert "the days of the lake are those of UTC, and CLICKSTREAM_TIME_ZONE is America/Los_Angeles" in receipt.error
        assert "change_time_zone" in receipt.error
    for app in (audits, features):
        assert "the days of the lake are those of UTC" in lake.run(app, day="2026-02-04")[1].error
    assert lake.commits() == commits


def many_events() -> list[dict[str, Any]]:
    return [
        purchase("a", "02-01T03:00", "10.00"),
        purchase("b", "02-02T07:59", "20.00"),
        purchase("c", "02-02T08:00", "30.00"),
        click("long1", "view_item", "02-03T07:50", "long", product_id="p1", user_id="u1"),
        click("long2", "view_item", "02-03T08:10", "long", product_id="p2", user_id="u1"),
        purchase("c_refund", "02-05T02:00", "30.00", event_type="refund", order_id="o_c"),
        click("idle", "page_view", "02-09T06:00", "idle", device_id="d1"),
    ]


def test_a_changed_zone_recomputes_all_days_as_if_it_had_always_been_set(new_lake: Any, zone: Any) -> None:
    changed, always = new_lake(), new_lake()
    changed.send(*many_events())
    changed.recompute(run="one", day="2026-02-08")
    changed.publish()
    zone("America/Los_Angeles")
    always.send(*many_events())
    always.recompute(run="one", day="2026-02-08")
    changed.nightly("--change-time-zone", run="two", day="2026-02-08")
    assert changed.contents() == always.contents()
    assert days_of(changed, *EVENT_DAYS) == {"2026-01-31", "2026-02-01", "2026-02-02", "2026-02-03", "2026-02-04", "2026-02-08"}
    # The zone is that of the lake from now on.
    code, receipt = changed.run(curate, "--end-offsets", json.dumps(changed.offsets), "--change-time-zone", day="2026-02-08")
    assert (code, receipt.facts["days"]) == (0, [])
    zone("UTC")
    code, receipt = changed.run(curate, "--end-offsets", json.dumps(changed.offsets), day="2026-02-08")
    assert (code, "are those of America/Los_Angeles, and CLICKSTREAM_TIME_ZONE is UTC" in receipt.error) == (1, True)


def test_an_empty_lake_takes_the_zone_of_its_first_events(lake: LocalLake, zone: Any) -> None:
    zone("Asia/Tokyo")
    lake.nightly(day="2026-02-01")
    zone("Europe/Berlin")
    lake.send(purchase("a", "02-01T22:59", "10.00"))
    lake.recompute(day="2026-02-01")
    assert revenue(lake) == {"2026-02-01": Decimal("10.00")}
