"""Revenue in the reporting currency: the rate of the day or the newest one before it, exactly rounded, and null where none is known."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from spark_apps.audits import app as audits
from tests.spark_apps.local_lake import LocalLake

COLUMNS = ("reporting_currency", "reporting_rate", "reporting_revenue", "reporting_refunded", "reporting_net_revenue")
Row = tuple[Any, ...]


def purchase(day: int, currency: str | None, price: str, kind: str = "purchase", order: str = "") -> dict[str, Any]:
    """Returns a purchase of one piece; without `order` it is the only one of its order."""
    order_id = order or f"o-{day}-{currency}"
    event = {"event_id": f"{kind}-{order_id}-{day}", "event_type": kind, "event_time": f"{day} 10:00", "session_id": order_id}
    return event | {"order_id": order_id, "product_id": "p", "quantity": 1, "price": price, "currency": currency}


def rates(currency: str, **rate_by_day: str) -> list[dict[str, Any]]:
    """Returns rows of landing.currency_rates in EUR; `d2` is 2026-01-02."""
    return [
        {"reporting_currency": "EUR", "currency": currency, "day": date(2026, 1, int(day[1:])), "rate": Decimal(rate)}
        for day, rate in rate_by_day.items()
    ]


def revenue(lake: LocalLake) -> dict[tuple[int, str], Row]:
    """Returns the reporting columns as texts by day of January and currency."""
    rows = lake.table("marts.revenue_daily").selectExpr("day(day)", "currency", *(f"string({name})" for name in COLUMNS)).collect()
    return {(row[0], row[1]): tuple(row)[2:] for row in rows}


@pytest.fixture(scope="module")
def shop(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> LocalLake:
    lake = LocalLake(spark, tmp_path_factory.mktemp("rates"))
    lake.insert(
        "landing.currency_rates",
        *rates("USD", d2="0.85", d4="0.86", d20="0.99"),
        *rates("JPY", d3="0.0055"),
        *rates("KWD", d1="2.7712345", d9="2.77123455"),
    )
    lake.send(
        *(purchase(day, "USD", "10.00") for day in (1, 2, 3, 4, 11, 12)),
        purchase(2, "EUR", "19.99"),
        purchase(2, None, "5.00"),
        purchase(3, "JPY", "15001"),
        purchase(2, "KWD", "0.05"),
        purchase(9, "KWD", "999.99"),
        purchase(3, "USD", "3.33", "refund", order="o-2-USD"),
    )
    lake.nightly(day="2026-01-12")
    return lake


@pytest.mark.parametrize(
    ("day", "currency", "expected"),
    [
        (2, "USD", ("EUR", "0.85000000", "8.50", "2.83", "5.67")),  # 2.8305 down
        (3, "USD", ("EUR", "0.85000000", "8.50", "0.00", "8.50")),  # the rate of the day before
        (4, "USD", ("EUR", "0.86000000", "8.60", "0.00", "8.60")),
        (11, "USD", ("EUR", "0.86000000", "8.60", "0.00", "8.60")),  # seven days old
        (2, "EUR", ("EUR", "1.00000000", "19.99", "0.00", "19.99")),
        (3, "JPY", ("EUR", "0.00550000", "82.51", "0.00", "82.51")),  # 82.5055 up
        (2, "KWD", ("EUR", "2.77123450", "0.14", "0.00", "0.14")),  # 0.138561725
        (9, "KWD", ("EUR", "2.77123455", "2771.21", "0.00", "2771.21")),  # 2771.2068376545
    ],
)
def test_amounts_are_converted_by_the_newest_rate_of_the_days_before(shop: LocalLake, day: int, currency: str, expected: Row) -> None:
    assert revenue(shop)[day, currency] == expected


@pytest.mark.parametrize(("day", "currency"), [(1, "USD"), (12, "USD"), (2, "")], ids=["before the first", "eight days old", "no currency"])
def test_without_a_rate_there_is_no_amount(shop: LocalLake, day: int, currency: str) -> None:
    assert revenue(shop)[day, currency] == ("EUR", None, None, None, None)


def test_an_audit_names_the_days_and_currencies_without_a_rate(shop: LocalLake) -> None:
    audit = audits.read_audit(audits.FOLDER / "reporting_rates_known.sql")
    result = audits.run_audit(shop.lake, audit)
    assert audit.severity == "warn"
    assert [(row["day"], row["currency"], row["fix"].split(",")[0]) for row in result.sample] == [
        ("2026-01-12", "USD", "load a rate"),
        ("2026-01-02", "", "load a rate"),
        ("2026-01-01", "USD", "load a rate"),
    ]


def test_a_half_cent_is_rounded_up(lake: LocalLake) -> None:
    lake.insert("landing.currency_rates", *rates("USD", d2="0.5"))
    lake.send(purchase(2, "USD", "0.01"), purchase(3, "USD", "0.05"))
    lake.nightly()
    assert sorted(row[2] for row in revenue(lake).values()) == ["0.01", "0.03"]


def test_rates_that_come_later_count_after_a_rebuild_of_the_day(lake: LocalLake) -> None:
    lake.send(purchase(2, "USD", "10.00"))
    lake.publish_unaudited(run="one", day="2026-01-02")
    assert revenue(lake) == {(2, "USD"): (None, None, None, None, None)}
    lake.insert("landing.currency_rates", *rates("USD", d2="0.85"))
    lake.send(purchase(3, "USD", "20.00"))
    lake.publish_unaudited(run="two", day="2026-01-03")
    assert revenue(lake)[2, "USD"] == (None, None, None, None, None)
    result = audits.run_audit(lake.lake, audits.read_audit(audits.FOLDER / "reporting_rates_known.sql"))
    assert [(row["day"], row["known_rate"], row["fix"]) for row in result.sample] == [("2026-01-02", "0.85000000", "rebuild the day")]
    lake.nightly("--rebuild", run="three", day="2026-01-02")
    assert revenue(lake)[2, "USD"] == ("EUR", "0.85000000", "8.50", "0.00", "8.50")
    assert revenue(lake)[3, "USD"] == ("EUR", "0.85000000", "17.00", "0.00", "17.00")


def test_a_converted_amount_of_more_than_sixteen_digits_is_exact(lake: LocalLake) -> None:
    lake.insert("landing.currency_rates", *rates("KWD", d2="9000000000"))
    lake.send(purchase(2, "KWD", "999999999.99"))
    lake.nightly()
    assert revenue(lake)[2, "KWD"] == ("EUR", "9000000000.00000000", "8999999999910000000.00", "0.00", "8999999999910000000.00")
