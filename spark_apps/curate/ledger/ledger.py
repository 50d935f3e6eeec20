"""The Kafka offsets of a run, and its rows in curated.ingest_ledger, which account for every record."""

from dataclasses import dataclass
from datetime import date
from functools import reduce
from pathlib import Path

from pyspark.sql import functions as F

from spark_apps.common.lake import Lake

SQL = Path(__file__).parent
TABLE = "curated.ingest_ledger"
COUNTS = ("accepted", "duplicates", "quarantined", "late", "gaps", "repeated", "erased")


@dataclass(frozen=True)
class OffsetRanges:
    """The Kafka offsets that a run reads: (partition, start, end) with the end excluded.

    `first_run` is true if no run was published before.
    """

    ranges: list[tuple[int, int, int]]
    first_run: bool

    @property
    def has_records(self) -> bool:
        return any(end > start for _, start, end in self.ranges)

    @property
    def lowest_start(self) -> int:
        """The lowest start of the partitions with records, of all partitions if none has any."""
        starts = [start for _, start, end in self.ranges if end > start]
        return min(starts or [start for _, start, _ in self.ranges])


@dataclass(frozen=True)
class RunDays:
    """A run: its name, the day that it was started for, and the event days of its new clicks."""

    name: str
    day: date
    new_days: list[date]


def unpublished_offsets(lake: Lake, end_offsets: dict[int, int]) -> OffsetRanges:
    """Returns the offsets of each partition from the end of the published runs to `end_offsets`.

    The range is empty where the end offset is behind that of the published runs: another run has published those records.
    """
    published = {row["kafka_partition"]: row["end_offset"] for row in lake.sql(SQL / "published_offsets.sql").collect()}
    ranges = []
    for partition in sorted({*end_offsets, *published}):
        start = published.get(partition, 0)
        ranges.append((partition, start, max(end_offsets.get(partition, 0), start)))
    return OffsetRanges(ranges, first_run=not published)


def register_offset_ranges(lake: Lake, offsets: OffsetRanges) -> None:
    """Register the view `offset_ranges`."""
    lake.view(SQL / "offset_ranges.sql", ranges=offsets.ranges)


def write_ledger(lake: Lake, offsets: OffsetRanges, run: RunDays, written_days: list[date]) -> dict[str, int]:
    """Add the run's rows to the published ledger, and correct the rows of earlier runs; returns the sums of the run's counts.

    written_days: all days whose events the run has computed.
    """
    changes = lake.view(SQL / "changed_acceptance.sql", days=written_days)
    if not offsets.has_records and changes.cache().isEmpty():
        return {}
    rows = lake.sql(SQL / "ingest_ledger.sql", run=run.name, day=run.day, new_days=run.new_days, lowest_start=offsets.lowest_start).cache()
    lake.replace(TABLE, rows)
    if not offsets.has_records:
        return {}
    rows_of_run = [(F.col("kafka_partition") == partition) & (F.col("start_offset") >= start) for partition, start, _ in offsets.ranges]
    sums = [F.coalesce(F.sum(count), F.lit(0)).alias(count) for count in COUNTS]
    [totals] = rows.where(reduce(lambda left, right: left | right, rows_of_run)).agg(*sums).collect()
    return {count: int(totals[count]) for count in COUNTS}
