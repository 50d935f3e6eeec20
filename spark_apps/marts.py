"""Computes the marts of the days that curate names, from the curated tables."""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickstream_contracts.fraud_rules import rules
from clickstream_contracts.receipt import Receipt
from spark_apps import late_scores
from spark_apps.engine import Lake, open_lake
from spark_apps.entry import Opener, day, parser, run

APP = "marts"
DAILY = ("marts.funnel_daily", "marts.revenue_daily", "marts.product_daily")
LATE = "marts.late_fraud_scores"
WHOLE = ("marts.retention_weekly", "marts.fraud_daily")


def days(text: str) -> list[date]:
    """Days with commas between them; none is a list too."""
    return sorted({day(part.strip()) for part in text.split(",") if part.strip()})


def _daily(lake: Lake, table: str, chosen: list[date]) -> DataFrame:
    where = F.col("day").isin(chosen)
    lake.replace(table, lake.sql(table.split(".")[1], days=chosen), where)
    return lake.table(table).where(where)


def _late(lake: Lake, chosen: list[date]) -> DataFrame:
    where = F.col("day").isin(chosen)
    unjudged = lake.view("unjudged", days=chosen, scored=list(rules().scored_events)).cache()
    # On most nights the stream has judged all, and the query over all patterns takes a while even to find nothing.
    judged = lake.table(LATE).where(F.lit(False)) if unjudged.isEmpty() else _judged(lake, chosen)
    lake.replace(LATE, judged, where)
    return lake.table(LATE).where(where)


def _judged(lake: Lake, chosen: list[date]) -> DataFrame:
    return lake.text(late_scores.text(), days=chosen, read_days=late_scores.days_read(chosen))


def _whole(lake: Lake, table: str) -> DataFrame:
    lake.replace(table, lake.sql(table.split(".")[1]))
    return lake.table(table)


def work(lake: Lake, args: argparse.Namespace) -> Receipt:
    """Each daily mart for the days. Retention whole, since one event can move a user; fraud whole, since scores come on their own way."""
    tasks: dict[str, Callable[[], DataFrame]] = {}
    # The fraud mart counts what the night judged, so that comes first.
    written = {LATE: _late(lake, args.days)} if args.days else {}
    if args.days:
        tasks |= {table: lambda table=table: _daily(lake, table, args.days) for table in DAILY}  # type: ignore[misc]
        tasks |= {table: lambda table=table: _whole(lake, table) for table in WHOLE}  # type: ignore[misc]
    with ThreadPoolExecutor(4) as pool:
        written |= dict(zip(tasks, pool.map(lambda task: task(), tasks.values()), strict=True))
    return Receipt(
        app=APP,
        run=args.run,
        inputs={"ref": args.ref},
        rows=lake.rows(written),
        content=lake.contents(written),
        facts={"days": [str(chosen) for chosen in args.days]},
    )


def main(argv: list[str], opener: Opener = open_lake) -> int:
    """Entry point: the arguments without the program's name, the exit code back."""
    found = parser(APP, __doc__ or "")
    found.add_argument("--days", required=True, type=days, help="days to compute, with commas; empty for none")
    return run(APP, found, work, argv, opener)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
