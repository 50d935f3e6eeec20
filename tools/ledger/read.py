"""Reading the ledger back: one entry for each record that a run sent."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from clickstream_contracts.settings import Settings
from tools.ledger.journal import ACKED, SENT, folder

ENTRIES = pa.schema([*SENT, ("run", pa.string()), ("partition", pa.int32()), ("offset", pa.int64())])


class LedgerError(ValueError):
    """There is no such run; the text says which there are."""


def runs(settings: Settings) -> list[str]:
    """The runs that have a ledger."""
    return sorted(path.name for path in folder(settings).glob("*") if any(path.glob("sent-*.arrows")))


def entries(settings: Settings, run: str | None = None) -> pa.Table:
    """Every record sent by `run` (default: by all), with partition and offset, -1 where no acknowledgement is known.

    Raises LedgerError if there is no such run.
    """
    known = runs(settings)
    if run is not None and run not in known:
        raise LedgerError(f"no ledger of run {run!r} in {folder(settings)}: there are {', '.join(known) or 'none'}")
    wanted = known if run is None else [run]
    parts = [part for name in wanted for part in _segments(folder(settings) / name)]
    return pa.concat_tables([ENTRIES.empty_table(), *parts])


def acknowledged_numbers(settings: Settings, run: str) -> frozenset[int]:
    """Numbers of the run's records that the broker has: a resumed run leaves them out."""
    if run not in runs(settings):
        return frozenset()
    table = entries(settings, run)
    return frozenset(table.column("number").filter(pa.compute.greater_equal(table.column("offset"), 0)).to_pylist())


def _segments(path: Path) -> Iterator[pa.Table]:
    for sent in sorted(path.glob("sent-*.arrows")):
        acks = sent.with_name(sent.name.replace("sent", "acks"))
        yield _joined(_whole(sent, SENT), _whole(acks, ACKED), path.name)


def _whole(path: Path, schema: pa.Schema) -> pa.Table:
    """All whole batches of a stream; a writer that was killed leaves a torn tail, which is left out."""
    batches: list[pa.RecordBatch] = []
    if not path.exists():
        return schema.empty_table()
    try:
        with pa.ipc.open_stream(pa.OSFile(str(path))) as reader:
            batches.extend(reader)
    except (pa.ArrowInvalid, OSError):
        pass
    return pa.Table.from_batches(batches, schema)


def _joined(sent: pa.Table, acks: pa.Table, run: str) -> pa.Table:
    """`sent` with the place that the broker gave each record."""
    sent = sent.combine_chunks().unify_dictionaries()
    acks = acks.filter(pa.compute.greater_equal(acks.column("offset"), 0))
    partition, offset = np.full(len(sent), -1, np.int32), np.full(len(sent), -1, np.int64)
    # Within a segment the numbers rise, so the place of each acknowledged one is found by bisection.
    where = np.searchsorted(sent.column("number").to_numpy(), acks.column("number").to_numpy())
    known = where < len(sent)
    where = where[known]
    partition[where], offset[where] = (acks.column(name).to_numpy()[known] for name in ("partition", "offset"))
    columns = [*sent.columns, pa.array([run] * len(sent), pa.string()), pa.array(partition), pa.array(offset)]
    return pa.table(columns, schema=ENTRIES)
