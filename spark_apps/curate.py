"""Curates what arrived since the last published run: events, sessions, orders, and the ledger that accounts for it.

Everything is computed from raw and from what main has published, never from what the branch already holds, so a
second attempt on the same branch gives the same result as the first.
"""

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from pyspark.sql import functions as F

from clickstream_contracts.receipt import Receipt
from spark_apps.engine import Lake, open_lake
from spark_apps.entry import Opener, parser, run

APP = "curate"
LEDGER = "curated.ingest_ledger"
DAYS = {"curated.events": "event_day", "curated.sessions": "session_day", "curated.orders": "order_day"}


@dataclass(frozen=True)
class Intake:
    """What the run takes of each partition as (partition, start, end), and whether any run was published before."""

    bounds: list[tuple[int, int, int]]
    first: bool

    @property
    def fresh(self) -> bool:
        return any(end > start for _, start, end in self.bounds)

    @property
    def lowest_start(self) -> int:
        return min(start for _, start, _ in self.bounds)


def cut(text: str) -> dict[int, int]:
    """End offsets by Kafka partition, from JSON."""
    try:
        found = {int(partition): int(offset) for partition, offset in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        found = {}
    if not found or min(*found, *found.values()) < 0:
        raise argparse.ArgumentTypeError(f'{text!r} is not a cut: write end offsets by partition, like {{"0": 1200, "1": 1180}}')
    return found


def intake(lake: Lake, ends: dict[int, int]) -> Intake:
    """Each partition from where the published runs ended. A cut behind that takes nothing: others have taken it."""
    starts = {row["kafka_partition"]: row["end_offset"] for row in lake.sql("published_offsets").collect()}
    bounds = [(p, starts.get(p, 0), max(ends.get(p, 0), starts.get(p, 0))) for p in sorted({*ends, *starts})]
    return Intake(bounds, not starts)


def outdated_days(lake: Lake) -> list[date]:
    """Published days of which some event now has another user or product version."""
    since = lake.column("versions_changed_since")
    return lake.column("outdated_days", since=since[0]) if since else []


def spans(days: list[date]) -> list[tuple[datetime, datetime]]:
    """The days as stretches of time, neighbours joined."""
    found: list[tuple[datetime, datetime]] = []
    for day in sorted(days):
        start = datetime.combine(day, time(), UTC)
        if found and found[-1][1] == start:
            start = found.pop()[0]
        found.append((start, datetime.combine(day, time(), UTC) + timedelta(days=1)))
    return found


def write_events(lake: Lake, days: list[date]) -> list[date]:
    """Compute the days from raw; returns the further days that it took, where a new arrival beats a published event."""
    lake.view("rivals", days=days).cache()
    beaten = lake.column("beaten_days")
    if beaten:
        days = sorted({*days, *beaten})
        lake.view("rivals", days=days)
    lake.replace("curated.events", lake.sql("events", days=days), F.col("event_day").isin(days))
    return beaten


def write_sessions(lake: Lake, days: list[date]) -> list[date]:
    """Compute the sessions around the days; returns the days of sessions that changed."""
    touched = spans(days)
    lake.view("affected_sessions", spans=touched, since=touched[0][0]).cache()
    return _write_changed(lake, "session", days)


def write_orders(lake: Lake, days: list[date]) -> list[date]:
    """Compute the orders with an event on the days; returns the days of orders that changed."""
    lake.view("touched_orders", days=days)
    lake.view("affected_orders", spans=spans(days)).cache()
    return _write_changed(lake, "order", days)


def _write_changed(lake: Lake, thing: str, days: list[date]) -> list[date]:
    reached = lake.column(f"affected_{thing}_days")
    lake.view(f"new_{thing}s", days=days, read_days=sorted({*days, *reached})).cache()
    changed = lake.column(f"changed_{thing}_days")
    if changed:
        lake.replace(f"curated.{thing}s", lake.sql(f"{thing}s", days=changed), F.col(f"{thing}_day").isin(changed))
    return changed


def write_ledger(lake: Lake, taken: Intake, args: argparse.Namespace) -> dict[str, int]:
    """Add the run's account to the ledger; returns its sums."""
    rows = lake.sql("ledger", run=args.run, day=args.day, lowest_start=taken.lowest_start).cache()
    lake.replace(LEDGER, rows)
    counts = ("accepted", "duplicates", "quarantined", "late")
    ours = F.lit(False)
    for partition, start, _ in taken.bounds:
        ours = ours | ((F.col("kafka_partition") == partition) & (F.col("start_offset") >= start))
    sums = rows.where(ours).agg(*(F.coalesce(F.sum(c), F.lit(0)).alias(c) for c in counts)).collect()[0]
    return {count: int(sums[count]) for count in counts}


def curate(lake: Lake, args: argparse.Namespace) -> tuple[dict[str, list[date]], dict[str, int]]:
    """Write whatever has to be written; returns the days written by table, and the sums of the run's account."""
    taken = intake(lake, args.cut)
    outdated = [] if taken.first else outdated_days(lake)
    if not (taken.fresh or outdated or args.rebuild):
        return {}, {}
    lake.view("bounds", bounds=taken.bounds)
    lake.view("new_clicks", lowest_start=taken.lowest_start).cache()
    touched = sorted({*(lake.column("new_days") if taken.fresh else []), *([args.day] if args.rebuild else [])})
    written = _write_days(lake, touched, outdated) if touched or outdated else {}
    # Last, so that an attempt that died before has accounted for nothing.
    return written, write_ledger(lake, taken, args) if taken.fresh else {}


def _write_days(lake: Lake, touched: list[date], outdated: list[date]) -> dict[str, list[date]]:
    beaten = write_events(lake, sorted({*touched, *outdated}))
    # A new version of a user changes events, but no session and no order.
    moved = sorted({*touched, *beaten})
    written = {"curated.events": sorted({*moved, *outdated})}
    if moved:
        with ThreadPoolExecutor(2) as pool:
            sessions, orders = pool.submit(write_sessions, lake, moved), pool.submit(write_orders, lake, moved)
        written |= {"curated.sessions": sessions.result(), "curated.orders": orders.result()}
    return written


def work(lake: Lake, args: argparse.Namespace) -> Receipt:
    """Curate; the receipt's content is that of the days written."""
    written, counts = curate(lake, args)
    frames = {table: lake.table(table).where(F.col(DAYS[table]).isin(days)) for table, days in written.items() if days}
    facts: dict[str, Any] = {"days": sorted({str(day) for days in written.values() for day in days}), "cut": args.cut}
    return Receipt(
        app=APP,
        run=args.run,
        inputs={"ref": args.ref},
        rows=lake.rows([*DAYS, LEDGER]),
        content=lake.contents(frames),
        facts=facts | counts,
    )


def main(argv: list[str], opener: Opener = open_lake) -> int:
    """Entry point: the arguments without the program's name, the exit code back."""
    found = parser(APP, "Curates what arrived since the last published run.")
    found.add_argument("--cut", required=True, type=cut, help='JSON of end offsets by Kafka partition, like {"0": 1200}')
    found.add_argument("--rebuild", action="store_true", help="compute the run's day anew too, though nothing of it arrived")
    return run(APP, found, work, argv, opener)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
