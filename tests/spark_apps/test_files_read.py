"""After ninety days of history, a nightly run reads the files of the days that it changes, not those of all days."""

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame

from spark_apps.audits import app as audits
from spark_apps.common import sql
from spark_apps.common.days import time_ranges
from tests.spark_apps.local_lake import LocalLake, SharedLake, at

pytestmark = pytest.mark.long
SPARK_APPS = Path(sql.__file__).parents[1]
HISTORY = 90
# The run changes the days 10, 20, 50 and 85 to 91, in five weeks. A range that begins with one of the first three has more files than this.
MOST_FILES = 40

READ_ALL = {
    ("published_duplicates", "curated.events"): "a new event_id may be published on any day; one column",
    ("events_complete", "curated.events"): "a click that is no new event must be published on some day; one column",
    ("retention_weekly", "curated.events"): "the week of a user's first event may be any; two columns",
    ("affected_orders", "curated.orders"): "a refund names its order, not the day of it",
    ("order_lines_match_events", "curated.orders"): "an order of an earlier release, which has no lines, may be of any day",
    ("orders_match_events", "curated.orders"): "money: an order and its lines may be of any two days",
    ("orders_match_events", "curated.order_lines"): "as above",
    ("order_lines_counted_once", "curated.order_lines"): "a line may repeat one of any day before",
    ("revenue_matches_orders", "curated.order_lines"): "lines of an order in several currencies may be of any day",
    ("revenue_daily", "curated.order_lines"): "as above; Spark skips the other days when it runs the query",
    ("reporting_rates_known", "marts.revenue_daily"): "a rate may come later than its day; a row a day and currency",
    ("fraud_daily", "raw.fraud_scores"): "the mart is written as a whole: the first score of an event may be of any day",
    ("fraud_daily", "raw.fraud_alerts"): "as above",
    ("contents of marts.fraud_daily", "marts.fraud_daily"): "as above",
    ("fraud_daily_matches_scores", "raw.fraud_scores"): "as above",
    ("fraud_daily_matches_scores", "raw.fraud_alerts"): "as above",
    ("fraud_daily_matches_scores", "marts.fraud_daily"): "as above",
    ("fraud_daily_bounded", "marts.fraud_daily"): "as above",
    ("payments_scored", "raw.fraud_scores"): "an event may have been scored on any day",
    ("unscored_events", "raw.fraud_scores"): "the score of an event may arrive on any day after it",
}
NOT_PLANNED = {
    "all_days": "only if the time zone changes",
    "quiet_day": "only without new records",
    "all_refund_days": "only in the first run with marts.refunds_daily",
    "late_fraud_scores": "only for payments that the stream has not scored; it reads the days of late_scores.read_days",
}


class RecordingLake(SharedLake):
    """Notes the data files that Iceberg plans to read, by query and table."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.files_read: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.planned: set[str] = set()

    def sql(self, path: Path, **values: Any) -> DataFrame:
        rows = super().sql(path, **values)
        self.planned.add(path.stem)
        self._note(path.stem, rows)
        return rows

    def contents(self, frames: dict[str, DataFrame]) -> dict[str, str]:
        for name, rows in frames.items():
            self._note(f"contents of {name}", rows)
        return super().contents(frames)

    def _note(self, query: str, rows: DataFrame) -> None:
        leaves = rows._jdf.queryExecution().optimizedPlan().collectLeaves()
        for leaf in map(leaves.apply, range(leaves.size())):
            # A local scan answers from Iceberg's metadata.
            if leaf.getClass().getSimpleName() != "DataSourceV2ScanRelation" or "LocalScan" in leaf.scan().getClass().getSimpleName():
                continue
            table = leaf.relation().table().name().split("_", 1)[1]
            for partition in leaf.scan().toBatch().planInputPartitions():
                tasks = partition.taskGroup().tasks().toArray()
                self.files_read[query, table] |= {task.file().location() for task in tasks}


def event(event_id: str, kind: str, when: str, **more: Any) -> dict[str, Any]:
    day = when.split()[0]
    columns = {"session_id": f"s{day}", "user_id": f"u{day}", "device_id": f"d{day}", "product_id": "p1", "ingested_at": at(when)}
    return {"event_id": event_id, "event_type": kind, "event_time": when, **columns, **more}


def payment(event_id: str, kind: str, when: str, order: str) -> dict[str, Any]:
    return event(event_id, kind, when, order_id=order, price="5.00", quantity=1, currency="EUR")


def score(event_id: str, when: str) -> dict[str, Any]:
    columns = {"event_id": event_id, "event_time": at(when), "ingested_at": at(when), "kafka_partition": 0, "kafka_offset": 0}
    return columns | {"event_type": "purchase", "decision": "allow", "patterns": "", "amount": 5.0}


@pytest.fixture(scope="module")
def night(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> RecordingLake:
    """Returns the lake of a nightly run after ninety days, which has audited what the run changed."""
    lake = LocalLake(spark, tmp_path_factory.mktemp("files_read"))
    days = range(1, HISTORY + 1)
    prices = [{"product_id": "p1", "list_price": Decimal(day), "updated_at": at(f"{day} 00:00")} for day in days]
    lake.insert("landing.products", *prices)
    lake.send(*(event(f"v{day}", "view_item", f"{day} 10:00") for day in days))
    lake.send(*(payment(f"p{day}", "purchase", f"{day} 10:05", f"o{day}") for day in days))
    lake.send(payment("r5", "refund", "5 11:00", "o5"))
    scores = [score(f"p{day}", f"{day} 10:05") for day in (*days, HISTORY + 1)]
    lake.insert("raw.fraud_scores", *scores)
    lake.insert("raw.fraud_alerts", *(row | {"alert_id": row["event_id"], "pattern": "card_velocity"} for row in scores))
    lake.publish_unaudited(day="2026-03-31")
    lake.send(
        event("late", "view_item", "20 10:10", ingested_at=at("91 09:00")),
        event("v50", "view_item", "50 10:00", ingested_at=at("91 09:01")),
        event("new", "view_item", "91 10:00"),
        payment("r10", "refund", "91 10:01", "o10"),
        payment("p91", "purchase", "91 10:05", "o91"),
    )
    lake.insert("landing.products", {"product_id": "p1", "category": "cups", "list_price": Decimal(85), "updated_at": at("85 00:00:01")})
    lake.lake = recording = RecordingLake(spark, lake.catalog)
    lake.recompute(day="2026-04-01")
    code, receipt = lake.run(audits, "--namespaces=raw,curated,marts", day="2026-04-01")
    assert (code, receipt.error) == (0, ""), receipt.facts
    return recording


def test_a_query_reads_the_changed_days_unless_it_has_a_reason(night: RecordingLake) -> None:
    too_many = {read: len(files) for read, files in night.files_read.items() if len(files) > MOST_FILES}
    assert {read: count for read, count in too_many.items() if read not in READ_ALL} == {}
    assert READ_ALL.keys() - too_many.keys() == set(), "these need no reason any more"


def test_every_nightly_query_is_planned(night: RecordingLake) -> None:
    queries = {path.stem for app in ("curate", "marts", "audits") for path in (SPARK_APPS / app).rglob("*.sql")}
    features = {path.stem for path in (SPARK_APPS / "audits").glob("*.sql") if path.stem.startswith(("training_", "neighbours_"))}
    assert queries - features - night.planned == NOT_PLANNED.keys() | {"fraud_macros"}


def test_an_order_is_recomputed_from_the_days_of_its_events(night: RecordingLake) -> None:
    days = {file.split("event_day=")[1][:10] for file in night.files_read["order_lines", "curated.events"]}
    # Those of the records of this run, and that of the order that is refunded.
    assert days == {"2026-01-20", "2026-02-19", "2026-04-01"} | {"2026-01-10"}


def test_only_the_versions_of_the_days_are_joined(night: RecordingLake, tmp_path: Path) -> None:
    query = tmp_path / "versions.sql"
    query.write_text("{% import 'macros.sql' as macros %}{{ macros.versions_of(table('curated.products'), ranges) }}")
    day = at("20 00:00").date()
    prices = [row.list_price for row in night.sql(query, ranges=time_ranges([day], "UTC")).collect()]
    assert sorted(prices) == [19, 20], "the first one ends where the day begins"
    assert night.table("curated.products").count() > HISTORY
