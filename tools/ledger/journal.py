"""Writes the ledger of a run as append-only Arrow streams. After a kill all batches but an incomplete last one can be read."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from clickstream_contracts.settings import Settings
from tools.ledger.record_kinds import KINDS

KIND_TYPE = pa.dictionary(pa.int8(), pa.string())
SENT = pa.schema(
    [("number", pa.int64()), ("event_id", pa.string()), ("kind", KIND_TYPE), ("digest", pa.binary())],
)
# `error` is null for an acknowledged record; `offset` is -1 for a refused one.
ACKED = pa.schema([("number", pa.int64()), ("partition", pa.int32()), ("offset", pa.int64()), ("error", pa.string())])
KIND_CODES = {kind: i for i, kind in enumerate(KINDS)}

# number, partition, offset, error
Ack = tuple[int, int, int, str | None]


def folder(settings: Settings) -> Path:
    """Returns the folder of the ledgers; each run has a folder in it."""
    return Path(settings.stack_dir) / "ledger"


class Journal:
    """The ledger of one process of a run: `sent` before the records go to Kafka, `acked` when the broker has responded."""

    def __init__(self, settings: Settings, run: str, metadata: dict[str, Any]) -> None:
        self.path = folder(settings) / run
        self.path.mkdir(parents=True, exist_ok=True)
        self.segment = len(list(self.path.glob("sent-*.arrows")))
        (self.path / f"metadata-{self.segment:04}.json").write_text(json.dumps(metadata, indent=1, default=str))
        self._sent_file, self._acks_file = self._open("sent"), self._open("acks")
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._sent_writer = pa.ipc.new_stream(self._sent_file, SENT, options=options)
        self._acks_writer = pa.ipc.new_stream(self._acks_file, ACKED, options=options)
        self._kinds = pa.array(KINDS)

    def _open(self, name: str) -> pa.NativeFile:
        return pa.OSFile(str(self.path / f"{name}-{self.segment:04}.arrows"), "wb")

    def sent(self, numbers: Sequence[int], ids: Sequence[str], kinds: Sequence[str], digests: Sequence[bytes | None]) -> None:
        """Record what is about to be sent. A record has the same number each time its run is repeated."""
        codes = pa.array([KIND_CODES[kind] for kind in kinds], pa.int8())
        columns = [
            pa.array(numbers, pa.int64()),
            pa.array(ids, pa.string()),
            pa.DictionaryArray.from_arrays(codes, self._kinds),
            pa.array(digests, pa.binary()),
        ]
        self._sent_writer.write_batch(pa.record_batch(columns, schema=SENT))
        self._sent_file.flush()

    def acked(self, acks: Sequence[Ack]) -> None:
        """Record the broker's acknowledgements and refusals."""
        if not acks:
            return
        columns = [pa.array(column, field.type) for column, field in zip(zip(*acks, strict=True), ACKED, strict=True)]
        self._acks_writer.write_batch(pa.record_batch(columns, schema=ACKED))
        self._acks_file.flush()

    def close(self) -> None:
        """End both streams."""
        for closable in (self._sent_writer, self._acks_writer, self._sent_file, self._acks_file):
            closable.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
