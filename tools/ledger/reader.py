"""Reads the ledger: one row for each record that a run sent."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clickstream_contracts.settings import Settings
from tools.ledger.journal import ACKED, SENT, folder

ENTRIES = pa.schema([*SENT, ("run", pa.string()), ("partition", pa.int32()), ("offset", pa.int64())])
NOT_ACKNOWLEDGED = -1


class LedgerError(ValueError):
    """There is no such run; the text lists the existing ones."""


def runs(settings: Settings) -> list[str]:
    """Returns the names of the runs that have a ledger."""
    return sorted(path.name for path in folder(settings).glob("*") if any(path.glob("sent-*.arrows")))


def entries(settings: Settings, run: str | None = None) -> pa.Table:
    """Returns every record sent by `run` (default: by all runs) with its partition and offset, -1 if not acknowledged.

    Raises LedgerError if there is no such run.
    """
    existing = runs(settings)
    if run is not None and run not in existing:
        raise LedgerError(f"no ledger of run {run!r} in {folder(settings)}: the runs are {', '.join(existing) or 'none'}")
    selected = existing if run is None else [run]
    segments = [segment for name in selected for segment in _segments(folder(settings) / name)]
    return pa.concat_tables([ENTRIES.empty_table(), *segments])


def acknowledged_numbers(settings: Settings, run: str) -> frozenset[int]:
    """Returns the numbers of the run's acknowledged records, which a resumed run leaves out."""
    if run not in runs(settings):
        return frozenset()
    table = entries(settings, run)
    return frozenset(table.column("number").filter(pc.greater_equal(table.column("offset"), 0)).to_pylist())


def _segments(path: Path) -> Iterator[pa.Table]:
    """Yields the entries of each process that worked on a run."""
    for sent_file in sorted(path.glob("sent-*.arrows")):
        acks_file = sent_file.with_name(sent_file.name.replace("sent", "acks"))
        yield _join_acks(_complete_batches(sent_file, SENT), _complete_batches(acks_file, ACKED), path.name)


def _complete_batches(path: Path, schema: pa.Schema) -> pa.Table:
    """Returns all complete batches of a stream; a killed writer may leave an incomplete last batch, which is left out."""
    batches: list[pa.RecordBatch] = []
    if not path.exists():
        return schema.empty_table()
    try:
        with pa.ipc.open_stream(pa.OSFile(str(path))) as reader:
            batches.extend(reader)
    except (pa.ArrowInvalid, OSError):
        pass
    return pa.Table.from_batches(batches, schema)


def _join_acks(sent: pa.Table, acks: pa.Table, run: str) -> pa.Table:
    """Returns `sent` with run, partition and offset of each record."""
    sent = sent.combine_chunks().unify_dictionaries()
    acks = acks.filter(pc.greater_equal(acks.column("offset"), 0))
    partition, offset = np.full(len(sent), NOT_ACKNOWLEDGED, np.int32), np.full(len(sent), NOT_ACKNOWLEDGED, np.int64)
    # Numbers ascend within a segment, so the row of each acknowledged record is found by binary search.
    rows = np.searchsorted(sent.column("number").to_numpy(), acks.column("number").to_numpy())
    # An acknowledgement whose record was in the lost last batch of `sent` has no row.
    has_row = rows < len(sent)
    rows = rows[has_row]
    partition[rows] = acks.column("partition").to_numpy()[has_row]
    offset[rows] = acks.column("offset").to_numpy()[has_row]
    columns = [*sent.columns, pa.array([run] * len(sent), pa.string()), pa.array(partition), pa.array(offset)]
    return pa.table(columns, schema=ENTRIES)
