"""What an erasure changes in the ledger of the nightly runs."""

from collections.abc import Iterable, Mapping
from typing import Any

from tools.ledger.offset_ranges import Ranges, union_of_partitions

TABLE = "curated.ingest_ledger"


def without_erased(rows: Iterable[Mapping[str, Any]], clicks: Ranges, events: Ranges, quarantine: Ranges) -> list[dict[str, Any]]:
    """Returns the rows of the ledger with the erased records in their own column.

    Args:
        clicks: the erased offsets of raw.clicks.
        events: those of curated.events, which were accepted; the other clicks are duplicates.
        quarantine: those of raw.quarantine.
    """
    all_clicks, result = union_of_partitions([clicks, events]), []
    for row in rows:
        erased_clicks, accepted, quarantined = (_count(ranges, row) for ranges in (all_clicks, events, quarantine))
        changed = dict(row)
        changed["accepted"] -= accepted
        changed["duplicates"] -= erased_clicks - accepted
        changed["quarantined"] -= quarantined
        changed["late"] = min(changed["late"], changed["accepted"])
        if erased_clicks + quarantined:
            changed["erased"] = (row["erased"] or 0) + erased_clicks + quarantined
        result.append(changed)
    return result


def _count(ranges: Ranges, row: Mapping[str, Any]) -> int:
    """Returns how many of the offsets are in the row's range."""
    start, end = row["start_offset"], row["end_offset"]
    return sum(max(0, min(last, end) - max(first, start)) for first, last in ranges.get(row["kafka_partition"], []))
