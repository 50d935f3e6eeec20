"""Days that are not over, days without events, and the usual number and fields of events per type and weekday."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import functions as F

from clickstream_contracts.receipt import Receipt
from spark_apps.audits import app as audits
from spark_apps.common.lake import Lake
from spark_apps.curate import app as curate
from tests.spark_apps.local_lake import LocalLake, at

NEWEST_DAY, SUNDAY = 29, 6


def view(event_id: str, when: str) -> dict[str, Any]:
    return {"event_id": event_id, "event_type": "view_item", "event_time": when, "session_id": event_id, "product_id": "p1"}


def completeness(lake: LocalLake, table: str) -> dict[str, bool]:
    return {row.day: row.is_complete for row in lake.table(table).selectExpr("string(day)", "is_complete").collect()}


def test_a_day_is_incomplete_until_a_run_of_that_day_or_a_later_one(lake: LocalLake) -> None:
    purchase = {"event_type": "purchase", "price": "5.00", "currency": "EUR", "order_id": "o1"}
    lake.send(view("a", "2 10:00"), view("b", "3 00:30"), view("c", "3 00:40") | purchase)
    lake.publish_unaudited(run="one", day="2026-01-02")
    for table in ("marts.funnel_daily", "marts.product_daily"):
        assert completeness(lake, table) == {"2026-01-02": True, "2026-01-03": False}
    assert completeness(lake, "marts.revenue_daily") == {"2026-01-03": False}
    # No further event of the third: only the run of that day completes it.
    lake.send(view("d", "4 00:30"))
    lake.nightly(run="two", day="2026-01-03")
    for table in ("marts.funnel_daily", "marts.product_daily"):
        assert completeness(lake, table) == {"2026-01-02": True, "2026-01-03": True, "2026-01-04": False}
    for table in ("marts.revenue_daily", "marts.product_revenue_daily"):
        assert completeness(lake, table) == {"2026-01-03": True}


def test_a_run_without_new_records_fails_for_a_day_with_few_events_or_none(lake: LocalLake) -> None:
    # The run of the second also publishes the first hours of the third.
    lake.send(*(view(f"v{n}", "2 10:00") for n in range(110)), *(view(f"w{n}", "3 00:30") for n in range(10)))
    lake.publish_curated(run="one", day="2026-01-02")

    def run(day: str, *args: str) -> tuple[int, Receipt]:
        return lake.run(curate, "--end-offsets", f'{{"0": {lake.offsets[0]}}}', *args, day=day)

    assert run("2026-01-02")[0] == 0, "a repeated run of the day"
    for day, events_of_day in (("2026-01-03", 10), ("2026-01-04", 0), ("2026-01-09", 0)):
        code, receipt = run(day)
        assert code == 1
        assert receipt.error.startswith(
            f"no record has arrived since the last published run, and {day} has {events_of_day} events, usually 110: check"
        )
        sample = [{"day": day, "events": str(events_of_day), "usual_events": "110"}]
        assert receipt.facts["failures"][0]["sample"] == sample, "with a sample the task is not tried again"
    assert run("2026-01-03", "--rebuild")[0] == 0, "a rebuild does not wait for new records"
    assert run("2026-01-10")[0] == 0, "the same weekday was as quiet a week before"
    lake.send(view("late", "2 11:00"))
    assert run("2026-01-03")[0] == 0, "with new records the audits judge the day"


@pytest.fixture(scope="module")
def weeks(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> LocalLake:
    lake = LocalLake(spark, tmp_path_factory.mktemp("weeks"))
    ledger: dict[str, Any] = {
        "run": "r",
        "kafka_partition": 0,
        "start_offset": 0,
        "end_offset": 1,
        "accepted": 1,
        "duplicates": 0,
        "quarantined": 0,
    }
    lake.insert("curated.ingest_ledger", ledger | {"late": 0, "day": date(2026, 1, NEWEST_DAY)})
    # The week before, with a quiet Sunday, and the same weekday of the weeks before.
    purchases = {day: 100 if date(2026, 1, day).weekday() == SUNDAY else 300 for day in (1, 8, 15, *range(22, NEWEST_DAY))}
    lake.insert("curated.events", *(row for day, number in purchases.items() for row in events(day, number)))
    return lake


def events(day: int, purchases: int, **columns: Any) -> list[dict[str, Any]]:
    """Returns the rows of a day: purchases, and as many views."""
    kafka: dict[str, Any] = {"kafka_partition": 0, "ingested_at": at("60 00:00"), "schema_version": 1, "session_id": "s"}
    row: dict[str, Any] = kafka | {"event_day": date(2026, 1, day), "event_time": at(f"{day} 10:00"), "product_id": "p1"}
    bought: dict[str, Any] = {"event_type": "purchase", "price": Decimal(5), "currency": "EUR", "order_id": "o"} | columns
    kinds = [*[bought] * purchases, *[{"event_type": "view_item"}] * purchases]
    return [row | kind | {"event_id": f"{day}-{n}", "kafka_offset": n} for n, kind in enumerate(kinds)]


def views() -> list[dict[str, Any]]:
    return [row for row in events(NEWEST_DAY, 300) if row["event_type"] == "view_item"]


LOST_FIELD = {"event_fields_usual", "purchase_fields_present", "purchase_fields_lost"}
AUDITS = (
    "day_volume_usual",
    "event_type_volume_usual",
    "event_type_lost",
    "event_fields_usual",
    "purchase_fields_present",
    "purchase_fields_lost",
)


def findings(lake: Lake) -> dict[str, list[str]]:
    """Returns the first column of the rows of the audits that return any."""
    values = audits.template_values(*audits.newest_run(lake, date(2026, 1, NEWEST_DAY)))
    results = [audits.run_audit(lake, audits.read_audit(audits.FOLDER / f"{name}.sql"), values) for name in AUDITS]
    assert [result.error for result in results if result.error] == []
    return {result.audit.name: sorted(str(list(row.values())[:2]) for row in result.sample) for result in results if result.rows}


@pytest.mark.parametrize(
    ("newest", "names"),
    [
        pytest.param(events(NEWEST_DAY, 300), set(), id="a usual day"),
        pytest.param(events(NEWEST_DAY, 140), {"event_type_volume_usual"}, id="less than half of the events"),
        pytest.param(views(), {"event_type_volume_usual", "event_type_lost"}, id="no purchases"),
        pytest.param([], {"day_volume_usual", "event_type_volume_usual", "event_type_lost"}, id="no events"),
        pytest.param(events(NEWEST_DAY, 300, price=None), LOST_FIELD, id="no price"),
        pytest.param(events(NEWEST_DAY, 300, currency=""), LOST_FIELD, id="no currency"),
        pytest.param(
            [*events(NEWEST_DAY, 294), *events(NEWEST_DAY, 6, order_id=None)], {"purchase_fields_present"}, id="some without order"
        ),
    ],
)
def test_the_newest_day_is_compared_with_the_same_weekday(weeks: LocalLake, newest: list[dict[str, Any]], names: set[str]) -> None:
    day = date(2026, 1, NEWEST_DAY)
    weeks.lake.replace("curated.events", weeks.table("curated.events").where("false"), F.col("event_day") == F.lit(day))
    if newest:
        weeks.insert("curated.events", *newest)
    assert set(findings(weeks.lake)) == names
