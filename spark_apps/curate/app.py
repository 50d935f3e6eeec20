"""Curates the clicks that arrived since the last published run: events, sessions, orders, users of devices and the ingest ledger.

Input is raw and what main has published, never the tables of the run's branch: a second attempt on the same branch gives
the same result as the first.
"""

import argparse
import json
from datetime import date, timedelta
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt
from spark_apps.common import shop_days, waiting_days
from spark_apps.common.cli import AppFailed, ArgumentParser, LakeOpener, argument_parser, day, run_app
from spark_apps.common.lake import Lake, open_lake
from spark_apps.curate.device_users import device_users
from spark_apps.curate.events import events
from spark_apps.curate.ledger import ledger
from spark_apps.curate.orders import orders
from spark_apps.curate.sessions import sessions

APP = "curate"
DAY_COLUMNS = {events.TABLE: "event_day", sessions.TABLE: "session_day", orders.TABLE: "order_day", orders.LINES_TABLE: "line_day"}

DaysByTable = dict[str, list[date]]


def end_offsets(text: str) -> dict[int, int]:
    """Parse a JSON object of end offsets by Kafka partition."""
    try:
        offsets = {int(partition): int(offset) for partition, offset in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        offsets = {}
    if not offsets or min(*offsets, *offsets.values()) < 0:
        raise argparse.ArgumentTypeError(f'{text!r} is not a JSON object of end offsets by Kafka partition: use {{"0": 1200, "1": 1180}}')
    return offsets


def positive(text: str) -> int:
    """Parse a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def check_freshness(lake: Lake, args: argparse.Namespace) -> None:
    """Raises AppFailed if the day has fewer events than usual. Called if no record has arrived since the last run.

    A run without new records writes nothing, so no audit would notice. The day may have the events of its first hours, which the run
    of the day before has published.
    """
    volume = events.quiet_day(lake, args.day)
    if not volume:
        return
    message = (
        f"no record has arrived since the last published run, and {args.day} has {volume['events']} events, usually "
        f"{volume['usual_events']}: check the shop's tracker, the topic {names.CLICKS_TOPIC} and the stream clicks_to_lake; "
        "after a week without events runs succeed again"
    )
    # With a sample, the task is not tried again: it would see the same offsets.
    failure = {"name": "quiet_day", "meaning": message, "sample": [volume]}
    raise AppFailed(Receipt(app=APP, run=args.run, inputs={"ref": args.ref}, facts={"failures": [failure]}, error=message))


def curate(lake: Lake, args: argparse.Namespace) -> tuple[DaysByTable, dict[str, int]]:
    """Recompute the affected days; returns the days written by table, and the sums of the run's ledger rows."""
    offsets = ledger.unpublished_offsets(lake, args.end_offsets)
    rebuilt_days = days_to_rebuild(args)
    rezoned_days = days_of_changed_zone(lake, args)
    if not (offsets.has_records or rebuilt_days or rezoned_days):
        check_freshness(lake, args)
    all_outdated_days = [] if offsets.first_run else events.outdated_version_days(lake)
    # The newest first; the others wait for later runs.
    outdated_days = all_outdated_days[-args.version_days :]
    erased_days = events.erased_days(lake)
    if not (offsets.has_records or outdated_days or rebuilt_days or rezoned_days or erased_days):
        return {}, {}
    if offsets.first_run or rezoned_days:
        shop_days.record_zone(lake)
    ledger.register_offset_ranges(lake, offsets)
    events.register_new_clicks(lake, offsets.lowest_start)
    events.register_arrived_clicks(lake, offsets.lowest_start, rebuilt_days)
    new_days = events.new_click_days(lake) if offsets.has_records else []
    affected_days = {*rebuilt_days, *rezoned_days, *erased_days, *new_days}
    days_by_table: DaysByTable = {}
    if affected_days or outdated_days:
        days_by_table = _write_days(lake, sorted(affected_days), outdated_days)
        waiting_days.record(lake, sorted({*all_outdated_days} - {*days_by_table[events.TABLE]}))
    if erased_days:
        events.clear_erased_days(lake)
    # The ledger is written last: an attempt that fails before has accounted for nothing.
    run = ledger.RunDays(args.run, args.day, new_days)
    return days_by_table, ledger.write_ledger(lake, offsets, run, days_by_table.get(events.TABLE, []))


def days_of_changed_zone(lake: Lake, args: argparse.Namespace) -> list[date]:
    """Returns all days, if the time zone of the setting is not that of the published days; raises AppFailed without --change-time-zone."""
    zone = shop_days.published_zone(lake)
    if not args.change_time_zone:
        shop_days.refuse_other_zone(lake, args, APP, zone)
    return [] if zone == lake.time_zone else events.all_days(lake)


def days_to_rebuild(args: argparse.Namespace) -> list[date]:
    """Returns the days that are recomputed even without new clicks: from --rebuild-from to the run's day, or with --rebuild the run's day.

    Raises ValueError if --rebuild-from is after the run's day.
    """
    first = args.rebuild_from or (args.day if args.rebuild else None)
    if first and first > args.day:
        raise ValueError(f"--rebuild-from {first} is after --day {args.day}: name an earlier day")
    return [first + timedelta(days=number) for number in range((args.day - first).days + 1)] if first else []


def _write_days(lake: Lake, affected_days: list[date], outdated_days: list[date]) -> DaysByTable:
    superseded_days = events.write_events(lake, sorted({*affected_days, *outdated_days}))
    # A new user or product version changes the events of a day, but no session and no order.
    days = sorted({*affected_days, *superseded_days})
    days_by_table = {events.TABLE: sorted({*days, *outdated_days})}
    if days:
        # First the orders: a session counts the purchases that count in their orders.
        order_days = orders.write_orders(lake, days)
        days_by_table[orders.TABLE], days_by_table[orders.LINES_TABLE] = order_days.orders, order_days.lines
        days_by_table[sessions.TABLE] = sessions.write_sessions(lake, sorted({*days, *order_days.recounted}))
        days_by_table[device_users.TABLE] = days if device_users.write_device_users(lake, days) else []
    return days_by_table


def written_rows(lake: Lake, table: str, days: list[date]) -> DataFrame:
    """Returns a table's rows of the days; all rows of a table without days, which is written as a whole."""
    rows = lake.table(table)
    return rows.where(F.col(DAY_COLUMNS[table]).isin(days)) if table in DAY_COLUMNS else rows


def compute(lake: Lake, args: argparse.Namespace) -> Receipt:
    """Curate; the content hashes of the receipt cover the days written."""
    days_by_table, counts = curate(lake, args)
    written = {table: written_rows(lake, table, days) for table, days in days_by_table.items() if days}
    all_days = {str(day) for days in days_by_table.values() for day in days}
    facts: dict[str, Any] = {"days": sorted(all_days), "end_offsets": args.end_offsets}
    return Receipt(
        app=APP,
        run=args.run,
        inputs={"ref": args.ref},
        rows=lake.row_counts([*DAY_COLUMNS, device_users.TABLE, ledger.TABLE]),
        content=lake.contents(written),
        facts=facts | counts,
    )


def arguments() -> ArgumentParser:
    """Returns the argument parser of this app."""
    parser = argument_parser(APP, "Curates the clicks that arrived since the last published run.")
    parser.add_argument("--end-offsets", required=True, type=end_offsets, help='JSON of end offsets by Kafka partition, like {"0": 1200}')
    parser.add_argument("--rebuild", action="store_true", help="recompute the run's day even without new clicks for it")
    parser.add_argument("--rebuild-from", type=day, help="recompute all days from this one to the run's day, YYYY-MM-DD")
    parser.add_argument(
        "--version-days",
        type=positive,
        default=waiting_days.DAYS_PER_RUN,
        help="recompute at most this many days that have only outdated versions of users or products; the others wait for later runs",
    )
    parser.add_argument("--change-time-zone", action="store_true", help="if the time zone of the setting is new, recompute all days in it")
    return parser


def main(argv: list[str], opener: LakeOpener = open_lake) -> int:
    """Run the app with its command line arguments; returns the exit code."""
    return run_app(APP, arguments(), compute, argv, opener)
