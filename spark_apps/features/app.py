"""Computes the recommender's input: the training sessions of the last days, and the neighbours of each product in them."""

import argparse
from datetime import date, timedelta
from pathlib import Path

from clickstream_contracts import covisitation
from clickstream_contracts.receipt import Receipt
from spark_apps.common import shop_days
from spark_apps.common.cli import LakeOpener, argument_parser, day, run_app
from spark_apps.common.lake import Lake, open_lake
from spark_apps.features import item_neighbours

APP = "features"
SQL = Path(__file__).parent
SESSIONS = "features.training_sessions"
WINDOW_DAYS = 180
MAX_WINDOW_DAYS = 3660


def window(lake: Lake, args: argparse.Namespace) -> tuple[date, date]:
    """Returns the first and the last day of the window.

    Without --until it ends on the newest published day, even if the run is for an older one: a run that repeats an old day
    must not remove the newer sessions.
    """
    until = args.until or max([args.day, *lake.column(SQL / "newest_published_day.sql")])
    return until - timedelta(days=args.window_days - 1), until


def compute(lake: Lake, args: argparse.Namespace) -> Receipt:
    """Compute both tables; a table whose content is unchanged is not written."""
    shop_days.require_same_zone(lake, args, APP)
    since, until = window(lake, args)
    sessions = lake.refresh(SESSIONS, lake.sql(SQL / "training_sessions.sql", since=since, until=until))
    # item_neighbours reads the training sessions that were just written.
    neighbours = lake.refresh(item_neighbours.TABLE, item_neighbours.item_neighbours(lake, covisitation.item_neighbours()))
    results = {SESSIONS: sessions, item_neighbours.TABLE: neighbours}
    changed_tables = [table for table, (_, changed) in results.items() if changed]
    return Receipt(
        app=APP,
        run=args.run,
        inputs={"ref": args.ref},
        rows=lake.row_counts(results),
        content={table: content for table, (content, _) in results.items()},
        facts={"since": str(since), "until": str(until), "changed": changed_tables},
    )


def window_days(text: str) -> int:
    """Parse the number of days of the window."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_WINDOW_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days: use 1 to {MAX_WINDOW_DAYS}")
    return int(text)


def main(argv: list[str], opener: LakeOpener = open_lake) -> int:
    """Run the app with its command line arguments; returns the exit code."""
    parser = argument_parser(APP, __doc__ or "")
    parser.add_argument("--window-days", type=window_days, default=WINDOW_DAYS, help=f"days of sessions (default {WINDOW_DAYS})")
    parser.add_argument("--until", type=day, help="last day of the window; default: the newest published day, or --day if that is later")
    return run_app(APP, parser, compute, argv, opener)
