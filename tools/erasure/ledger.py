"""What an erasure changes in the accounts of Kafka offsets: the ledger of the nightly runs, and the offsets without a record."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog

from tools.ledger import offset_gaps, offset_ranges
from tools.ledger.kafka_gaps import Gap
from tools.ledger.offset_ranges import Range
from tools.ledger.topic_recreations import Recreations

TABLE = "curated.ingest_ledger"
Ranges = dict[int, list[Range]]


def offsets(rows: pa.Table, recreations: Recreations) -> Ranges:
    """Returns the offsets of rows of raw tables, as the ledger counts them, by partition."""
    if not len(rows):
        return {}
    return by_partition(rows["kafka_partition"].to_numpy(), recreations.lake_offsets(rows))


def by_partition(partitions: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> Ranges:
    """Returns the ranges of the offsets of each partition."""
    return {int(partition): offset_ranges.ranges_of(values[partitions == partition]) for partition in np.unique(partitions)}


def union(*all_ranges: Ranges) -> Ranges:
    """Returns the offsets that are in any of the ranges."""
    partitions = sorted({partition for ranges in all_ranges for partition in ranges})
    return {p: offset_ranges.union(each for ranges in all_ranges for each in ranges.get(p, [])) for p in partitions}


def record_gaps(catalog: RestCatalog, erased: Ranges) -> None:
    """Record offsets in landing.offset_gaps, unless they are there: the lake is not expected to have their records."""
    recorded = offset_gaps.recorded(catalog, dict.fromkeys(erased, 0))
    gaps = []
    for partition, ranges in erased.items():
        for first, end in ranges:
            gaps += [Gap(partition, new, offset_gaps.ERASED) for new in offset_ranges.missing(recorded.get(partition, []), first, end)]
    offset_gaps.append(catalog, gaps)


def without_erased(rows: Iterable[Mapping[str, Any]], clicks: Ranges, events: Ranges, quarantine: Ranges) -> list[dict[str, Any]]:
    """Returns the rows of the ledger with the erased records in their own column.

    Args:
        clicks: the erased offsets of raw.clicks.
        events: those of curated.events, which were accepted; the other clicks are duplicates.
        quarantine: those of raw.quarantine.
    """
    all_clicks, result = union(clicks, events), []
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


def timestamp() -> str:
    """Returns the time of now as part of a key of the bucket."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
