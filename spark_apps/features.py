"""Makes what the recommender learns from: training sessions of the last days, and each product's neighbours in them."""

import argparse
import sys
from datetime import date, timedelta

from clickstream_contracts.receipt import Receipt
from spark_apps.engine import Lake, open_lake
from spark_apps.entry import Opener, day, parser, run

APP = "features"
SESSIONS, NEIGHBOURS = "features.training_sessions", "features.item_neighbours"
WINDOW_DAYS = 180


def window(lake: Lake, args: argparse.Namespace) -> tuple[date, date]:
    """The first and the last day. A night of a day long past must not take the newer days away, so it gets the newest window too."""
    until = args.until or max([args.day, *lake.column("newest_day")])
    return until - timedelta(days=args.window_days - 1), until


def work(lake: Lake, args: argparse.Namespace) -> Receipt:
    """Both tables; one whose content is the same already is left alone."""
    since, until = window(lake, args)
    sessions = lake.refresh(SESSIONS, lake.sql("training_sessions", since=since, until=until))
    neighbours = lake.refresh(NEIGHBOURS, lake.sql("item_neighbours"))
    written = {SESSIONS: sessions, NEIGHBOURS: neighbours}
    return Receipt(
        app=APP,
        run=args.run,
        inputs={"ref": args.ref},
        rows=lake.rows(written),
        content={table: content for table, (content, _) in written.items()},
        facts={"since": str(since), "until": str(until), "changed": [table for table, (_, changed) in written.items() if changed]},
    )


def days_of_window(text: str) -> int:
    """How many days the window has."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 3660:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days: use 1 to 3660")
    return int(text)


def main(argv: list[str], opener: Opener = open_lake) -> int:
    """Entry point: the arguments without the program's name, the exit code back."""
    found = parser(APP, __doc__ or "")
    found.add_argument("--window-days", type=days_of_window, default=WINDOW_DAYS, help=f"days of sessions (default {WINDOW_DAYS})")
    found.add_argument("--until", type=day, help="last day of the window; default the newest published day, or --day if it is later")
    return run(APP, found, work, argv, opener)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
