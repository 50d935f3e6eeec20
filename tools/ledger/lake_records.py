"""The Kafka offsets of the records in raw.clicks and raw.quarantine, read from the files that can hold unpublished ones."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow.parquet as pq
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.io import FileIO

from tools.ledger.lake_state import CLICKS, QUARANTINE
from tools.ledger.offset_ranges import Range, ranges_of, union
from tools.ledger.topic_recreations import NONE, Recreations

PARTITION, OFFSET = "kafka_partition", "kafka_offset"
READER_THREADS = 4


@dataclass(frozen=True)
class FileRecords:
    """The records of one data file: by partition, the offsets and the number of rows."""

    ranges: Mapping[int, list[Range]]
    rows: Mapping[int, int]


@dataclass
class LakeRecords:
    """The records of both tables at or above the start offset of their partition.

    Data files are immutable, so each is read once; a file whose column bounds exclude such a record is not read at all.
    Offsets continue where the topic was created again.
    """

    catalog: RestCatalog
    starts: Mapping[int, int]
    recreations: Recreations = NONE
    _records_by_file: dict[str, FileRecords] = field(default_factory=dict)
    _current_files: list[str] = field(default_factory=list)

    def refresh(self) -> None:
        """Read the files that were added since the last call."""
        self._current_files = []
        # The bounds of a file are those of the offsets in Kafka.
        lowest = 0 if self.recreations.items else min(self.starts.values(), default=0)
        for name in (CLICKS, QUARANTINE):
            table = self.catalog.load_table(name)
            tasks = table.scan(row_filter=f"{OFFSET} >= {lowest}", selected_fields=(PARTITION, OFFSET)).plan_files()
            paths = [task.file.file_path for task in tasks]
            self._read(table.io, [path for path in paths if path not in self._records_by_file])
            self._current_files += paths

    def ranges(self, partition: int) -> list[Range]:
        """Returns the offsets of a partition that are in either table."""
        files = (self._records_by_file[path] for path in self._current_files)
        return union(offsets for file in files for offsets in file.ranges.get(partition, []))

    def rows(self, partition: int) -> int:
        """Returns the number of rows of a partition in both tables; more than its offsets where a record was written twice."""
        return sum(self._records_by_file[path].rows.get(partition, 0) for path in self._current_files)

    def _read(self, io: FileIO, paths: list[str]) -> None:
        with ThreadPoolExecutor(READER_THREADS) as pool:
            self._records_by_file.update(zip(paths, pool.map(lambda path: self._file(io, path), paths), strict=True))

    def _file(self, io: FileIO, path: str) -> FileRecords:
        with io.new_input(path).open() as stream:
            table = pq.read_table(stream, columns=self.recreations.columns)
        partition, offset = table[PARTITION].to_numpy(), self.recreations.lake_offsets(table)
        offsets = {p: offset[(partition == p) & (offset >= start)] for p, start in self.starts.items()}
        return FileRecords({p: ranges_of(values) for p, values in offsets.items()}, {p: len(values) for p, values in offsets.items()})
