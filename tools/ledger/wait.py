"""Waiting until the lake holds every record that Kafka holds now."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pyarrow.parquet as pq
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.io import FileIO

from tools.ledger.lake import CLICKS, QUARANTINE

Counts = dict[int, int]
POLL_SECONDS = 2.0
READERS = 4


class Lagging(RuntimeError):
    """The time is over and the lake still lacks records; the text says which."""


@dataclass
class Progress:
    """Counts the lake's rows below `cut`, reading each data file once: files never change."""

    catalog: RestCatalog
    cut: Counts
    _files: dict[str, Counts] = field(default_factory=dict)

    def rows(self) -> Counts:
        """Rows of each partition below its cut, in raw.clicks and raw.quarantine together."""
        current: list[str] = []
        for name in (CLICKS, QUARANTINE):
            table = self.catalog.load_table(name)
            paths = [task.file.file_path for task in table.scan(selected_fields=("kafka_partition", "kafka_offset")).plan_files()]
            self._read_new(table.io, [path for path in paths if path not in self._files])
            current += paths
        return {p: sum(self._files[path].get(p, 0) for path in current) for p in self.cut}

    def _read_new(self, io: FileIO, paths: list[str]) -> None:
        with ThreadPoolExecutor(READERS) as pool:
            self._files.update(zip(paths, pool.map(lambda path: self._count(io, path), paths), strict=True))

    def _count(self, io: FileIO, path: str) -> Counts:
        with io.new_input(path).open() as stream:
            table = pq.read_table(stream, columns=["kafka_partition", "kafka_offset"])
        partition, offset = (table[name].to_numpy() for name in ("kafka_partition", "kafka_offset"))
        return {p: int(np.count_nonzero((partition == p) & (offset < end))) for p, end in self.cut.items()}


def missing(cut: Counts, rows: Counts) -> Counts:
    """Records that each partition still lacks; negative where the lake has more than Kafka."""
    return {p: end - rows.get(p, 0) for p, end in cut.items() if end != rows.get(p, 0)}


def until_complete(
    rows: Callable[[], Counts], cut: Counts, timeout: float, tell: Callable[[str], None], pause: float = POLL_SECONDS
) -> None:
    """Poll `rows` until it equals `cut`. Raises Lagging when the time is over, or at once when the lake holds too much."""
    deadline, said = time.monotonic() + timeout, 0.0
    while lacking := missing(cut, rows()):
        if any(count < 0 for count in lacking.values()):
            raise Lagging(f"the lake holds more than Kafka: {_words(lacking)}; see `python -m tools.ledger check`")
        if time.monotonic() > deadline:
            raise Lagging(f"after {timeout:g} s the lake still lacks {_words(lacking)}; see `make doctor`")
        if time.monotonic() - said > 5:
            tell(f"waiting for the lake: {_words(lacking)} to come")
            said = time.monotonic()
        time.sleep(pause)


def _words(lacking: Counts) -> str:
    return ", ".join(f"{count} records of partition {p}" for p, count in sorted(lacking.items()))
