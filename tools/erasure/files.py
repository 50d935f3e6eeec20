"""The data files that hold rows of a user, and the files without these rows that replace them."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan, _dataframe_to_data_files
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table

from clickstream_contracts import names
from clickstream_contracts.schema import tables
from tools.erasure.identity import Identity
from tools.maintenance.compaction import Rewrite

# What the certificate, the ledger and the recomputation need to know of the erased rows.
POSITION = ("kafka_partition", "kafka_offset", "ingested_at")
DAYS = ("event_day", "session_day", "order_day", "line_day")
# Rows of a rewritten file that are held in memory.
ROWS_AT_ONCE = 200_000


class ErasureError(RuntimeError):
    """A table cannot be rewritten; the text says which and why. Nothing of it was committed."""


@dataclass(frozen=True)
class UserRows:
    """The files of a table with rows of the user. `rows`: the partition, offset and day of these rows."""

    files: list[DataFile]
    rows: pa.Table

    def days(self) -> set[str]:
        """Returns the days of the rows as text; a session may have events of others on the next day too."""
        columns = {name: self.rows[name].unique().to_pylist() for name in DAYS if name in self.rows.column_names}
        next_days = {day + timedelta(days=1) for day in columns.get("session_day", ())}
        return {str(day) for day in next_days.union(*columns.values())}


@dataclass
class FileEraser:
    """Finds and rewrites data files. They never change, so each is read once, whatever commits name it."""

    identity: Identity
    _rows: dict[str, pa.Table] = field(default_factory=dict)
    _new: dict[tuple[str, int], list[DataFile]] = field(default_factory=dict)

    def find(self, name: str, table: Table) -> UserRows:
        """Returns the files of the table that hold rows of the user. Raises ErasureError if the table has delete files."""
        files, rows = [], []
        for task in table.scan(row_filter=self.identity.row_filter(tables()[name])).plan_files():
            if task.delete_files:
                raise ErasureError(f"{name}: {task.file.file_path} has delete files: rewrite the table's data files first")
            if task.file.file_path not in self._rows:
                self._rows[task.file.file_path] = self._rows_of_user(name, table, task.file)
            if len(self._rows[task.file.file_path]):
                files.append(task.file)
                rows.append(self._rows[task.file.file_path])
        return UserRows(files, pa.concat_tables(rows, promote_options="default") if rows else pa.table({}))

    def rewrite(self, name: str, table: Table, user_rows: UserRows) -> list[Rewrite]:
        """Write the files without the rows of the user. Raises ErasureError if the counts do not add up."""
        return [Rewrite([file], self._rewritten(name, table, file)) for file in user_rows.files]

    def _rows_of_user(self, name: str, table: Table, file: DataFile) -> pa.Table:
        schema = table.schema()
        searched = [column for column in self.identity.columns(tables()[name]) if column in schema.column_names]
        kept = [column for column in (*POSITION, *DAYS) if column in schema.column_names]
        columns = dict.fromkeys((*searched, *kept))
        user_rows = [
            rows.filter(self.identity.matches(rows)).select(kept or searched[:1])
            for rows in _read(table, file, tuple(columns), ROWS_AT_ONCE)
        ]
        return pa.concat_tables(user_rows) if user_rows else pa.table({})

    def _rewritten(self, name: str, table: Table, file: DataFile) -> list[DataFile]:
        key = (file.file_path, table.spec().spec_id)
        if key not in self._new:
            new = []
            for rows in _read(table, file, tuple(column.name for column in table.schema().fields), ROWS_AT_ONCE):
                rest = self._without_user(name, rows)
                if len(rest):
                    new += list(_dataframe_to_data_files(table.metadata, rest, table.io, write_uuid=uuid.uuid4()))
            erased = 0 if keeps_positions(name) else len(self._rows[file.file_path])
            written, expected = sum(each.record_count for each in new), file.record_count - erased
            if written != expected:
                raise ErasureError(f"{name}: {written} rows of {file.file_path} were written instead of {expected}")
            self._new[key] = new
        return self._new[key]

    def _without_user(self, name: str, rows: pa.Table) -> pa.Table:
        of_user = self.identity.matches(rows)
        if not keeps_positions(name):
            return rows.filter(pc.invert(of_user))
        for number, column in enumerate(rows.schema):
            if not tables()[name].field(column.name).required:
                rows = rows.set_column(number, column, pc.if_else(of_user, pa.scalar(None, column.type), rows[column.name]))
        return rows


def keeps_positions(name: str) -> bool:
    """Returns whether a row of the user stays as a Kafka position without any other value, so that no offset is missing.

    Only for the topic of the clicks the lake has a list of offsets without a record.
    """
    return tables()[name].topic not in ("", names.CLICKS_TOPIC)


def _read(table: Table, file: DataFile, columns: tuple[str, ...], rows_at_once: int) -> Iterator[pa.Table]:
    """Yields the rows of a data file in parts."""
    scan = ArrowScan(table.metadata, table.io, table.schema().select(*columns), AlwaysTrue())
    batches: list[pa.RecordBatch] = []
    for batch in scan.to_record_batches([FileScanTask(file)]):
        batches.append(batch)
        if sum(map(len, batches)) >= rows_at_once:
            yield pa.Table.from_batches(batches)
            batches = []
    if batches:
        yield pa.Table.from_batches(batches)
