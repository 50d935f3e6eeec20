"""End offsets of the Kafka records in tables of the lake, read from the bounds in the manifests and the newest data files."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from clickstream.hooks.flink import FlinkError

# Offsets below the newest one of a partition in which gaps are looked for. Only the last checkpoints can lack records.
CHECKED_OFFSETS = 1_000_000
PARTITION, OFFSET = "kafka_partition", "kafka_offset"
# First and last of consecutive offsets.
Run = tuple[int, int]


@dataclass(frozen=True)
class DataFile:
    """A data file: the partitions that it can hold, and the highest offset that it can hold; None is unknown."""

    io: Any
    path: str
    partitions: range | None
    last: int | None

    def runs(self) -> Iterator[tuple[int, Run]]:
        """Reads the file and yields its consecutive offsets with their partition."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        with self.io.new_input(self.path).open() as stream:
            rows = pq.read_table(stream, columns=[PARTITION, OFFSET])
        for partition in rows[PARTITION].unique().to_pylist():
            offsets = rows.filter(pc.equal(rows[PARTITION], partition))[OFFSET].combine_chunks()
            offsets = offsets.take(pc.sort_indices(offsets))
            begins_run = pc.fill_null(pc.not_equal(pc.pairwise_diff(offsets), 1), True)
            starts = pc.indices_nonzero(begins_run).to_pylist()
            for start, next_start in zip(starts, [*starts[1:], len(offsets)], strict=True):
                yield partition, (offsets[start].as_py(), offsets[next_start - 1].as_py())


def end_offsets(catalog: Any, table_ids: list[str], checked_offsets: int = CHECKED_OFFSETS) -> dict[int, int]:
    """Returns the offset after the last record of each partition in tables that share a topic; empty if they hold no records.

    Raises FlinkError if the tables do not hold each of the last `checked_offsets` records of a partition once.
    """
    files = [file for table_id in table_ids for file in _data_files(catalog.load_table(table_id))]
    runs: dict[int, list[Run]] = {}
    newest: dict[int, int] = {}
    # Highest offset of each partition that a file which was not read can hold.
    not_read: dict[int, int] = {}
    for file in sorted(files, key=lambda file: float("inf") if file.last is None else file.last, reverse=True):
        if _must_read(file, newest, checked_offsets):
            for partition, run in file.runs():
                runs.setdefault(partition, []).append(run)
                newest[partition] = max(newest.get(partition, -1), run[1])
        else:
            for partition in file.partitions or ():
                not_read[partition] = max(not_read.get(partition, -1), file.last or 0)
    for partition in runs:
        _check_gaps(partition, runs[partition], not_read.get(partition, -1))
    return {partition: last + 1 for partition, last in newest.items()}


def _data_files(table: Any) -> list[DataFile]:
    from pyiceberg.conversions import from_bytes

    fields = {name: table.schema().find_field(name) for name in (PARTITION, OFFSET)}

    def bound(bounds: dict[int, bytes] | None, name: str) -> int | None:
        value = (bounds or {}).get(fields[name].field_id)
        return None if value is None else int(from_bytes(fields[name].field_type, value))

    files = []
    for task in table.scan(selected_fields=(PARTITION, OFFSET)).plan_files():
        first, last = bound(task.file.lower_bounds, PARTITION), bound(task.file.upper_bounds, PARTITION)
        partitions = None if first is None or last is None else range(first, last + 1)
        files.append(DataFile(table.io, task.file.file_path, partitions, bound(task.file.upper_bounds, OFFSET)))
    return files


def _must_read(file: DataFile, newest: dict[int, int], checked_offsets: int) -> bool:
    if file.last is None or file.partitions is None:
        return True
    return any(file.last > newest.get(partition, -1) - checked_offsets for partition in file.partitions)


def _check_gaps(partition: int, runs: list[Run], not_read: int) -> None:
    """Raises FlinkError unless the runs hold each offset once, from the first one above `not_read` that all files were read for."""
    first = not_read + 1 if not_read >= 0 else min(first for first, _ in runs)
    checked = sorted((max(run_first, first), run_last) for run_first, run_last in runs if run_last >= first)
    expected = first
    for run_first, run_last in checked:
        if run_first != expected:
            count, last = sum(end - start + 1 for start, end in checked), max(end for _, end in checked)
            raise FlinkError(
                f"gap in the Kafka offsets of the lake: it holds {count:,} records of partition {partition}"
                f" from offset {first} to {last}, not each of them once"
            )
        expected = run_last + 1
