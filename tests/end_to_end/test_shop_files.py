"""Files of several shops through the whole pipeline: each line is counted, and the marts say what the files are worth."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.end_to_end import shop_files
from tests.shop_day import Shop

DAYS = (shop_files.GA4_DAY, shop_files.JSON_DAY, shop_files.SEGMENT_DAY, shop_files.QUOTES_DAY, shop_files.BASKETS_DAY)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    """The files with their mappings, by day."""
    folder = tmp_path_factory.mktemp("files")
    return {
        shop_files.GA4_DAY: (shop_files.ga4(folder), "ga4"),
        shop_files.JSON_DAY: (shop_files.two_currencies(folder), "jsonlog"),
        shop_files.SEGMENT_DAY: (shop_files.segment(folder), "segment"),
        shop_files.QUOTES_DAY: (shop_files.stray_quotes(folder), str(folder / "quotes.yaml")),
        shop_files.BASKETS_DAY: (shop_files.baskets(folder), "online-retail"),
    }


@pytest.fixture(scope="module")
def summaries(shop: Shop, files: dict[str, tuple[Path, str]]) -> dict[str, dict[str, Any]]:
    """The summaries of the replays, by day."""
    summaries = {}
    for day, (file, mapping) in files.items():
        # Rejected lines are an exit code of their own; the summary is printed all the same.
        done = shop.run("tools.replay", "--file", str(file), "--mapping", mapping, "--json", ok=False)
        summaries[day] = dict(json.loads(done.stdout))
    return summaries


@pytest.fixture(scope="module")
def nightly(shop: Shop, summaries: dict[str, dict[str, Any]]) -> str:
    """The nightly run that published all files."""
    return shop.nightly(DAYS[-1])


def revenue(shop: Shop, day: str) -> dict[str, dict[str, Any]]:
    """Returns the rows of marts.revenue_daily of a day by currency, amounts as texts."""
    rows = shop.table("marts.revenue_daily", row_filter=f"day = '{day}'").to_pylist()
    amounts = ("revenue", "refunded", "net_revenue")
    return {row["currency"]: row | {name: str(row[name]) for name in amounts} for row in rows}


def test_each_line_is_sent_or_rejected(summaries: dict[str, dict[str, Any]]) -> None:
    rejected = {day: summary["rejected"] for day, summary in summaries.items()}
    # Two lines have a stray quote, and a line of an order in USD is in JPY.
    assert rejected == dict.fromkeys(DAYS, 0) | {shop_files.QUOTES_DAY: 2, shop_files.JSON_DAY: 1}
    assert summaries[shop_files.QUOTES_DAY]["lines"] == shop_files.QUOTED_LINES
    # The thank-you page that was loaded again: the same line of the order has the same event_id, so the lake keeps it once.
    assert summaries[shop_files.GA4_DAY]["repeated_order_lines"] == 2


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (shop_files.GA4_DAY, shop_files.GA4_EXPECTED),
        (shop_files.JSON_DAY, shop_files.TWO_CURRENCIES_EXPECTED),
        (shop_files.SEGMENT_DAY, shop_files.SEGMENT_EXPECTED),
        (shop_files.QUOTES_DAY, {"EUR": {"orders": 298, "revenue": "745.00"}}),
    ],
)
def test_revenue_is_what_the_file_is_worth(shop: Shop, nightly: str, day: str, expected: dict[str, dict[str, Any]]) -> None:
    rows = revenue(shop, day)
    assert {currency: {name: rows[currency][name] for name in values} for currency, values in expected.items()} == expected
    assert rows.keys() == expected.keys()


def test_the_marts_of_baskets_equal_an_independent_computation(shop: Shop, files: dict[str, tuple[Path, str]], nightly: str) -> None:
    connection = duckdb.connect()
    connection.execute(
        f"""CREATE TABLE lines AS SELECT *, "Quantity"::INT AS pieces, abs("Quantity"::INT) * "Price"::DECIMAL(18, 2) AS amount
        FROM read_csv('{files[shop_files.BASKETS_DAY][0]}', all_varchar=true, header=true)"""
    )
    expected = connection.execute(
        """SELECT count(DISTINCT "Invoice") FILTER (pieces > 0), sum(pieces) FILTER (pieces > 0),
        sum(amount) FILTER (pieces > 0), sum(amount) FILTER (pieces < 0) FROM lines"""
    ).fetchone()
    row = shop.table("marts.revenue_daily", row_filter=f"day = '{shop_files.BASKETS_DAY}' and currency = 'GBP'").to_pylist()[0]
    assert (row["orders"], row["items"], row["revenue"], row["refunded"]) == expected
    products = connection.execute(
        """SELECT "StockCode", sum(amount) FILTER (pieces > 0) FROM lines GROUP BY 1 HAVING sum(amount) FILTER (pieces > 0) > 0"""
    ).fetchall()
    mart = shop.table("marts.product_revenue_daily", row_filter=f"day = '{shop_files.BASKETS_DAY}'").to_pylist()
    assert {(line["product_id"], line["revenue"]) for line in mart if line["revenue"]} == set(products)
    users = connection.execute("""SELECT DISTINCT "Customer ID"::DOUBLE::INT::VARCHAR FROM lines WHERE "Customer ID" <> ''""").fetchall()
    orders = shop.table("curated.orders", row_filter=f"order_day = '{shop_files.BASKETS_DAY}'").to_pylist()
    assert {order["user_id"] for order in orders if order["user_id"]} == {user for (user,) in users}
