"""Wrong numbers in curated tables and marts: each mutation of a correct lake is caught by a named audit that stops the publication."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from spark_apps.audits import app as audits
from spark_apps.common.lake import Lake
from tests.spark_apps.local_lake import LocalLake
from tests.spark_apps.planted import Change, doubled, plant, set_columns, where


def event(event_id: str, event_type: str, when: str, session: str = "s1", **more: Any) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "event_type": event_type,
        "event_time": when,
        "session_id": session,
        "user_id": "u1",
        "device_id": "d1",
    } | more


def payment(event_id: str, event_type: str, when: str, order: str, product: str, price: int, **more: Any) -> dict[str, Any]:
    columns: dict[str, Any] = {"order_id": order, "product_id": product, "price": price, "quantity": 1, "currency": "EUR"}
    return event(event_id, event_type, when, **columns | more)


@dataclass(frozen=True)
class AuditedLake:
    """A lake after a nightly run: the rows that each audit returned, and the values of the audits' templates."""

    lake: Lake
    rows: dict[str, int]
    values: dict[str, Any]


@pytest.fixture(scope="module")
def correct(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> AuditedLake:
    lake = LocalLake(spark, tmp_path_factory.mktemp("mutations"))
    lake.send(
        event("v1", "view_item", "2 10:00", product_id="cup"),
        event("v2", "view_item", "2 10:01", product_id="cup"),
        event("v3", "view_item", "2 10:02", product_id="pot"),
        event("c1", "add_to_cart", "2 10:03", product_id="pot"),
        payment("p1", "purchase", "2 10:05", "o1", "pot", 30),
        payment("p2", "purchase", "2 10:05", "o1", "cup", 7),
        payment("p3", "purchase", "2 10:06", "o1", "pot", 30),
        # Another session of the same id, eight hours later.
        event("v4", "view_item", "2 18:00", product_id="cup"),
        payment("y1", "purchase", "2 19:00", "o2", "pot", 4000, session="s2", currency="JPY", user_id="u2"),
        payment("r1", "refund", "3 09:00", "o1", "cup", 7, session="s3"),
        event("v5", "view_item", "9 09:00", product_id="cup"),
    )
    lake.recompute(day="2026-01-09")
    _, receipt = lake.run(audits, "--namespaces=raw,curated,marts", day="2026-01-09")
    rows = {fact["name"]: fact["rows"] for fact in receipt.facts["audits"]}
    return AuditedLake(lake.lake, rows, audits.values_of_changes(lake.lake, date(2026, 1, 9)))


def swapped(column: str, left: str, right: str) -> Change:
    """Swap two values of a column."""
    return set_columns(**{column: f"CASE {column} WHEN '{left}' THEN '{right}' WHEN '{right}' THEN '{left}' ELSE {column} END"})


def with_glued_sessions(frame: DataFrame) -> DataFrame:
    """Make one session of the two of `s1`, with the sums of their counts."""
    of_session_id = Window.partitionBy("session_id")
    sums = {name: F.sum(name).over(of_session_id) for name in ("events", "views", "carts", "checkouts", "purchases", "revenue")}
    glued = (
        frame.withColumns(sums)
        .withColumn("ended_at", F.max("ended_at").over(of_session_id))
        .withColumn("first_start", F.min("started_at").over(of_session_id))
        .where("started_at = first_start")
    )
    return glued.select(*(glued[field.name].cast(field.dataType) for field in frame.schema.fields))


def of_one_product(frame: DataFrame) -> DataFrame:
    """Book the purchases of all products on one."""
    return set_columns(product_id="'pot'")(frame)


MUTATIONS: dict[str, tuple[str, Change, str]] = {
    "an event is dropped": ("curated.events", where("event_id <> 'v2'"), "events_complete"),
    "an event is doubled": ("curated.events", doubled, "events_unique"),
    "two products of events are swapped": ("curated.events", swapped("product_id", "cup", "pot"), "events_match_raw"),
    "an event has another user": ("curated.events", swapped("user_id", "u1", "u2"), "events_match_raw"),
    "the amount of an event is wrong": ("curated.events", set_columns(amount="CAST(amount * 10 AS DECIMAL(18, 2))"), "event_values"),
    "a session is dropped": ("curated.sessions", where("session_id <> 's2'"), "sessions_match_events"),
    "two sessions are glued": ("curated.sessions", with_glued_sessions, "sessions_match_events"),
    "a session is on another day": ("curated.sessions", set_columns(session_day="session_day + INTERVAL 1 DAY"), "sessions_match_events"),
    "a session has another's cart": ("curated.sessions", set_columns(carts="1L - carts"), "sessions_cover_events"),
    "two users of a device are swapped": ("curated.device_users", swapped("user_id", "u1", "u2"), "device_users_match_events"),
    "a device is another's": ("curated.device_users", set_columns(device_id="'d2'"), "device_users_match_events"),
    "an order line is dropped": ("curated.order_lines", where("event_id <> 'p2'"), "order_lines_match_events"),
    "two products of lines are swapped": ("curated.order_lines", swapped("product_id", "cup", "pot"), "order_lines_match_events"),
    "a line is booked in another currency": ("curated.order_lines", swapped("currency", "EUR", "JPY"), "order_lines_match_events"),
    "a repeat counts": ("curated.order_lines", set_columns(counted="true"), "order_lines_counted_once"),
    "a refund is lost": ("curated.order_lines", where("event_type <> 'refund'"), "order_lines_match_events"),
    "an order is dropped": ("curated.orders", where("order_id <> 'o2'"), "orders_match_events"),
    "an order is doubled": ("curated.orders", doubled, "orders_match_events"),
    "an order is on another day": ("curated.orders", set_columns(order_day="order_day + INTERVAL 1 DAY"), "orders_match_events"),
    "an order is booked in another currency": ("curated.orders", swapped("currency", "EUR", "JPY"), "orders_match_events"),
    "the refunds of an order are lost": ("curated.orders", set_columns(refunded="CAST(0 AS DECIMAL(18, 2))"), "orders_match_events"),
    "a day of the funnel is dropped": ("marts.funnel_daily", where("day <> '2026-01-02'"), "funnel_matches_sessions"),
    "a stage of the funnel is wrong": ("marts.funnel_daily", set_columns(viewed="viewed - 1L"), "funnel_matches_sessions"),
    "revenue is on another day": ("marts.revenue_daily", set_columns(day="day + INTERVAL 1 DAY"), "revenue_matches_orders"),
    "two currencies are swapped": ("marts.revenue_daily", swapped("currency", "EUR", "JPY"), "revenue_matches_orders"),
    "guests are no buyers": ("marts.revenue_daily", set_columns(buyers="0L"), "revenue_matches_orders"),
    "two products are swapped": ("marts.product_daily", swapped("product_id", "cup", "pot"), "products_match_events"),
    "products have another revenue": (
        "marts.product_daily",
        set_columns(revenue="CAST(2 * revenue AS DECIMAL(18, 2))"),
        "product_revenue_matches_lines",
    ),
    "a product has another number of viewers": ("marts.product_daily", set_columns(viewers="views"), "products_match_events"),
    "a product is of another category": ("marts.product_daily", set_columns(category="'toys'"), "products_match_events"),
    "an earlier run keeps an event that it has lost": (
        "curated.ingest_ledger",
        set_columns(accepted="accepted + 1", duplicates="duplicates - 1"),
        "ledger_matches_events",
    ),
    "all revenue is of one product": ("marts.product_revenue_daily", of_one_product, "product_revenue_matches_lines"),
    "active users are wrong": ("marts.retention_weekly", set_columns(active="active - 1"), "retention_bounded"),
}


def test_the_unchanged_tables_pass_all_audits(correct: AuditedLake) -> None:
    assert {name for name, rows in correct.rows.items() if rows} == set()
    assert {name for *_, name in MUTATIONS.values()} <= set(correct.rows)


@pytest.mark.parametrize(("table", "change", "name"), MUTATIONS.values(), ids=MUTATIONS)
def test_a_mutation_is_caught_by_an_audit_that_fails_the_run(correct: AuditedLake, table: str, change: Change, name: str) -> None:
    mutated = plant(correct.lake, table, change)
    result = audits.run_audit(mutated, audits.read_audit(audits.FOLDER / f"{name}.sql"), correct.values)
    assert result.error == ""
    assert result.failed
    assert result.sample
