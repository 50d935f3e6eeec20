"""Three nightly runs over duplicates, late events, midnight and corrected versions equal one run over the same events."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from spark_apps.audits import app as audits
from spark_apps.common import waiting_days
from spark_apps.curate import app as curate
from spark_apps.marts import app as marts
from tests.spark_apps.local_lake import LocalLake, at

ARGUMENTS = {"--ref": "b", "--run": "r", "--day": "2026-01-02", "--receipt": "s3://lake/r.json"}


def event(event_id: str, kind: str, when: str, session: str, **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "event_type": kind, "event_time": when, "session_id": session, **more}


def first_events() -> list[dict[str, Any]]:
    return [
        event("a", "view_item", "2 10:00", "s1", user_id="u1", product_id="p1"),
        event("b", "purchase", "2 10:05", "s1", user_id="u1", product_id="p1", price="10.00", quantity=2, currency="EUR", order_id="o1"),
        event("b", "purchase", "2 10:05", "s1", user_id="u1", product_id="p1", price="10.00", quantity=2, currency="EUR", order_id="o1"),
        event("m1", "view_item", "2 23:50", "midnight", product_id="p2"),
        event("m2", "add_to_cart", "3 00:10", "midnight", product_id="p2", user_id="u2"),
        event("g1", "page_view", "2 08:00", "gap"),
        event("g2", "page_view", "2 08:30", "gap", device_id="d1"),
        event("g3", "page_view", "2 09:00:00.001", "gap"),
        event("no_price", "purchase", "2 12:00", "s4"),
        event("early", "view_item", "1 10:00", "s5", user_id="u1", product_id="p1"),
        event("twice", "view_item", "2 15:00", "r1", product_id="p3", ingested_at=at("70 12:00")),
    ]


def second_events() -> list[dict[str, Any]]:
    return [
        event("late", "view_item", "2 23:30", "midnight", product_id="p2"),
        event("a", "view_item", "4 10:00", "s1", user_id="u1", product_id="p1"),
        event("refund", "refund", "4 11:00", "s9", user_id="u1", product_id="p1", price="10.00", quantity=1, order_id="o1"),
    ]


def third_events() -> list[dict[str, Any]]:
    return [
        event("m3", "view_item", "3 00:35", "midnight", product_id="p2", partition=1),
        # It arrived at the broker before the published event of this id, which has another day and partition.
        event("twice", "view_item", "3 15:00", "r2", product_id="p3", partition=1, ingested_at=at("69 12:00")),
    ]


def users() -> list[dict[str, Any]]:
    return [
        {"user_id": "u1", "country": "DE", "updated_at": at("1 12:00")},
        {"user_id": "u1", "country": "FR", "updated_at": at("2 10:05")},
    ]


def products() -> list[dict[str, Any]]:
    return [{"product_id": "p1", "category": "shoes", "updated_at": at("1 00:00")}]


def correction() -> dict[str, Any]:
    return {"product_id": "p1", "category": "boots", "updated_at": at("2 00:00")}


@pytest.fixture(scope="module")
def three_runs(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> LocalLake:
    lake = LocalLake(spark, tmp_path_factory.mktemp("three_runs"))
    lake.insert("landing.users", *users())
    lake.insert("landing.products", *products())
    lake.send(*first_events())
    lake.quarantine(2)
    lake.receipts.append(lake.publish_unaudited(run="one", day="2026-01-02"))
    lake.insert("landing.products", correction())
    lake.send(*second_events())
    lake.receipts.append(lake.publish_unaudited(run="two", day="2026-01-03"))
    lake.send(*third_events())
    lake.receipts.append(lake.nightly(run="three", day="2026-01-04"))
    return lake


@pytest.fixture(scope="module")
def one_run(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> LocalLake:
    lake = LocalLake(spark, tmp_path_factory.mktemp("one_run"))
    lake.insert("landing.users", *users())
    lake.insert("landing.products", *products(), correction())
    lake.send(*first_events())
    lake.quarantine(2)
    lake.send(*second_events())
    lake.send(*third_events())
    lake.publish_unaudited(run="all", day="2026-01-04")
    return lake


def test_several_runs_equal_one_run_over_the_same_events(three_runs: LocalLake, one_run: LocalLake) -> None:
    assert three_runs.contents("curated.ingest_ledger") == one_run.contents("curated.ingest_ledger")


def test_of_duplicates_the_first_arrival_is_kept(three_runs: LocalLake) -> None:
    days = dict(three_runs.rows("curated.events", "event_id", "event_day"))
    assert len(days) == three_runs.table("curated.events").count() == 13
    assert (str(days["a"]), str(days["twice"])) == ("2026-01-02", "2026-01-03")


def test_the_ledger_accounts_for_every_record(three_runs: LocalLake) -> None:
    columns = ("run", "kafka_partition", "start_offset", "end_offset", "accepted", "duplicates", "quarantined", "late")
    assert three_runs.rows("curated.ingest_ledger", *columns) == [
        # One event of it has become a duplicate of an earlier arrival, which run three has read.
        ("one", 0, 0, 13, 9, 2, 2, 0),
        ("three", 1, 0, 2, 2, 0, 0, 2),
        ("two", 0, 13, 16, 2, 1, 0, 1),
    ]


def test_an_event_has_the_versions_valid_at_its_time(three_runs: LocalLake) -> None:
    versions = {row[0]: row[1:] for row in three_runs.rows("curated.events", "event_id", "user_country", "product_category")}
    assert versions["early"] == (None, "shoes"), "before the first version of the user"
    assert versions["a"] == ("DE", "boots"), "the product was corrected after its day was published"
    assert versions["b"] == ("FR", "boots"), "a version begins at its first instant"
    assert versions["m2"] == (None, None), "user and product have no version"


def test_the_amount_is_price_times_quantity(three_runs: LocalLake) -> None:
    amounts = dict(three_runs.rows("curated.events", "event_id", "amount"))
    assert (amounts["b"], amounts["refund"]) == (Decimal("20.00"), Decimal("10.00"))
    assert amounts["no_price"] is None
    assert amounts["m2"] is None


def test_an_amount_without_quantity_is_the_price(lake: LocalLake) -> None:
    lake.send(event("x", "purchase", "2 10:00", "s1", price="7.50", currency="EUR"))
    lake.nightly()
    assert lake.rows("curated.events", "amount") == [Decimal("7.50")]
    assert lake.rows("curated.orders", "items", "revenue") == [(1, Decimal("7.50"))]


def test_events_written_before_the_column_amount_existed_count_fully(lake: LocalLake) -> None:
    purchase = {"user_id": "u1", "product_id": "p1", "price": "10.00", "quantity": 2, "currency": "EUR", "order_id": "o1"}
    lake.send(event("x", "purchase", "2 23:50", "s1", **purchase))
    lake.publish_unaudited(run="one", day="2026-01-02")
    # An added column is null in all rows written before.
    old_rows = lake.table("curated.events").drop("amount").selectExpr("*", "CAST(NULL AS DECIMAL(18, 2)) AS amount")
    lake.lake.replace("curated.events", old_rows.localCheckpoint())
    lake.publish()
    lake.send(event("y", "purchase", "3 00:10", "s1", **purchase | {"order_id": "o2"}))
    lake.nightly(run="two", day="2026-01-03")
    assert lake.rows("curated.events", "event_id", "amount") == [("x", None), ("y", Decimal("20.00"))]
    assert lake.rows("curated.sessions", "purchases", "revenue") == [(2, Decimal("40.00"))]
    assert lake.rows("curated.orders", "lines", "revenue") == [(1, Decimal("20.00")), (1, Decimal("20.00"))]
    products_of_days = lake.table("marts.product_daily").selectExpr("string(day)", "revenue").collect()
    assert sorted(tuple(row) for row in products_of_days) == [("2026-01-02", Decimal("20.00")), ("2026-01-03", Decimal("20.00"))]


def test_a_session_crosses_midnight_and_grows_with_late_events(three_runs: LocalLake) -> None:
    columns = ("started_at", "ended_at", "session_day", "events", "views", "carts", "user_id")
    texts = [f"string({column})" for column in columns]
    sessions = three_runs.table("curated.sessions").where("session_id = 'midnight'").selectExpr(*texts).collect()
    assert [tuple(row) for row in sessions] == [("2026-01-02 23:30:00", "2026-01-03 00:35:00", "2026-01-02", "4", "3", "1", "u2")]


def test_a_pause_of_exactly_thirty_minutes_ends_no_session(three_runs: LocalLake) -> None:
    sessions = three_runs.table("curated.sessions").where("session_id = 'gap'").orderBy("started_at").collect()
    assert [(row.events, row.device_id) for row in sessions] == [(2, "d1"), (1, None)]


def test_an_order_has_refunds_of_later_days_and_lines_without_price(three_runs: LocalLake) -> None:
    columns = ("order_id", "currency", "lines", "items", "revenue", "refunded")
    assert three_runs.rows("curated.orders", *columns) == [
        ("event:no_price", "", 1, 1, Decimal("0.00"), Decimal("0.00")),
        ("o1", "EUR", 1, 2, Decimal("20.00"), Decimal("10.00")),
    ]


def test_an_order_that_spans_two_affected_time_ranges_is_counted_once(lake: LocalLake) -> None:
    order = {"user_id": "u1", "product_id": "p1", "price": "10.00", "quantity": 1, "currency": "EUR", "order_id": "long"}
    lake.send(event("purchase", "purchase", "1 10:00", "s1", **order), event("refund", "refund", "8 10:00", "s2", **order))
    lake.send(event("other", "page_view", "5 09:00", "s3"))
    lake.publish_unaudited(run="one", day="2026-01-08")
    lake.send(event("late", "page_view", "5 10:00", "s3"), event("new", "page_view", "8 11:00", "s4"))
    lake.nightly(run="two", day="2026-01-09")
    [row] = lake.rows("curated.orders", "order_id", "lines", "revenue", "refunded")
    assert row == ("long", 1, Decimal("10.00"), Decimal("10.00"))


def test_the_marts_of_a_published_day_are_corrected(three_runs: LocalLake) -> None:
    funnel = {str(row.day): tuple(row)[1:] for row in three_runs.table("marts.funnel_daily").collect()}
    assert funnel["2026-01-02"] == (5, 3, 3, 2, 2, 0.4, True, 0)
    revenue = three_runs.rows("marts.revenue_daily", "currency", "orders", "buyers", "items", "net_revenue")
    assert revenue == [("", 1, 1, 1, Decimal("0.00")), ("EUR", 1, 1, 2, Decimal("10.00"))], "the first buyer is a guest"
    product = three_runs.table("marts.product_daily").where("product_id = 'p1' and day = '2026-01-02'").collect()[0]
    assert (product.category, product.views, product.viewers, product.purchases, product.items) == ("boots", 1, 1, 1, 2)
    assert three_runs.rows("marts.retention_weekly", "week", "users", "active") == [(0, 2, 2)]


def test_a_receipt_names_the_days_to_recompute_in_the_marts(three_runs: LocalLake) -> None:
    first, second, third = three_runs.receipts
    assert first.facts["days"] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert second.facts["days"] == ["2026-01-02", "2026-01-04"]
    assert third.facts["days"] == ["2026-01-02", "2026-01-03"]


def test_a_receipt_names_the_end_offsets(three_runs: LocalLake) -> None:
    assert three_runs.receipts[0].facts["end_offsets"] == {"0": 13, "1": 0}


def test_a_run_without_new_events_writes_nothing(three_runs: LocalLake) -> None:
    before = three_runs.commits()
    receipt = three_runs.recompute(run="no_news", day="2026-01-05")
    assert receipt.facts["days"] == []
    assert three_runs.commits() == before


def test_a_correction_of_many_days_is_spread_over_several_runs(new_lake: Callable[[], LocalLake]) -> None:
    lake = new_lake()
    lake.insert("landing.products", *products())
    lake.send(*(event(f"v{day}", "view_item", f"{day} 10:00", "s1", product_id="p1") for day in (2, 3, 4)))
    lake.publish_unaudited(run="one", day="2026-01-04")
    lake.insert("landing.products", correction())
    first = lake.publish_unaudited("--version-days=2", run="two", day="2026-01-04")
    assert first.facts["days"] == ["2026-01-03", "2026-01-04"]
    assert lake.rows("curated.events", "event_id", "product_category") == [("v2", "shoes"), ("v3", "boots"), ("v4", "boots")]
    audit = audits.read_audit(audits.FOLDER / "event_versions_exist.sql")
    assert audits.run_audit(lake.lake, audit, audits.full_values(lake.lake, at("4 00:00").date())).rows == 0
    assert audits.run_audit(lake.lake, audit).rows == 1, "if no day waited"
    second = lake.publish_curated("--version-days=2", run="three", day="2026-01-04")
    assert second.facts["days"] == ["2026-01-02"]
    assert lake.rows("curated.events", "product_category") == ["boots"] * 3
    assert waiting_days.of_branch(lake.lake) == []


def test_a_rebuild_changes_no_content(three_runs: LocalLake) -> None:
    contents, commits = three_runs.contents(), three_runs.commits()
    receipt = three_runs.recompute("--rebuild", run="rebuild", day="2026-01-02")
    assert "2026-01-02" in receipt.facts["days"]
    assert three_runs.contents() == contents
    assert three_runs.commits()["curated.events"] > commits["curated.events"]


def test_a_rebuild_of_several_days_recomputes_each_of_them_and_changes_no_content(three_runs: LocalLake) -> None:
    contents = three_runs.contents()
    receipt = three_runs.recompute("--rebuild", "--rebuild-from=2025-12-31", run="rebuild_range", day="2026-01-04")
    assert receipt.facts["days"] == ["2025-12-31", "2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]
    assert three_runs.contents() == contents


def test_a_rebuild_that_begins_after_its_day_is_an_error(three_runs: LocalLake) -> None:
    offsets = json.dumps(three_runs.offsets)
    code, receipt = three_runs.run(curate, "--end-offsets", offsets, "--rebuild-from=2026-01-05", run="wrong", day="2026-01-04")
    assert code == 1
    assert "--rebuild-from 2026-01-05 is after --day 2026-01-04" in receipt.error


def test_a_second_attempt_on_the_same_branch_equals_the_first(new_lake: Callable[[], LocalLake]) -> None:
    lake = new_lake()
    lake.send(event("x", "view_item", "2 10:00", "s1", product_id="p1"))
    lake.publish_unaudited(run="one")
    lake.send(event("y", "view_item", "2 10:10", "s1", product_id="p1"), event("x", "view_item", "3 10:00", "s2"))
    first = lake.recompute(run="two")
    contents = lake.contents()
    second = lake.recompute(run="two")
    assert lake.contents() == contents
    assert (second.facts, second.content) == (first.facts, first.content)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"0": -1}', '{"a": 1}', "12"])
def test_bad_end_offsets_are_rejected_in_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ARGUMENTS | {"--end-offsets": text}
    with pytest.raises(SystemExit) as exit_info:
        curate.main([word for pair in arguments.items() for word in pair])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert "is not a JSON object of end offsets by Kafka partition" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--day": "2026-02-30"}, "is not a day"),
        ({"--days": "2026-01-02,yesterday"}, "is not a day"),
        ({"--receipt": "http://somewhere/r.json"}, "is not a receipt URI"),
    ],
)
def test_a_bad_argument_is_rejected_in_one_line(change: dict[str, str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ARGUMENTS | {"--days": ""} | change
    with pytest.raises(SystemExit) as exit_info:
        marts.main([word for pair in arguments.items() for word in pair])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
