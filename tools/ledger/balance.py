"""Compares what was sent, what the broker holds and what the lake holds. Pure: it reads nothing."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tools.ledger.offset_ranges import Range
from tools.ledger.record_kinds import BROKEN, GOOD, KINDS, REPLAYED

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
# Examples in the text of a problem.
EXAMPLES = 3
OFFSET_BITS = 48


@dataclass(frozen=True)
class LakeState:
    """Rows of raw.clicks and raw.quarantine, the end offsets of Kafka by partition, and the published event_ids.

    `clicks` has the columns event_id, kafka_partition, kafka_offset; `quarantine` has kafka_partition, kafka_offset, reason, digest.
    `curated` has event_id; `published` holds the end offset of the last nightly run by partition. Both are None if not compared.
    `gaps` holds the recorded offsets without a record by partition, `deleted` those of them whose
    record was deleted from the lake, with its user or because it was old.
    """

    clicks: pa.Table
    quarantine: pa.Table
    end_offsets: dict[int, int]
    curated: pa.Table | None = None
    published: dict[int, int] | None = None
    gaps: dict[int, list[Range]] = field(default_factory=dict)
    deleted: dict[int, list[Range]] = field(default_factory=dict)


@dataclass
class Result:
    """Counts by name, and a text for each kind of difference."""

    counts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        return not self.problems

    def expect_none(self, problem: str, violations: pa.Array | pa.ChunkedArray) -> None:
        """Add a problem with examples unless `violations` is empty."""
        if len(violations):
            examples = ", ".join(map(str, violations[:EXAMPLES].to_pylist()))
            self.problems.append(f"{len(violations)} {problem}, e.g. {examples}")


def check(entries: pa.Table, lake: LakeState, whole_topic: bool) -> Result:
    """Compare the ledger's entries with the lake.

    `whole_topic`: the ledger covers the whole topic, so rows of the lake that no run sent are a problem.
    """
    result = Result(_counts(entries, lake))
    _check_rows_are_unique(lake, result)
    _check_row_counts(lake, result)
    acked = without_offsets(entries.filter(pc.greater_equal(entries["offset"], 0)), lake.deleted)
    _check_no_loss(acked, lake, result)
    _check_tables(acked, lake, result)
    if whole_topic:
        _check_all_rows_were_sent(entries, acked, lake, result)
    if lake.curated is not None:
        _check_curated(acked, lake, lake.curated, result)
    return result


def without_offsets(rows: pa.Table, deleted: dict[int, list[Range]], prefix: str = "") -> pa.Table:
    """Returns the rows whose records were not deleted from the lake."""
    partitions, offsets = rows[f"{prefix}partition"].to_numpy(), rows[f"{prefix}offset"].to_numpy()
    kept = np.ones(len(rows), bool)
    for partition, ranges in deleted.items():
        for first, end in ranges:
            kept &= ~((partitions == partition) & (offsets >= first) & (offsets < end))
    return rows.filter(pa.array(kept))


def offset_keys(table: pa.Table, prefix: str = "kafka_") -> Ints:
    """Returns partition and offset of each row packed into one number."""
    partition = table[f"{prefix}partition"].to_numpy().astype(np.int64)
    return np.asarray((partition << OFFSET_BITS) | table[f"{prefix}offset"].to_numpy().astype(np.int64))


def offset_texts(packed: Ints) -> pa.Array:
    """Returns packed numbers as texts `partition:offset`."""
    return pa.array([f"{key >> OFFSET_BITS}:{key & ((1 << OFFSET_BITS) - 1)}" for key in packed.tolist()], pa.string())


def _counts(entries: pa.Table, lake: LakeState) -> dict[str, Any]:
    return {
        "sent": len(entries),
        "acknowledged": int(pc.sum(pc.greater_equal(entries["offset"], 0)).as_py() or 0),
        "kinds": _count_values(entries["kind"].cast(pa.string())),
        "clicks": len(lake.clicks),
        "quarantined": _count_values(lake.quarantine["reason"]),
        "records_in_kafka": sum(lake.end_offsets.values()),
    }


def _count_values(column: pa.ChunkedArray) -> dict[str, int]:
    return {row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()}


def _check_rows_are_unique(lake: LakeState, result: Result) -> None:
    keys, counts = np.unique(np.concatenate([offset_keys(lake.clicks), offset_keys(lake.quarantine)]), return_counts=True)
    result.expect_none("Kafka records are in raw.clicks and raw.quarantine more than once", offset_texts(keys[counts > 1]))


def _check_row_counts(lake: LakeState, result: Result) -> None:
    partitions = np.concatenate([table["kafka_partition"].to_numpy() for table in (lake.clicks, lake.quarantine)])
    offsets = np.concatenate([table["kafka_offset"].to_numpy() for table in (lake.clicks, lake.quarantine)])
    for partition, end in sorted(lake.end_offsets.items()):
        rows = int(((partitions == partition) & (offsets < end)).sum())
        records = end - sum(max(0, min(gap_end, end) - first) for first, gap_end in lake.gaps.get(partition, []))
        if rows != records:
            result.problems.append(f"partition {partition}: Kafka holds {records} records, the lake {rows} rows below offset {end}")


def _check_no_loss(acked: pa.Table, lake: LakeState, result: Result) -> None:
    in_lake = np.isin(offset_keys(acked, ""), np.concatenate([offset_keys(lake.clicks), offset_keys(lake.quarantine)]))
    lost = acked["event_id"].filter(pa.array(~in_lake))
    result.expect_none("acknowledged records are neither in raw.clicks nor in raw.quarantine", lost)


def _check_tables(acked: pa.Table, lake: LakeState, result: Result) -> None:
    """Good records are in raw.clicks under their own event_id, broken ones in raw.quarantine with the reason of their kind."""
    event_id, kind = acked["event_id"], acked["kind"].cast(pa.string())
    id_in_clicks = _values_at_offsets(acked, lake.clicks, "event_id")
    reason_in_quarantine = _values_at_offsets(acked, lake.quarantine, "reason")
    is_good = pc.is_in(kind, pa.array(GOOD))
    is_broken = pc.invert(pc.or_(is_good, pc.equal(kind, REPLAYED)))
    expected_reason = pc.take(pa.array([BROKEN.get(k) for k in KINDS]), pc.index_in(kind, pa.array(KINDS)))

    has_other_id = pc.and_(pc.is_valid(id_in_clicks), pc.not_equal(id_in_clicks, event_id))
    result.expect_none("rows of raw.clicks show another event_id than was sent at their offset", _where(event_id, has_other_id))
    good_in_quarantine = pc.and_(is_good, pc.is_valid(reason_in_quarantine))
    result.expect_none("good records are in quarantine", _where(_pairs(event_id, reason_in_quarantine), good_in_quarantine))
    broken_in_clicks = pc.and_(is_broken, pc.is_valid(id_in_clicks))
    result.expect_none("broken records are in raw.clicks", _where(_pairs(event_id, kind), broken_in_clicks))
    has_other_reason = pc.not_equal(expected_reason, reason_in_quarantine)
    result.expect_none(
        "broken records have another reason than their kind says", _where(_pairs(kind, reason_in_quarantine), has_other_reason)
    )


def _values_at_offsets(acked: pa.Table, table: pa.Table, column: str) -> pa.ChunkedArray:
    """Returns for each acknowledged record the value of `column` in the row at its offset; null where `table` has no such row."""
    wanted, existing = offset_keys(acked, ""), offset_keys(table)
    if not len(existing):
        return pa.chunked_array([pa.nulls(len(wanted), pa.string())])
    order = np.argsort(existing, kind="stable")
    positions = np.searchsorted(existing[order], wanted)
    matches = positions < len(existing)
    matches[matches] = existing[order][positions[matches]] == wanted[matches]
    rows = pa.array(order[np.where(matches, positions, 0)], mask=~matches)
    return pc.take(table[column], rows)


def _where(column: pa.ChunkedArray, mask: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns the values where the mask is true; a null in the mask counts as false."""
    return column.filter(pc.fill_null(mask, False))


def _pairs(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(left, right, " as ")


def _check_all_rows_were_sent(entries: pa.Table, acked: pa.Table, lake: LakeState, result: Result) -> None:
    """Rows of the lake that no run sent. A record without acknowledgement may be in the lake: its sender was killed before."""
    was_sent = pc.is_in(lake.clicks["event_id"], entries["event_id"].combine_chunks())
    result.expect_none("rows of raw.clicks were sent by no run", _where(lake.clicks["event_id"], pc.invert(was_sent)))
    at_acked_offset = np.isin(offset_keys(lake.quarantine), offset_keys(acked, ""))
    has_sent_digest = pc.is_in(lake.quarantine["digest"], entries["digest"].combine_chunks())
    unsent = lake.quarantine.filter(pc.invert(pc.or_(pa.array(at_acked_offset), has_sent_digest)))
    result.expect_none("rows of raw.quarantine were sent by no run", offset_texts(offset_keys(unsent)))


def _check_curated(acked: pa.Table, lake: LakeState, curated: pa.Table, result: Result) -> None:
    """Each event_id of raw.clicks below the published end offsets is in curated.events exactly once, and no other is."""
    published_ends = lake.published or {}
    if len(lake.clicks) and not published_ends:
        result.problems.append("curated.events was never published: run the nightly first")
    counts = pc.value_counts(curated["event_id"].combine_chunks())
    ids = counts.field("values")
    result.expect_none("event_ids are in curated.events more than once", ids.filter(pc.greater(counts.field("counts"), 1)))
    published = lake.clicks.filter(pa.array(_below(lake.clicks, published_ends)))
    missing = pc.invert(pc.is_in(published["event_id"], ids))
    result.expect_none("published events are missing in curated.events", pc.unique(published["event_id"].filter(missing)))
    unknown = pc.invert(pc.is_in(ids, published["event_id"].combine_chunks()))
    result.expect_none("event_ids of curated.events are not in raw.clicks", ids.filter(unknown))
    good = acked.filter(pc.is_in(acked["kind"].cast(pa.string()), pa.array(GOOD)))
    good_published = good.filter(pa.array(_below(good, published_ends, "")))
    lost = pc.invert(pc.is_in(good_published["event_id"], ids))
    result.expect_none("acknowledged good events are missing in curated.events", pc.unique(good_published["event_id"].filter(lost)))
    result.counts["curated"] = len(curated)


def _below(table: pa.Table, end_offsets: dict[int, int], prefix: str = "kafka_") -> Bools:
    """Returns for each row whether its offset is below the end offset of its partition."""
    partition, offset = (table[f"{prefix}{name}"].to_numpy() for name in ("partition", "offset"))
    limits = np.zeros(1 + max([int(partition.max(initial=0)), *end_offsets]), np.int64)
    for number, end in end_offsets.items():
        limits[number] = end
    return np.asarray(offset < limits[partition])
