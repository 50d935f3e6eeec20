"""End offsets of the Kafka records in tables of the lake, from the ledger, the bounds in the manifests and the newest data files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from clickstream.hooks.flink import FlinkError

# Offsets below the newest one of a partition in which gaps are looked for. Only the last checkpoints can lack records.
CHECKED_OFFSETS = 1_000_000
PARTITION, OFFSET, ARRIVAL = "kafka_partition", "kafka_offset", "ingested_at"
LEDGER, GAPS, RECREATIONS = "curated.ingest_ledger", "landing.offset_gaps", "landing.topic_recreations"
# From the wait for the lake to the rows in the ledger: a run may wait 12 hours for another one.
LONGEST_RUN = timedelta(days=2)
# First and last of consecutive offsets.
Run = tuple[int, int]


@dataclass(frozen=True)
class DataFile:
    """A data file: the partitions, the highest offset and the last arrival that it can hold; None is unknown."""

    io: Any
    path: str
    partitions: range | None
    last: int | None
    last_arrival: datetime | None

    def arrived_before(self, time: datetime | None) -> bool:
        """Returns whether all its records arrived at the broker before a time."""
        return time is not None and self.last_arrival is not None and self.last_arrival < time

    def runs(self, since: datetime | None) -> Iterator[tuple[int, Run]]:
        """Reads the file and yields the consecutive offsets of the records that arrived since a time, with their partition."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        with self.io.new_input(self.path).open() as stream:
            rows = pq.read_table(stream, columns=[PARTITION, OFFSET, *([ARRIVAL] if since else [])])
        if since:
            rows = rows.filter(pc.greater_equal(rows[ARRIVAL], pa.scalar(since, pa.timestamp("us", tz="UTC"))))
        for partition in rows[PARTITION].unique().to_pylist():
            offsets = rows.filter(pc.equal(rows[PARTITION], partition))[OFFSET].combine_chunks()
            offsets = offsets.take(pc.sort_indices(offsets))
            # A record that was written twice is in the file twice.
            begins_run = pc.fill_null(pc.greater(pc.pairwise_diff(offsets), 1), True)
            starts = pc.indices_nonzero(begins_run).to_pylist()
            for start, next_start in zip(starts, [*starts[1:], len(offsets)], strict=True):
                yield partition, (offsets[start].as_py(), offsets[next_start - 1].as_py())


@dataclass(frozen=True)
class Published:
    """What the nightly runs have published of a topic.

    ends: by partition, the offset after the last published record. before: records that arrived before this time are published.
    gaps: by partition, the first and last offsets that hold no record. recreated_at: when the topic was created again; the offsets
    are those in the new topic, and older records do not count.
    """

    ends: Mapping[int, int] = field(default_factory=dict)
    before: datetime | None = None
    gaps: Mapping[int, list[Run]] = field(default_factory=dict)
    recreated_at: datetime | None = None

    @property
    def files_since(self) -> datetime | None:
        """The arrival from which on files are read."""
        return max((time for time in (self.before, self.recreated_at) if time is not None), default=None)


NOTHING_PUBLISHED = Published()


def published(catalog: Any) -> Published:
    """Returns what the nightly runs have published of the topic clicks.v1."""
    ledger = catalog.load_table(LEDGER)
    bases, recreated_at = _recreation(catalog)
    ends: dict[int, int] = {}
    for row in ledger.scan(selected_fields=(PARTITION, "end_offset")).to_arrow().to_pylist():
        end = row["end_offset"] - bases.get(row[PARTITION], 0)
        if end > 0:
            ends[row[PARTITION]] = max(ends.get(row[PARTITION], 0), end)
    snapshot = ledger.current_snapshot()
    # A run reads the end offsets up to LONGEST_RUN before it writes its rows of the ledger.
    before = datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC) - LONGEST_RUN if ends and snapshot else None
    return Published(ends, before, _gaps(catalog, bases), recreated_at)


def _recreation(catalog: Any) -> tuple[dict[int, int], datetime | None]:
    """Returns by partition the offset at which the topic continues since it was created again for the last time, and that time."""
    rows = catalog.load_table(RECREATIONS).scan().to_arrow().to_pylist()
    bases: dict[int, int] = {}
    for row in rows:
        bases[row[PARTITION]] = max(bases.get(row[PARTITION], 0), row["offset_base"])
    return bases, max((row["started_at"] for row in rows), default=None)


def _gaps(catalog: Any, bases: Mapping[int, int]) -> dict[int, list[Run]]:
    gaps: dict[int, list[Run]] = {}
    for row in catalog.load_table(GAPS).scan().to_arrow().to_pylist():
        base = bases.get(row[PARTITION], 0)
        if row["end_offset"] > base:
            gaps.setdefault(row[PARTITION], []).append((max(row["first_offset"] - base, 0), row["end_offset"] - 1 - base))
    return gaps


def end_offsets(
    catalog: Any, table_ids: list[str], checked_offsets: int = CHECKED_OFFSETS, published: Published = NOTHING_PUBLISHED
) -> dict[int, int]:
    """Returns the offset after the last record or known gap of each partition in tables that share a topic; empty without records.

    Files whose records are all published are not read. Raises FlinkError if the tables lack one of the last `checked_offsets`
    records of a partition that are not published; an offset that holds no record, or that is there twice, is no reason.
    """
    files = [
        file
        for table_id in table_ids
        for file in _data_files(catalog.load_table(table_id))
        if not file.arrived_before(published.files_since)
    ]
    runs: dict[int, list[Run]] = {}
    newest: dict[int, int] = {partition: end - 1 for partition, end in published.ends.items()}
    # Highest offset of each partition that a file which was not read can hold.
    not_read = dict(newest)
    for file in sorted(files, key=lambda file: float("inf") if file.last is None else file.last, reverse=True):
        if _must_read(file, newest, checked_offsets):
            for partition, run in file.runs(published.recreated_at):
                runs.setdefault(partition, []).append(run)
                newest[partition] = max(newest.get(partition, -1), run[1])
        else:
            for partition in file.partitions or ():
                not_read[partition] = max(not_read.get(partition, -1), file.last or 0)
    for partition in runs:
        _check_gaps(partition, runs[partition], published.gaps.get(partition, []), not_read.get(partition, -1))
    return {partition: _after(last + 1, published.gaps.get(partition, [])) for partition, last in newest.items()}


def _after(end: int, gaps: list[Run]) -> int:
    """Returns the offset after the gaps that begin at or before `end`: records that were erased from the lake are not read again."""
    for first, last in sorted(gaps):
        if first <= end:
            end = max(end, last + 1)
    return end


def _data_files(table: Any) -> list[DataFile]:
    from pyiceberg.conversions import from_bytes

    fields = {name: table.schema().find_field(name) for name in (PARTITION, OFFSET, ARRIVAL)}

    def bound(bounds: dict[int, bytes] | None, name: str) -> int | None:
        value = (bounds or {}).get(fields[name].field_id)
        return None if value is None else int(from_bytes(fields[name].field_type, value))

    def last_arrival(bounds: dict[int, bytes] | None) -> datetime | None:
        microseconds = bound(bounds, ARRIVAL)
        return None if microseconds is None else datetime.fromtimestamp(microseconds / 1_000_000, UTC)

    files = []
    for task in table.scan(selected_fields=(PARTITION, OFFSET)).plan_files():
        first, last = bound(task.file.lower_bounds, PARTITION), bound(task.file.upper_bounds, PARTITION)
        partitions = None if first is None or last is None else range(first, last + 1)
        upper = task.file.upper_bounds
        files.append(DataFile(table.io, task.file.file_path, partitions, bound(upper, OFFSET), last_arrival(upper)))
    return files


def _must_read(file: DataFile, newest: dict[int, int], checked_offsets: int) -> bool:
    if file.last is None or file.partitions is None:
        return True
    return any(file.last > newest.get(partition, -1) - checked_offsets for partition in file.partitions)


def _check_gaps(partition: int, runs: list[Run], gaps: list[Run], not_read: int) -> None:
    """Raises FlinkError unless runs and gaps hold each offset, from the first one above `not_read` that all files were read for."""
    first = not_read + 1 if not_read >= 0 else min(first for first, _ in runs)
    checked = sorted((max(run_first, first), run_last) for run_first, run_last in runs if run_last >= first)
    last = max((run_last for _, run_last in checked), default=first - 1)
    expected = first
    for run_first, run_last in sorted([*checked, *gaps]):
        if run_first > expected and expected <= last:
            raise FlinkError(
                f"gap in the Kafka offsets of the lake: partition {partition} has records from offset {first} to {last}, but none"
                f" from {expected} to {run_first - 1}; if Kafka has none there either, as with transactions, run"
                " `./clickstream repair gaps` and trigger again"
            )
        expected = max(expected, run_last + 1)
