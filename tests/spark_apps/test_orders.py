"""What an order is worth: repeated lines, several currencies, values of a whole order, refunds and guests."""

from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import functions as F

from clickstream_contracts.names import unknown_session
from tests.spark_apps.local_lake import LocalLake

Row = tuple[Any, ...]


def rows(lake: LocalLake, table: str, *columns: str) -> list[Row]:
    """Returns SQL expressions over the rows of a table, sorted."""
    return sorted((tuple(row) for row in lake.table(table).selectExpr(*columns).collect()), key=repr)


def line(event_id: str, order_id: str | None, when: str = "2 10:00", kind: str = "purchase", **more: Any) -> dict[str, Any]:
    """Returns a purchase of one kettle for 49.90 EUR by an unknown user in the session `s-<order>`."""
    event = {"event_id": event_id, "event_type": kind, "event_time": when, "session_id": f"s-{order_id}", "order_id": order_id}
    return event | {"product_id": "kettle", "price": "49.90", "quantity": 1, "currency": "EUR"} | more


def total(event_id: str, order_id: str, price: str | None, when: str = "2 10:00", kind: str = "purchase") -> dict[str, Any]:
    """Returns an event that gives the value of a whole order, without product and quantity."""
    return line(event_id, order_id, when, kind, product_id=None, quantity=None, price=price)


def events() -> list[dict[str, Any]]:
    reloaded = [line("r1", "reloaded"), line("r2", "reloaded", "2 10:01"), line("r3", "reloaded", "3 09:00", session_id="later")]
    basket = [line(f"b{n}", "basket", product_id=f"sku-{n}", price=5 + n) for n in range(7)]
    full_refund = [
        line("f1", "sofa", product_id="sofa", price=400),
        line("f2", "sofa", product_id="lamp", price=50, quantity=2),
        total("f3", "sofa", "500", "3 10:00", "refund"),
    ]
    refund_without_value = [line("w1", "empty-refund"), total("w2", "empty-refund", None, "3 10:00", "refund")]
    refund_of_a_product_without_price = [line("p1", "no-price", quantity=2), line("p2", "no-price", "3 10:00", "refund", price=None)]
    piece_by_piece = [
        line("n1", "pieces", quantity=2),
        line("n2", "pieces", "3 10:00", "refund"),
        line("n3", "pieces", "3 11:00", "refund"),
        line("n4", "pieces", "3 12:00", "refund"),
    ]
    lines_and_total = [line("t1", "both"), total("t2", "both", "49.90"), total("t3", "both", "49.90", "2 10:01")]
    unpriced = [line(f"u{n}", "unpriced", product_id=f"vase-{n}", price=None) for n in range(2)] + [total("u2", "unpriced", "80")]
    mixed = [
        line("m1", "mixed", currency="USD", price=100, product_id="ring"),
        line("m2", "mixed", currency="JPY", price=500, product_id="post"),
        line("m3", "yen", currency="JPY", price=15000, product_id="ring"),
        line("m4", "lower-case", currency="eur", price=95, product_id="ring"),
        line("m5", "upper-case", currency="EUR", price=95, product_id="ring"),
    ]
    guests = [
        line("g1", "guest-1", device_id="d1", session_id="x1"),
        line("g2", "guest-2", device_id="d1", session_id="x2"),
        line("g3", "guest-3", session_id=unknown_session("g3")),
        line("g4", "guest-4", session_id=unknown_session("g4")),
    ]
    no_currency = [line("c1", "half", currency=None), line("c2", "half"), line("c3", "half", product_id="cup", currency=None, price=5)]
    return [
        *reloaded, *basket, *full_refund, *refund_without_value, *refund_of_a_product_without_price, *piece_by_piece, *lines_and_total,
        *unpriced, *mixed, *guests, *no_currency, total("v1", "value-only", "80"), line("o1", None), line("o2", None),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def shop(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> LocalLake:
    lake = LocalLake(spark, tmp_path_factory.mktemp("orders"))
    lake.send(*events())
    lake.nightly(day="2026-01-02")
    return lake


@pytest.fixture(scope="module")
def orders(shop: LocalLake) -> dict[str, Row]:
    """Returns (lines, revenue, refunded) by order."""
    return {row[0]: row[1:] for row in rows(shop, "curated.orders", "order_id", "lines", "string(revenue)", "string(refunded)")}


@pytest.mark.parametrize(
    ("order_id", "expected"),
    [
        pytest.param("reloaded", (1, "49.90", "0.00"), id="a thank-you page loaded three times is one order line"),
        pytest.param("basket", (7, "56.00", "0.00"), id="seven products are seven lines"),
        pytest.param("sofa", (2, "500.00", "500.00"), id="a full refund without items has the value of the order"),
        pytest.param("empty-refund", (1, "49.90", "49.90"), id="a refund without any value returns what is left of the order"),
        pytest.param("no-price", (1, "99.80", "49.90"), id="a refunded product has the price of its purchase"),
        pytest.param("pieces", (1, "99.80", "99.80"), id="equal refunds count up to the pieces bought"),
        pytest.param("both", (1, "49.90", "0.00"), id="the value of an order is not added to its lines"),
        pytest.param("unpriced", (3, "80.00", "0.00"), id="an order whose products have no prices has its value"),
        pytest.param("value-only", (1, "80.00", "0.00"), id="an order without items has its value"),
        pytest.param("mixed", (2, "100.00", "0.00"), id="two currencies of one order are not added"),
        pytest.param("half", (2, "54.90", "0.00"), id="a line without currency has that of its order"),
        pytest.param("event:o1", (1, "49.90", "0.00"), id="purchases without order id are no repeats"),
        pytest.param("event:o2", (1, "49.90", "0.00"), id="nor is the second one"),
    ],
)
def test_an_order_is_worth_each_of_its_lines_once(orders: dict[str, Row], order_id: str, expected: Row) -> None:
    assert orders[order_id] == expected


def test_repeats_are_recorded_with_the_line_that_counts(shop: LocalLake) -> None:
    repeated = shop.table("curated.order_lines").where("NOT counted").select("event_id", "reason", "repeat_of").collect()
    assert {row.event_id: (row.reason, row.repeat_of) for row in repeated} == {
        "r2": ("repeat", "r1"),
        "r3": ("repeat", "r1"),
        "n4": ("repeat", "n2"),
        "t2": ("order_total", None),
        "t3": ("order_total", None),
        "c2": ("repeat", "c1"),
    }
    repeats = {order_id: count for order_id, count in rows(shop, "curated.orders", "order_id", "repeats") if count}
    assert repeats == {"reloaded": 2, "pieces": 1, "both": 2, "half": 1}


def test_repeats_count_neither_in_sessions_nor_in_products(shop: LocalLake) -> None:
    sessions = {row[0]: row[1:] for row in rows(shop, "curated.sessions", "session_id", "purchases", "string(revenue)", "currency")}
    assert sessions["s-reloaded"] == (1, "49.90", "EUR")
    assert sessions["later"] == (0, "0.00", None)
    kettles = shop.table("marts.product_daily").where("product_id = 'kettle'").selectExpr("string(day)", "purchases", "items").collect()
    # reloaded, empty-refund, no-price (2 pieces), pieces (2), both, four guests, half, and two without order id.
    assert [tuple(row) for row in kettles] == [("2026-01-02", 12, 14)]


def test_no_number_adds_two_currencies(shop: LocalLake) -> None:
    revenue = {row[0]: row[1:] for row in rows(shop, "marts.revenue_daily", "currency", "orders", "string(revenue)")}
    assert set(revenue) == {"EUR", "JPY", "USD"}
    assert revenue["JPY"] == (1, "15500.00")
    assert revenue["USD"] == (1, "100.00")
    rings = shop.table("marts.product_revenue_daily").where("product_id = 'ring'").select("currency", "purchases", "revenue").collect()
    assert sorted(tuple(row) for row in rings) == [
        ("EUR", 2, Decimal("190.00")),
        ("JPY", 1, Decimal("15000.00")),
        ("USD", 1, Decimal("100.00")),
    ]
    [ring] = (
        shop.table("marts.product_daily").where("product_id = 'ring'").select("purchases", "currency", "revenue", "currencies").collect()
    )
    assert tuple(ring) == (4, "EUR", Decimal("190.00"), 3)
    [session] = shop.table("curated.sessions").where("session_id = 's-mixed'").select("revenue", "currency", "currencies").collect()
    assert tuple(session) == (Decimal("100.00"), "USD", 2)


def test_guests_are_buyers_and_unknown_sessions_are_counted(shop: LocalLake) -> None:
    [euro] = shop.table("marts.revenue_daily").where("currency = 'EUR'").select("orders", "buyers").collect()
    # All orders are of guests, each in a session of its own, but guest-1 and guest-2 share a device and o1 and o2 a session.
    assert euro.orders - euro.buyers == 2
    [funnel] = shop.table("marts.funnel_daily").where("day = '2026-01-02'").select("sessions", "unknown").collect()
    assert funnel.unknown == 2
    assert funnel.sessions > 10


def test_a_repeat_that_arrives_nights_later_changes_no_revenue(lake: LocalLake) -> None:
    lake.send(line("a", "o1", session_id="s1"))
    lake.publish_unaudited(run="one", day="2026-01-02")
    before = lake.contents("curated.ingest_ledger")
    lake.send(line("b", "o1", "5 10:00", session_id="s2"))
    lake.nightly(run="two", day="2026-01-05")
    after = lake.contents("curated.ingest_ledger")
    assert after["marts.product_revenue_daily"] == before["marts.product_revenue_daily"]
    [revenue] = rows(lake, "marts.revenue_daily", "string(day)", "orders", "string(revenue)", "repeats")
    assert revenue == ("2026-01-02", 1, "49.90", 1)
    assert rows(lake, "curated.sessions", "session_id", "purchases") == [("s1", 1), ("s2", 0)]


@pytest.mark.long
def test_orders_of_an_earlier_release_stay_as_they_are_until_they_change(lake: LocalLake) -> None:
    lake.send(line("a", "o1"), line("b", "o1", "2 10:01"), line("c", "o2"))
    lake.publish_unaudited(run="one", day="2026-01-02")
    as_earlier_release(lake)
    lake.send({"event_id": "view", "event_type": "view_item", "event_time": "4 10:00", "session_id": "s9", "product_id": "kettle"})
    lake.publish_unaudited(run="two", day="2026-01-04")
    assert rows(lake, "curated.orders", "order_id", "lines", "string(revenue)") == [("o1", 2, "99.80"), ("o2", 1, "49.90")]
    lake.send(line("d", "o1", "5 10:00", "refund"))
    lake.nightly(run="three", day="2026-01-05")
    orders = rows(lake, "curated.orders", "order_id", "lines", "string(revenue)", "string(refunded)")
    assert orders == [("o1", 1, "49.90", "49.90"), ("o2", 1, "49.90", "0.00")]
    revenue = rows(lake, "marts.revenue_daily", "orders", "string(revenue)", "string(refunded)")
    assert revenue == [(2, "99.80", "49.90")]


def test_refunds_are_also_counted_on_the_day_on_which_they_were_made(shop: LocalLake) -> None:
    refunds = rows(shop, "marts.refunds_daily", "string(day)", "currency", "refunds", "orders", "string(refunded)", "is_complete")
    # 500 of sofa, 49.90 of empty-refund, 49.90 of no-price and two of the three of `pieces`; the third is a repeat.
    assert refunds == [("2026-01-03", "EUR", 5, 4, "699.60", False)]


def test_a_late_order_changes_the_day_of_its_refund(lake: LocalLake) -> None:
    """A refund without a price has that of its purchase, which may arrive in a later run."""
    lake.send(line("back", "o1", "5 10:00", "refund", price=None))
    lake.publish_unaudited(run="one", day="2026-01-05")
    assert rows(lake, "marts.refunds_daily", "string(day)", "refunds", "string(refunded)") == [("2026-01-05", 1, "0.00")]
    lake.send(line("bought", "o1", "2 10:00"))
    lake.nightly(run="two", day="2026-01-06")
    assert rows(lake, "marts.refunds_daily", "string(day)", "refunds", "string(refunded)") == [("2026-01-05", 1, "49.90")]


@pytest.mark.long
def test_a_new_table_of_refunds_has_the_days_of_earlier_runs(lake: LocalLake) -> None:
    lake.send(line("bought", "o1"), line("back", "o1", "3 10:00", "refund"))
    lake.publish_unaudited(run="one", day="2026-01-03")
    lake.lake.replace("marts.refunds_daily", lake.table("marts.refunds_daily").where("false"))
    lake.publish()
    lake.send({"event_id": "view", "event_type": "view_item", "event_time": "6 10:00", "session_id": "s9", "product_id": "kettle"})
    lake.nightly(run="two", day="2026-01-06")
    assert rows(lake, "marts.refunds_daily", "string(day)", "string(refunded)") == [("2026-01-03", "49.90")]


def test_a_session_of_refunds_alone_is_no_visit(lake: LocalLake) -> None:
    lake.send(
        line("a", "o1"),
        line("r", "o1", "2 15:00", "refund", session_id="back-office"),
        line("s", "o1", "3 15:00", "refund", session_id="back-office"),
    )
    lake.nightly(day="2026-01-03")
    assert rows(lake, "curated.sessions", "session_id", "events", "refunds")[:2] == [("back-office", 1, 1), ("back-office", 1, 1)]
    assert rows(lake, "marts.funnel_daily", "string(day)", "sessions", "purchased", "conversion") == [("2026-01-02", 1, 1, 1.0)]


def test_sums_of_more_than_sixteen_digits_do_not_stop_the_run(lake: LocalLake) -> None:
    dear: dict[str, Any] = {"price": 1_000_000_000, "quantity": 10_000}
    lake.send(*(line(f"d{n}", f"o{n % 2}", product_id=f"p{n}", **dear) for n in range(1001)))
    lake.send(line("rest", "o0", "2 12:00", "refund", price=None, product_id=None, quantity=None))
    lake.nightly()
    assert rows(lake, "marts.revenue_daily", "string(revenue)") == [("10010000000000000.00",)]


def as_earlier_release(lake: LocalLake) -> None:
    """Rewrite the published tables as the release without order lines left them: each repeat counts, and new columns are null."""
    for table in ("curated.order_lines", "marts.product_revenue_daily"):
        lake.lake.replace(table, lake.table(table).where("false"))
    of_o1 = "IF(order_id = 'o1', 2, 1)"
    rewrite(
        lake,
        "curated.orders",
        lines=of_o1,
        items=of_o1,
        revenue="49.90 * lines",
        currencies="NULL",
        repeats="NULL",
        device_id="NULL",
        line_days="NULL",
    )
    rewrite(
        lake,
        "curated.sessions",
        purchases="IF(session_id = 's-o1', 2, 1)",
        revenue="49.90 * purchases",
        currency="NULL",
        currencies="NULL",
        refunds="NULL",
    )
    rewrite(lake, "marts.product_daily", purchases="3", items="3", revenue="149.70", currency="NULL", currencies="NULL", is_complete="NULL")
    rewrite(lake, "marts.revenue_daily", items="3", buyers="0", revenue="149.70", net_revenue="149.70", is_complete="NULL", repeats="NULL")
    rewrite(lake, "marts.funnel_daily", unknown="NULL", is_complete="NULL")
    lake.publish()


def rewrite(lake: LocalLake, table: str, **columns: str) -> None:
    """Replace columns of a whole table by SQL expressions, in their order."""
    frame = lake.table(table)
    for name, text in columns.items():
        frame = frame.withColumn(name, F.expr(text).cast(frame.schema[name].dataType))
    lake.lake.replace(table, frame.localCheckpoint())
