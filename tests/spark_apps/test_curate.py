"""Three nights of a small shop with everything that can go wrong, and the same events taken in one night."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from spark_apps import curate, marts
from tests.spark_apps.little_lake import LittleLake, at


def event(event_id: str, kind: str, when: str, session: str, **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "event_type": kind, "event_time": when, "session_id": session, **more}


def first_night() -> list[dict[str, Any]]:
    return [
        event("a", "view_item", "2 10:00", "s1", user_id="u1", product_id="p1"),
        event("b", "purchase", "2 10:05", "s1", user_id="u1", product_id="p1", price="10.00", quantity=2, currency="EUR", order_id="o1"),
        event("b", "purchase", "2 10:05", "s1", user_id="u1", product_id="p1", price="10.00", quantity=2, currency="EUR", order_id="o1"),
        event("m1", "view_item", "2 23:50", "midnight", product_id="p2"),
        event("m2", "add_to_cart", "3 00:10", "midnight", product_id="p2", user_id="u2"),
        event("g1", "page_view", "2 08:00", "gap"),
        event("g2", "page_view", "2 08:30", "gap", device_id="d1"),
        event("g3", "page_view", "2 09:00:00.001", "gap"),
        event("poor", "purchase", "2 12:00", "s4"),
        event("early", "view_item", "1 10:00", "s5", user_id="u1", product_id="p1"),
        event("rival", "view_item", "2 15:00", "r1", product_id="p3", ingested_at=at("70 12:00")),
    ]


def second_night() -> list[dict[str, Any]]:
    return [
        event("late", "view_item", "2 23:30", "midnight", product_id="p2"),
        event("a", "view_item", "4 10:00", "s1", user_id="u1", product_id="p1"),
        event("back", "refund", "4 11:00", "s9", user_id="u1", product_id="p1", price="10.00", quantity=1, order_id="o1"),
    ]


def third_night() -> list[dict[str, Any]]:
    return [
        event("m3", "view_item", "3 00:35", "midnight", product_id="p2", partition=1),
        # It came to the broker before the one that is published, on another day and in another partition.
        event("rival", "view_item", "3 15:00", "r2", product_id="p3", partition=1, ingested_at=at("69 12:00")),
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
def nights(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> LittleLake:
    lake = LittleLake(spark, 900, tmp_path_factory.mktemp("nights"))
    lake.insert("landing.users", *users())
    lake.insert("landing.products", *products())
    lake.send(*first_night())
    lake.quarantine(2)
    lake.receipts.append(lake.night(run="one", day="2026-01-02"))
    lake.insert("landing.products", correction())
    lake.send(*second_night())
    lake.receipts.append(lake.night(run="two", day="2026-01-03"))
    lake.send(*third_night())
    lake.receipts.append(lake.night(run="three", day="2026-01-04"))
    return lake


@pytest.fixture(scope="module")
def one_night(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> LittleLake:
    lake = LittleLake(spark, 901, tmp_path_factory.mktemp("one_night"))
    lake.insert("landing.users", *users())
    lake.insert("landing.products", *products(), correction())
    lake.send(*first_night())
    lake.quarantine(2)
    lake.send(*second_night())
    lake.send(*third_night())
    lake.night(run="all", day="2026-01-04")
    return lake


def test_several_nights_give_what_one_night_over_all_gives(nights: LittleLake, one_night: LittleLake) -> None:
    assert nights.contents("curated.ingest_ledger") == one_night.contents("curated.ingest_ledger")


def test_each_event_stands_once_and_the_first_arrival_wins(nights: LittleLake) -> None:
    found = dict(nights.rows("curated.events", "event_id", "event_day"))
    assert len(found) == nights.table("curated.events").count() == 13
    assert (str(found["a"]), str(found["rival"])) == ("2026-01-02", "2026-01-03")


def test_the_ledger_accounts_for_every_record(nights: LittleLake) -> None:
    columns = ("run", "kafka_partition", "start_offset", "end_offset", "accepted", "duplicates", "quarantined", "late")
    assert nights.rows("curated.ingest_ledger", *columns) == [
        ("one", 0, 0, 13, 10, 1, 2, 0),
        ("three", 1, 0, 2, 2, 0, 0, 2),
        ("two", 0, 13, 16, 2, 1, 0, 1),
    ]


def test_an_event_carries_the_versions_valid_at_its_time(nights: LittleLake) -> None:
    found = {row[0]: row[1:] for row in nights.rows("curated.events", "event_id", "user_country", "product_category")}
    assert found["early"] == (None, "shoes"), "before the first version of the user"
    assert found["a"] == ("DE", "boots"), "the product was corrected after its day was published"
    assert found["b"] == ("FR", "boots"), "a version begins at its first instant"
    assert found["m2"] == (None, None), "nothing is known of them"


def test_sessions_cross_midnight_and_grow_with_late_events(nights: LittleLake) -> None:
    columns = ("started_at", "ended_at", "session_day", "events", "views", "carts", "user_id")
    sessions = nights.table("curated.sessions").where("session_id = 'midnight'").selectExpr(*[f"string({c})" for c in columns]).collect()
    assert [tuple(row) for row in sessions] == [("2026-01-02 23:30:00", "2026-01-03 00:35:00", "2026-01-02", "4", "3", "1", "u2")]


def test_a_pause_of_exactly_thirty_minutes_ends_no_session(nights: LittleLake) -> None:
    sessions = nights.table("curated.sessions").where("session_id = 'gap'").orderBy("started_at").collect()
    assert [(row.events, row.device_id) for row in sessions] == [(2, "d1"), (1, None)]


def test_orders_take_refunds_of_later_days_and_lines_without_price(nights: LittleLake) -> None:
    columns = ("order_id", "currency", "lines", "items", "revenue", "refunded")
    assert nights.rows("curated.orders", *columns) == [
        ("event:poor", "", 1, 1, Decimal("0.00"), Decimal("0.00")),
        ("o1", "EUR", 1, 2, Decimal("20.00"), Decimal("10.00")),
    ]


def test_an_order_between_two_touched_stretches_of_days_is_counted_once(lake: LittleLake) -> None:
    buy = {"user_id": "u1", "product_id": "p1", "price": "10.00", "quantity": 1, "currency": "EUR", "order_id": "long"}
    lake.send(event("buy", "purchase", "1 10:00", "s1", **buy), event("back", "refund", "8 10:00", "s2", **buy))
    lake.send(event("other", "page_view", "5 09:00", "s3"))
    lake.night(run="one", day="2026-01-08")
    lake.send(event("straggler", "page_view", "5 10:00", "s3"), event("new", "page_view", "8 11:00", "s4"))
    lake.night(run="two", day="2026-01-09")
    [order] = lake.rows("curated.orders", "order_id", "lines", "revenue", "refunded")
    assert order == ("long", 1, Decimal("10.00"), Decimal("10.00"))


def test_the_marts_of_a_published_day_are_corrected(nights: LittleLake) -> None:
    funnel = {str(row.day): tuple(row)[1:] for row in nights.table("marts.funnel_daily").collect()}
    assert funnel["2026-01-02"] == (5, 3, 3, 2, 2, 0.4)
    revenue = nights.rows("marts.revenue_daily", "currency", "orders", "buyers", "items", "net_revenue")
    assert revenue == [("", 1, 0, 1, Decimal("0.00")), ("EUR", 1, 1, 2, Decimal("10.00"))]
    product = nights.table("marts.product_daily").where("product_id = 'p1' and day = '2026-01-02'").collect()[0]
    assert (product.category, product.views, product.viewers, product.purchases, product.items) == ("boots", 1, 1, 1, 2)
    assert nights.rows("marts.retention_weekly", "week", "users", "active") == [(0, 2, 2)]


def test_a_receipt_names_the_days_whose_marts_must_follow(nights: LittleLake) -> None:
    one, two, three = nights.receipts
    assert one.facts["days"] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert two.facts["days"] == ["2026-01-02", "2026-01-04"]
    assert three.facts["days"] == ["2026-01-02", "2026-01-03"]


def test_a_quiet_night_writes_nothing(nights: LittleLake) -> None:
    before = nights.snapshots()
    receipt = nights.work(run="quiet", day="2026-01-05")
    assert receipt.facts["days"] == []
    assert nights.snapshots() == before


def test_a_rebuild_changes_no_content(nights: LittleLake) -> None:
    before, commits = nights.contents(), nights.snapshots()
    receipt = nights.work("--rebuild", run="again", day="2026-01-02")
    assert "2026-01-02" in receipt.facts["days"]
    assert nights.contents() == before
    assert nights.snapshots()["curated.events"] > commits["curated.events"]


def test_a_second_attempt_on_the_same_branch_is_the_first_one_again(new_lake: Callable[[], LittleLake]) -> None:
    lake = new_lake()
    lake.send(event("x", "view_item", "2 10:00", "s1", product_id="p1"))
    lake.night(run="one")
    lake.send(event("y", "view_item", "2 10:10", "s1", product_id="p1"), event("x", "view_item", "3 10:00", "s2"))
    first = lake.work(run="two")
    contents = lake.contents()
    second = lake.work(run="two")
    assert lake.contents() == contents
    assert (second.facts, second.content) == (first.facts, first.content)


@pytest.mark.parametrize("cut", ["", "{}", "[1]", '{"0": -1}', '{"a": 1}', "12"])
def test_a_bad_cut_is_one_clear_line(cut: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--ref", "b", "--run", "r", "--day", "2026-01-02", "--receipt", "s3://lake/r.json", "--cut", cut]
    with pytest.raises(SystemExit) as stop:
        curate.main(words)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "is not a cut" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"--day": "2026-02-30"}, "is not a day"),
        ({"--days": "2026-01-02,yesterday"}, "is not a day"),
        ({"--receipt": "http://somewhere/r.json"}, "is not a place for a receipt"),
    ],
)
def test_a_bad_word_is_one_clear_line(change: dict[str, str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = {"--ref": "b", "--run": "r", "--day": "2026-01-02", "--receipt": "s3://lake/r.json", "--days": ""} | change
    with pytest.raises(SystemExit) as stop:
        marts.main([text for pair in words.items() for text in pair])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert len(error.splitlines()) == 1
