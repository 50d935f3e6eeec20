"""The records of raw.quarantine that no nightly run has published, and what they say of their event type and producer."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyiceberg.catalog.rest import RestCatalog

from tools.ledger.lake_state import QUARANTINE

COLUMNS = ("kafka_partition", "kafka_offset", "reason", "payload")
# The audit quarantine_rate reads payloads in the same way: also of broken JSON, and only its beginning.
PAYLOAD_CHARACTERS = 4096
PATTERN = '"{field}"\\s*:\\s*"([^"]{{1,128}})"'
EVENT_TYPE, PRODUCER = (re.compile(PATTERN.format(field=field)) for field in ("event_type", "producer"))


@dataclass(frozen=True)
class QuarantinedRecord:
    """One record. `event_type` and `producer` are '' where the payload names none."""

    partition: int
    offset: int
    reason: str
    event_type: str
    producer: str


@dataclass(frozen=True)
class Selection:
    """Which records: None is any."""

    reason: str | None = None
    event_type: str | None = None
    producer: str | None = None

    def matches(self, record: QuarantinedRecord) -> bool:
        wanted = ((self.reason, record.reason), (self.event_type, record.event_type), (self.producer, record.producer))
        return all(value is None or value == actual for value, actual in wanted)


def unpublished(catalog: RestCatalog, starts: Mapping[int, int]) -> Iterator[QuarantinedRecord]:
    """Yields the records at or above the start offset of their partition; a partition that is not given starts at 0."""
    table = catalog.load_table(QUARANTINE)
    if starts:
        partitions = ", ".join(map(str, starts))
        row_filter = f"kafka_offset >= {min(starts.values())} or kafka_partition not in ({partitions})"
        scan = table.scan(row_filter=row_filter, selected_fields=COLUMNS)
    else:
        scan = table.scan(selected_fields=COLUMNS)
    for batch in scan.to_arrow_batch_reader():
        for row in batch.to_pylist():
            if row["kafka_offset"] >= starts.get(row["kafka_partition"], 0):
                text = (row["payload"] or b"")[: 4 * PAYLOAD_CHARACTERS].decode(errors="replace")[:PAYLOAD_CHARACTERS]
                yield QuarantinedRecord(
                    row["kafka_partition"], row["kafka_offset"], row["reason"], _first(EVENT_TYPE, text), _first(PRODUCER, text)
                )


def _first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""


def groups(records: Iterator[QuarantinedRecord]) -> Counter[tuple[str, str, str]]:
    """Returns the number of records by reason, event type and producer."""
    return Counter((record.reason, record.event_type, record.producer) for record in records)
