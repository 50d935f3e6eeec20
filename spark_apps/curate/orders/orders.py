"""Computes curated.orders: the purchases and refunds of an order_id."""

from datetime import date
from pathlib import Path

from pyspark.sql import functions as F

from spark_apps.common.lake import Lake
from spark_apps.curate.days import time_ranges

SQL = Path(__file__).parent
TABLE = "curated.orders"


def write_orders(lake: Lake, days: list[date]) -> list[date]:
    """Recompute the orders with events on the days; returns the days of the orders that changed."""
    lake.view(SQL / "order_ids_of_days.sql", days=days)
    lake.view(SQL / "affected_orders.sql", ranges=time_ranges(days)).cache()
    affected_days = lake.column(SQL / "affected_order_days.sql")
    lake.view(SQL / "orders.sql", days=days, read_days=sorted({*days, *affected_days})).cache()
    changed_days = lake.column(SQL / "changed_order_days.sql")
    if changed_days:
        lake.replace(TABLE, lake.sql(SQL / "orders_of_changed_days.sql", days=changed_days), F.col("order_day").isin(changed_days))
    return changed_days
