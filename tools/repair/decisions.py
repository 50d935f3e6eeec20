"""The table landing.quarantine_decisions: which records in quarantine a nightly run may publish without."""

import getpass
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog

from tools.lake.catalog import retry_conflicts
from tools.repair.quarantine import QuarantinedRecord, Selection

TABLE = "landing.quarantine_decisions"


@dataclass(frozen=True)
class Accepted:
    """What a decision accepts: the number of records, and by partition their first offset and the one after the last."""

    records: int
    ranges: dict[int, tuple[int, int]]


def accepted(records: Iterable[QuarantinedRecord], selection: Selection) -> Accepted:
    """Returns what a decision on the selected records accepts."""
    count, ranges = 0, dict[int, tuple[int, int]]()
    for record in records:
        if selection.matches(record):
            first, end = ranges.get(record.partition, (record.offset, record.offset + 1))
            ranges[record.partition] = (min(first, record.offset), max(end, record.offset + 1))
            count += 1
    return Accepted(count, ranges)


# Another command or the nightly run may commit at the same time.
@retry_conflicts
def record(catalog: RestCatalog, accepted: Accepted, selection: Selection, reason: str) -> str:
    """Append a decision on main; returns its id."""
    decision = {
        "decision_id": uuid4().hex[:8],
        "quarantine_reason": selection.reason,
        "event_type": selection.event_type,
        "producer": selection.producer,
        "reason": reason,
        "decided_by": f"{getpass.getuser()}@{socket.gethostname()}",
        "decided_at": datetime.now(UTC),
    }
    rows = [
        decision | {"kafka_partition": partition, "start_offset": first, "end_offset": end}
        for partition, (first, end) in accepted.ranges.items()
    ]
    table = catalog.load_table(TABLE)
    table.append(pa.Table.from_pylist(rows, table.schema().as_arrow()))
    return str(decision["decision_id"])


def recorded(catalog: RestCatalog) -> list[dict[str, Any]]:
    """Returns the rows of all decisions, the oldest first."""
    rows: list[dict[str, Any]] = catalog.load_table(TABLE).scan().to_arrow().to_pylist()
    return sorted(rows, key=lambda row: (row["decided_at"], row["kafka_partition"]))
