"""Writing a run's ledger: append-only Arrow streams, so a kill leaves whole batches and at most one torn tail."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from clickstream_contracts.settings import Settings
from tools.ledger.kinds import KINDS

KIND_TYPE = pa.dictionary(pa.int8(), pa.string())
SENT = pa.schema(
    [("number", pa.int64()), ("event_id", pa.string()), ("kind", KIND_TYPE), ("digest", pa.binary())],
)
# error is empty for an acknowledgement; offset is -1 where the broker refused the record.
ACKED = pa.schema([("number", pa.int64()), ("partition", pa.int32()), ("offset", pa.int64()), ("error", pa.string())])
CODES = {kind: i for i, kind in enumerate(KINDS)}

Ack = tuple[int, int, int, str | None]


def folder(settings: Settings) -> Path:
    """Where the runs' ledgers are, one folder each."""
    return Path(settings.stack_dir) / "ledger"


class Journal:
    """One process's account in a run: `sent` before the records go out, `acked` when the broker answered."""

    def __init__(self, settings: Settings, run: str, about: dict[str, Any]) -> None:
        self.path = folder(settings) / run
        self.path.mkdir(parents=True, exist_ok=True)
        self.segment = len(list(self.path.glob("sent-*.arrows")))
        (self.path / f"about-{self.segment:04}.json").write_text(json.dumps(about, indent=1, default=str))
        self._files = [self._open("sent"), self._open("acks")]
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._sent = pa.ipc.new_stream(self._files[0], SENT, options=options)
        self._acks = pa.ipc.new_stream(self._files[1], ACKED, options=options)
        self._kinds = pa.array(KINDS)

    def _open(self, what: str) -> pa.NativeFile:
        return pa.OSFile(str(self.path / f"{what}-{self.segment:04}.arrows"), "wb")

    def sent(self, numbers: Sequence[int], ids: Sequence[str], kinds: Sequence[str], digests: Sequence[bytes | None]) -> None:
        """Note records that are about to be sent; a record's number is the same each time its run is repeated."""
        codes = pa.array([CODES[kind] for kind in kinds], pa.int8())
        columns = [
            pa.array(numbers, pa.int64()),
            pa.array(ids, pa.string()),
            pa.DictionaryArray.from_arrays(codes, self._kinds),
            pa.array(digests, pa.binary()),
        ]
        self._write(0, self._sent, pa.record_batch(columns, schema=SENT))

    def acked(self, acks: Sequence[Ack]) -> None:
        """Note what the broker answered."""
        if acks:
            columns = [pa.array(column, field.type) for column, field in zip(zip(*acks, strict=True), ACKED, strict=True)]
            self._write(1, self._acks, pa.record_batch(columns, schema=ACKED))

    def _write(self, index: int, writer: pa.ipc.RecordBatchStreamWriter, batch: pa.RecordBatch) -> None:
        writer.write_batch(batch)
        self._files[index].flush()

    def close(self) -> None:
        """End both streams."""
        for closable in (self._sent, self._acks, *self._files):
            closable.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
