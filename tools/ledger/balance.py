"""The balance: pure arithmetic over what was sent, what the broker holds, and what the lake shows."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tools.ledger.kinds import BROKEN, GOOD, KINDS, REPLAYED

Ints = NDArray[np.int64]
SAMPLE = 3


@dataclass(frozen=True)
class Lake:
    """What is compared: rows of raw.clicks and raw.quarantine, the broker's end offsets, and published event_ids.

    `clicks` has event_id, kafka_partition, kafka_offset; `quarantine` kafka_partition, kafka_offset, reason, digest.
    `curated` has event_id; `published` says up to which offset each partition was curated. Both are None when not asked.
    """

    clicks: pa.Table
    quarantine: pa.Table
    ends: dict[int, int]
    curated: pa.Table | None = None
    published: dict[int, int] | None = None


@dataclass
class Verdict:
    """What was counted and what is wrong; `balanced` when nothing is."""

    counts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        return not self.problems

    def expect_none(self, what: str, found: pa.Array | pa.ChunkedArray) -> None:
        """Note a problem when `found` holds anything."""
        if len(found):
            self.problems.append(f"{len(found)} {what}, e.g. {', '.join(map(str, found[:SAMPLE].to_pylist()))}")


def check(entries: pa.Table, lake: Lake, whole_topic: bool) -> Verdict:
    """Compare. `whole_topic`: the ledger covers everything in the topic, so rows that nobody sent are ghosts."""
    verdict = Verdict(_counts(entries, lake))
    _once(lake, verdict)
    _offsets(lake, verdict)
    acked = entries.filter(pc.greater_equal(entries["offset"], 0))
    _no_loss(acked, lake, verdict)
    _places(acked, lake, verdict)
    if whole_topic:
        _no_ghosts(entries, acked, lake, verdict)
    if lake.curated is not None:
        _curated(acked, lake, lake.curated, verdict)
    return verdict


def keys(table: pa.Table, prefix: str = "kafka_") -> Ints:
    """Partition and offset as one number."""
    partition = table[f"{prefix}partition"].to_numpy().astype(np.int64)
    return np.asarray((partition << 48) | table[f"{prefix}offset"].to_numpy().astype(np.int64))


def places(numbers: Ints) -> pa.Array:
    """Those numbers as texts `partition:offset`."""
    return pa.array([f"{n >> 48}:{n & ((1 << 48) - 1)}" for n in numbers.tolist()], pa.string())


def _counts(entries: pa.Table, lake: Lake) -> dict[str, Any]:
    return {
        "sent": len(entries),
        "acknowledged": int(pc.sum(pc.greater_equal(entries["offset"], 0)).as_py() or 0),
        "kinds": _tally(entries["kind"].cast(pa.string())),
        "clicks": len(lake.clicks),
        "quarantined": _tally(lake.quarantine["reason"]),
        "records_in_kafka": sum(lake.ends.values()),
    }


def _tally(column: pa.ChunkedArray) -> dict[str, int]:
    return {row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()}


def _once(lake: Lake, verdict: Verdict) -> None:
    numbers, times = np.unique(np.concatenate([keys(lake.clicks), keys(lake.quarantine)]), return_counts=True)
    verdict.expect_none("Kafka records are in raw.clicks and raw.quarantine more than once", places(numbers[times > 1]))


def _offsets(lake: Lake, verdict: Verdict) -> None:
    partitions = np.concatenate([t["kafka_partition"].to_numpy() for t in (lake.clicks, lake.quarantine)])
    offsets = np.concatenate([t["kafka_offset"].to_numpy() for t in (lake.clicks, lake.quarantine)])
    for partition, end in sorted(lake.ends.items()):
        rows = int(((partitions == partition) & (offsets < end)).sum())
        if rows != end:
            verdict.problems.append(f"partition {partition}: Kafka holds {end} records, the lake {rows} rows below that offset")


def _no_loss(acked: pa.Table, lake: Lake, verdict: Verdict) -> None:
    there = np.isin(keys(acked, ""), np.concatenate([keys(lake.clicks), keys(lake.quarantine)]))
    verdict.expect_none("acknowledged records are neither in raw.clicks nor in raw.quarantine", acked["event_id"].filter(pa.array(~there)))


def _places(acked: pa.Table, lake: Lake, verdict: Verdict) -> None:
    """Good records are clicks under their own event_id; broken ones are in quarantine for the right reason."""
    in_clicks, in_quarantine = _look_up(acked, lake.clicks, "event_id"), _look_up(acked, lake.quarantine, "reason")
    kind = acked["kind"].cast(pa.string())
    good = pc.is_in(kind, pa.array(GOOD))
    other = pc.and_(pc.is_valid(in_clicks), pc.not_equal(in_clicks, acked["event_id"]))
    verdict.expect_none("rows of raw.clicks show another event_id than was sent at their offset", _only(acked["event_id"], other))
    refused = pc.and_(good, pc.is_valid(in_quarantine))
    verdict.expect_none("good records are in quarantine", _only(_pair(acked["event_id"], in_quarantine), refused))
    broken = pc.invert(pc.or_(good, pc.equal(kind, REPLAYED)))
    verdict.expect_none("broken records are in raw.clicks", _only(_pair(acked["event_id"], kind), pc.and_(broken, pc.is_valid(in_clicks))))
    expected = pc.take(pa.array([BROKEN.get(k) for k in KINDS]), pc.index_in(kind, pa.array(KINDS)))
    wrong = pc.not_equal(expected, in_quarantine)
    verdict.expect_none("broken records have another reason than their kind says", _only(_pair(kind, in_quarantine), wrong))


def _look_up(acked: pa.Table, table: pa.Table, column: str) -> pa.ChunkedArray:
    """The value of `column` in the row of `table` at each acknowledged offset; null where there is none."""
    wanted, there = keys(acked, ""), keys(table)
    order = np.argsort(there, kind="stable")
    at = np.searchsorted(there[order], wanted)
    found = at < len(there)
    found[found] = there[order][at[found]] == wanted[found]
    index = pa.array(order[np.where(found, at, 0)] if len(there) else np.zeros(len(wanted), np.int64), mask=~found)
    return pc.take(table[column], index) if len(there) else pa.chunked_array([pa.nulls(len(wanted), pa.string())])


def _only(column: pa.ChunkedArray, mask: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.filter(pc.fill_null(mask, False))


def _pair(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(left, right, " as ")


def _no_ghosts(entries: pa.Table, acked: pa.Table, lake: Lake, verdict: Verdict) -> None:
    """Rows nobody sent. A record without acknowledgement may be there: its sender was killed before the answer came."""
    sent = pc.is_in(lake.clicks["event_id"], entries["event_id"].combine_chunks())
    verdict.expect_none("rows of raw.clicks were sent by nobody", _only(lake.clicks["event_id"], pc.invert(sent)))
    known = np.isin(keys(lake.quarantine), keys(acked, ""))
    digests = pc.is_in(lake.quarantine["digest"], entries["digest"].combine_chunks())
    ghosts = lake.quarantine.filter(pc.invert(pc.or_(pa.array(known), digests)))
    verdict.expect_none("rows of raw.quarantine were sent by nobody", places(keys(ghosts)))


def _curated(acked: pa.Table, lake: Lake, curated: pa.Table, verdict: Verdict) -> None:
    """Each event_id of the published clicks is in curated.events exactly once, and nothing else is."""
    if len(lake.clicks) and not lake.published:
        verdict.problems.append("curated.events was never published: run the nightly first")
    counted = pc.value_counts(curated["event_id"].combine_chunks())
    ids = counted.field("values")
    verdict.expect_none("event_ids are in curated.events more than once", ids.filter(pc.greater(counted.field("counts"), 1)))
    published = lake.clicks.filter(pa.array(_below(lake.clicks, lake.published or {})))
    missing = pc.invert(pc.is_in(published["event_id"], ids))
    verdict.expect_none("published events are missing in curated.events", pc.unique(published["event_id"].filter(missing)))
    verdict.expect_none(
        "event_ids of curated.events are not in raw.clicks", ids.filter(pc.invert(pc.is_in(ids, published["event_id"].combine_chunks())))
    )
    good = acked.filter(pc.is_in(acked["kind"].cast(pa.string()), pa.array(GOOD)))
    due = good.filter(pa.array(_below(good, lake.published or {}, "")))
    lost = pc.invert(pc.is_in(due["event_id"], ids))
    verdict.expect_none("acknowledged good events are missing in curated.events", pc.unique(due["event_id"].filter(lost)))
    verdict.counts["curated"] = len(curated)


def _below(table: pa.Table, ends: dict[int, int], prefix: str = "kafka_") -> NDArray[np.bool_]:
    """Rows below the published end of their partition."""
    partition, offset = (table[f"{prefix}{name}"].to_numpy() for name in ("partition", "offset"))
    limits = np.zeros(1 + max([int(partition.max(initial=0)), *ends]), np.int64)
    for number, end in ends.items():
        limits[number] = end
    return np.asarray(offset < limits[partition])
