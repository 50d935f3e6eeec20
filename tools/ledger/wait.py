"""Waits until the lake holds every record below given end offsets."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pyarrow.parquet as pq
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.io import FileIO

from tools.ledger.lake_state import CLICKS, QUARANTINE

# A number, for example of rows, by partition.
Counts = dict[int, int]
POLL_SECONDS = 2.0
REPORT_SECONDS = 5.0
READER_THREADS = 4


class LakeIncomplete(RuntimeError):
    """The lake lacks records after the timeout, or holds more than Kafka; the text says how many in which partition."""


@dataclass
class RowCounter:
    """Counts the rows of raw.clicks and raw.quarantine below end offsets. Data files are immutable, so each is read once."""

    catalog: RestCatalog
    end_offsets: Counts
    _counts_by_file: dict[str, Counts] = field(default_factory=dict)

    def rows(self) -> Counts:
        """Returns for each partition the rows below its end offset in both tables together."""
        current_files: list[str] = []
        for name in (CLICKS, QUARANTINE):
            table = self.catalog.load_table(name)
            paths = [task.file.file_path for task in table.scan(selected_fields=("kafka_partition", "kafka_offset")).plan_files()]
            self._read_new_files(table.io, [path for path in paths if path not in self._counts_by_file])
            current_files += paths
        return {p: sum(self._counts_by_file[path].get(p, 0) for path in current_files) for p in self.end_offsets}

    def _read_new_files(self, io: FileIO, paths: list[str]) -> None:
        with ThreadPoolExecutor(READER_THREADS) as pool:
            counts = pool.map(lambda path: self._count_file(io, path), paths)
            self._counts_by_file.update(zip(paths, counts, strict=True))

    def _count_file(self, io: FileIO, path: str) -> Counts:
        with io.new_input(path).open() as stream:
            table = pq.read_table(stream, columns=["kafka_partition", "kafka_offset"])
        partition, offset = (table[name].to_numpy() for name in ("kafka_partition", "kafka_offset"))
        return {p: int(np.count_nonzero((partition == p) & (offset < end))) for p, end in self.end_offsets.items()}


def missing_records(end_offsets: Counts, rows: Counts) -> Counts:
    """Returns the records that partitions still lack, only where some are; negative where the lake has more than Kafka."""
    differences = {p: end - rows.get(p, 0) for p, end in end_offsets.items()}
    return {p: count for p, count in differences.items() if count != 0}


def until_complete(
    count_rows: Callable[[], Counts],
    end_offsets: Counts,
    timeout: float,
    report_progress: Callable[[str], None],
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Poll `count_rows` until it equals `end_offsets`.

    Raises LakeIncomplete after `timeout` seconds, or at once when the lake holds more than Kafka.
    """
    deadline, last_report = time.monotonic() + timeout, 0.0
    while missing := missing_records(end_offsets, count_rows()):
        if any(count < 0 for count in missing.values()):
            raise LakeIncomplete(f"the lake holds more than Kafka: {_describe(missing)}; run `./clickstream ledger check`")
        if time.monotonic() > deadline:
            raise LakeIncomplete(f"after {timeout:g} s the lake still lacks {_describe(missing)}; run `./clickstream stack doctor`")
        if time.monotonic() - last_report > REPORT_SECONDS:
            report_progress(f"waiting for the lake: it lacks {_describe(missing)}")
            last_report = time.monotonic()
        time.sleep(poll_seconds)


def _describe(missing: Counts) -> str:
    return ", ".join(f"{count} records of partition {p}" for p, count in sorted(missing.items()))
