"""Computes curated.order_lines and curated.orders: the purchases and refunds of an order_id, each line once."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pyspark.sql import functions as F

from spark_apps.common.lake import Lake

SQL = Path(__file__).parent
TABLE = "curated.orders"
LINES_TABLE = "curated.order_lines"


@dataclass(frozen=True)
class OrderDays:
    """The days of the orders and of the lines that changed; `recounted`: of purchases that count now and did not before, or vice versa."""

    orders: list[date]
    lines: list[date]
    recounted: list[date]


def write_orders(lake: Lake, days: list[date]) -> OrderDays:
    """Recompute the orders with events on the days, and their lines."""
    lake.view(SQL / "order_ids_of_days.sql", days=days)
    lake.view(SQL / "affected_orders.sql", days=days).cache()
    read_days = sorted({*days, *lake.column(SQL / "affected_order_days.sql")})
    lake.view(SQL / "order_lines.sql", days=days, read_days=read_days).cache()
    lake.view(SQL / "orders.sql").cache()
    line_days = lake.column(SQL / "changed_line_days.sql", read_days=read_days)
    if line_days:
        lake.replace(LINES_TABLE, lake.sql(SQL / "lines_of_changed_days.sql", days=line_days), F.col("line_day").isin(line_days))
    order_days = lake.column(SQL / "changed_order_days.sql")
    if order_days:
        lake.replace(TABLE, lake.sql(SQL / "orders_of_changed_days.sql", days=order_days), F.col("order_day").isin(order_days))
    recounted = lake.column(SQL / "recounted_days.sql", read_days=read_days) if line_days else []
    return OrderDays(order_days, line_days, recounted)
