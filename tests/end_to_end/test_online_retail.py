"""A year of a real shop's invoices through the whole pipeline: the marts equal an independent computation.

The lake keeps two decimals of a price; four lines of the file have three and are rejected.
"""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clickstream_contracts import names
from tests.evaluation_data import evaluation_file
from tests.shop_day import Shop

# 540,000 events of 305 days.
pytestmark = pytest.mark.long

LAST_DAY = "2011-12-09"
LINES = 541_909
# Pieces of more than 10,000 in a line, negative prices, and prices of 0.001 break the limits of the contract.
REJECTED = 11


@pytest.fixture(scope="module")
def file(data_dir: Path) -> Path:
    return evaluation_file(data_dir, "online-retail/online_retail.csv.gz")


@pytest.fixture(scope="module")
def summary(shop: Shop, file: Path) -> dict[str, Any]:
    """The summary of the replay."""
    done = shop.run("tools.replay", "--file", str(file), "--mapping", "online-retail", "--json", ok=False)
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def nightly(shop: Shop, summary: dict[str, Any]) -> str:
    """The nightly run that published the file."""
    return shop.finish(names.NIGHTLY, shop.trigger_nightly(LAST_DAY), seconds=3600)


@pytest.fixture(scope="module")
def expected(file: Path) -> duckdb.DuckDBPyConnection:
    """The lines of the file in DuckDB: those within the limits, each line of an invoice once."""
    connection = duckdb.connect()
    connection.execute(
        f"""CREATE TABLE lines AS
        SELECT InvoiceNo AS invoice, StockCode AS product, Quantity::INT AS pieces, UnitPrice::DECIMAL(18, 3) AS exact_price,
            exact_price::DECIMAL(18, 2) AS price, min(InvoiceDate[:10])::DATE AS day
        FROM read_csv('{file}', all_varchar=true, header=true)
        WHERE abs(Quantity::INT) <= 10000 AND UnitPrice::DOUBLE >= 0 AND exact_price = price
        GROUP BY ALL"""
    )
    return connection


def test_each_line_is_sent_or_rejected(summary: dict[str, Any]) -> None:
    assert (summary["lines"], summary["rejected"], summary["sent"]) == (LINES, REJECTED, LINES - REJECTED)


def test_revenue_of_each_day_equals_the_file(shop: Shop, nightly: str, expected: duckdb.DuckDBPyConnection) -> None:
    rows = shop.table("marts.revenue_daily", row_filter="currency = 'GBP' and day < '2012-01-01'").to_pylist()
    days = expected.execute(
        """SELECT day, count(DISTINCT invoice), sum(pieces), sum(pieces * price)::DECIMAL(18, 2)
        FROM lines WHERE pieces > 0 GROUP BY day ORDER BY day"""
    ).fetchall()
    assert [
        (row["day"], row["orders"], row["items"], row["revenue"]) for row in sorted(rows, key=lambda r: r["day"]) if row["orders"]
    ] == days
    refunded = expected.execute("SELECT sum(-pieces * price)::DECIMAL(18, 2) FROM lines WHERE pieces < 0").fetchone()
    assert (sum(row["refunded"] for row in rows),) == refunded


def test_revenue_of_each_product_equals_the_file(shop: Shop, nightly: str, expected: duckdb.DuckDBPyConnection) -> None:
    connection = duckdb.connect()
    connection.register("mart", shop.table("marts.product_revenue_daily", row_filter="currency = 'GBP' and day < '2012-01-01'"))
    mart = connection.execute("SELECT product_id, sum(revenue)::DECIMAL(18, 2) FROM mart GROUP BY 1 HAVING sum(items) > 0").fetchall()
    products = expected.execute("SELECT product, sum(pieces * price)::DECIMAL(18, 2) FROM lines WHERE pieces > 0 GROUP BY 1").fetchall()
    assert set(mart) == set(products)
