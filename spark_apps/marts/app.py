"""Computes the marts of the days that curate has written, from the curated tables."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickstream_contracts import currencies, names
from clickstream_contracts.receipt import Receipt
from spark_apps.common import shop_days
from spark_apps.common.cli import LakeOpener, argument_parser, day, run_app
from spark_apps.common.lake import Lake, open_lake
from spark_apps.marts import late_scores

APP = "marts"
SQL = Path(__file__).parent
REFUNDS = "marts.refunds_daily"
DAILY = ("marts.funnel_daily", "marts.revenue_daily", "marts.product_daily", "marts.product_revenue_daily", REFUNDS)
# Recomputed as a whole: one event can move a user to another cohort, and a fraud score can arrive days after its event.
WHOLE = ("marts.retention_weekly", "marts.fraud_daily")


def days(text: str) -> list[date]:
    """Parse days separated by commas; an empty text is an empty list."""
    return sorted({day(part.strip()) for part in text.split(",") if part.strip()})


@dataclass(frozen=True)
class CompleteDays:
    """`until` is the newest day that was over at the newest run; `newly` are the days that were not over at the published run."""

    until: date
    newly: list[date]


def complete_days(lake: Lake, day_of_run: date) -> CompleteDays:
    """Returns which days are complete: those up to the newest day in the ledger, or without any run up to `day_of_run`."""
    [row] = lake.sql(SQL / "newest_run_days.sql").collect()
    until = row["newest_day"] or day_of_run
    since = row["published_day"] or until
    return CompleteDays(until, [since + timedelta(days=n) for n in range(1, (until - since).days + 1)])


def refund_days(lake: Lake, mart_days: list[date]) -> list[date]:
    """Returns the days of marts.refunds_daily to compute: all days if none is published, because the table is new in this release."""
    if lake.column(SQL / "published_refund_day.sql"):
        return mart_days
    return sorted({*mart_days, *lake.column(SQL / "all_refund_days.sql")})


def write_mart(lake: Lake, table: str, chosen_days: list[date], complete_until: date) -> DataFrame:
    """Write a mart: a daily one for the days, another one as a whole. Returns the rows written."""
    path = SQL / f"{table.split('.')[1]}.sql"
    values = {
        "complete_until": complete_until,
        "unknown_session": names.UNKNOWN_SESSION,
        "max_rate_age": currencies.MAX_RATE_AGE_DAYS,
    }
    if table in WHOLE:
        lake.replace(table, lake.sql(path, **values))
        return lake.table(table)
    return write_days(lake, table, lake.sql(path, days=chosen_days, **values), chosen_days)


def write_days(lake: Lake, table: str, rows: DataFrame, chosen_days: list[date]) -> DataFrame:
    """Replace the days of a daily mart; returns the rows written."""
    on_days = F.col("day").isin(chosen_days)
    lake.replace(table, rows, on_days)
    return lake.table(table).where(on_days)


def compute(lake: Lake, args: argparse.Namespace) -> Receipt:
    """Compute the marts of the days, and of days that are complete since the published run; none without any."""
    shop_days.require_same_zone(lake, args, APP)
    written: dict[str, DataFrame] = {}
    complete = complete_days(lake, args.day)
    mart_days = sorted({*args.days, *complete.newly})
    if args.days:
        # fraud_daily counts the late scores, so these come first.
        written[late_scores.TABLE] = write_days(lake, late_scores.TABLE, late_scores.late_scores(lake, args.days), args.days)
    if mart_days:
        lake.view(SQL / "purchases.sql", days=mart_days).cache()
        days_by_mart = dict.fromkeys((*DAILY, *WHOLE), mart_days) | {REFUNDS: refund_days(lake, mart_days)}
        with ThreadPoolExecutor(4) as pool:
            futures = {
                table: pool.submit(write_mart, lake, table, chosen_days, complete.until) for table, chosen_days in days_by_mart.items()
            }
        for table, future in futures.items():
            written[table] = future.result()
    return Receipt(
        app=APP,
        run=args.run,
        inputs={"ref": args.ref},
        rows=lake.row_counts(written),
        content=lake.contents(written),
        facts={"days": [str(chosen_day) for chosen_day in mart_days]},
    )


def main(argv: list[str], opener: LakeOpener = open_lake) -> int:
    """Run the app with its command line arguments; returns the exit code."""
    parser = argument_parser(APP, __doc__ or "")
    parser.add_argument("--days", required=True, type=days, help="days to compute, separated by commas; may be empty")
    return run_app(APP, parser, compute, argv, opener)
