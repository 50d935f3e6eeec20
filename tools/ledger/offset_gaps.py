"""The table landing.offset_gaps: reads and appends the offsets that hold no record."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog

from tools.lake.catalog import retry_conflicts
from tools.ledger.kafka_gaps import Gap
from tools.ledger.offset_ranges import Range, Ranges, missing, union

TABLE = "landing.offset_gaps"
# Reasons of offsets whose records were deleted from the lake: with their user, or because they were old.
ERASED, RETENTION = "erased", "retention"


def recorded(catalog: RestCatalog, starts: Mapping[int, int], *reasons: str) -> dict[int, list[Range]]:
    """Returns the recorded gaps that end above the start offset of their partition, of any reason or of the `reasons`."""
    table = catalog.load_table(TABLE)
    of_reason = f" and reason in {str(reasons).replace(',)', ')')}" if reasons else ""
    rows = table.scan(
        row_filter=f"end_offset > {min(starts.values(), default=0)}{of_reason}",
        selected_fields=("kafka_partition", "first_offset", "end_offset"),
    ).to_arrow()
    ranges: dict[int, list[Range]] = {partition: [] for partition in starts}
    for row in rows.to_pylist():
        ranges.setdefault(row["kafka_partition"], []).append((row["first_offset"], row["end_offset"]))
    return {partition: union(values) for partition, values in ranges.items()}


# The nightly run and the command `repair` may append at the same time.
@retry_conflicts
def append(catalog: RestCatalog, gaps: Iterable[Gap]) -> None:
    """Append gaps to the table on main."""
    now = datetime.now(UTC)
    rows = [
        {"kafka_partition": gap.partition, "first_offset": gap.offsets[0], "end_offset": gap.offsets[1], "reason": gap.reason}
        | {"recorded_at": now}
        for gap in gaps
    ]
    if rows:
        table = catalog.load_table(TABLE)
        table.append(pa.Table.from_pylist(rows, table.schema().as_arrow()))


def record(catalog: RestCatalog, deleted: Ranges, reason: str) -> None:
    """Record offsets whose records are deleted from the lake, unless they are recorded already."""
    known = recorded(catalog, dict.fromkeys(deleted, 0))
    new = {
        partition: [each for first, end in ranges for each in missing(known.get(partition, []), first, end)]
        for partition, ranges in deleted.items()
    }
    append(catalog, [Gap(partition, offsets, reason) for partition, ranges in new.items() for offsets in ranges])
