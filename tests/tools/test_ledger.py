"""The ledger: readable after a kill, and its check finds each kind of difference from the lake."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from clickstream_contracts.settings import Settings
from tools.ledger import balance, offset_ranges, reader
from tools.ledger.balance import LakeState
from tools.ledger.journal import Journal
from tools.ledger.record_kinds import BROKEN, digest
from tools.ledger.wait import LakeIncomplete, until_complete

# Records as (event_id, kind, partition, offset). The last two were not acknowledged, although both are in the lake.
SENT = [
    ("a", "on_time", 0, 0),
    ("b", "late", 0, 1),
    ("b", "duplicate", 1, 0),
    ("x", "truncated", 0, 2),
    ("r", "replayed", 1, 1),
    ("k", "on_time", -1, -1),
    ("y", "version_99", -1, -1),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(stack_dir=str(tmp_path))


@pytest.fixture
def entries(settings: Settings) -> pa.Table:
    """The ledger of a run that was killed before the last two acknowledgements."""
    with Journal(settings, "run", {}) as journal:
        ids = [event_id for event_id, *_ in SENT]
        kinds = [kind for _, kind, *_ in SENT]
        digests = [digest(event_id.encode()) if kind in BROKEN else None for event_id, kind, *_ in SENT]
        journal.sent(range(len(SENT)), ids, kinds, digests)
        acks = [(number, partition, offset, None) for number, (_, _, partition, offset) in enumerate(SENT) if partition >= 0]
        journal.acked(acks)
    return reader.entries(settings)


def clicks(*rows: tuple[str, int, int]) -> pa.Table:
    ids, partitions, offsets = zip(*rows, strict=True)
    return pa.table(
        {"event_id": pa.array(ids), "kafka_partition": pa.array(partitions, pa.int32()), "kafka_offset": pa.array(offsets, pa.int64())}
    )


def quarantine(*rows: tuple[int, int, str, str]) -> pa.Table:
    partitions, offsets, reasons, payloads = zip(*rows, strict=True)
    return pa.table(
        {
            "kafka_partition": pa.array(partitions, pa.int32()),
            "kafka_offset": pa.array(offsets, pa.int64()),
            "reason": pa.array(reasons),
            "digest": pa.array([digest(p.encode()) for p in payloads]),
        }
    )


CLICKS = [("a", 0, 0), ("b", 0, 1), ("b", 1, 0), ("r", 1, 1), ("k", 1, 2)]
QUARANTINED = [(0, 2, "not_json", "x"), (0, 3, "unknown_version", "y")]
COMPLETE = LakeState(
    clicks(*CLICKS),
    quarantine(*QUARANTINED),
    end_offsets={0: 4, 1: 3},
    curated=pa.table({"event_id": ["a", "b", "r", "k"]}),
    published={0: 4, 1: 3},
)


def test_a_complete_lake_balances(entries: pa.Table) -> None:
    result = balance.check(entries, COMPLETE, whole_topic=True)
    assert result.problems == []
    assert (result.counts["sent"], result.counts["acknowledged"]) == (7, 5)


def with_curated(*ids: str) -> LakeState:
    return replace(COMPLETE, curated=pa.table({"event_id": list(ids)}))


DIFFERENCES: dict[str, tuple[LakeState, str]] = {
    "lost record": (replace(COMPLETE, clicks=clicks(*CLICKS[1:])), "1 acknowledged records are neither"),
    "fewer rows than Kafka": (replace(COMPLETE, end_offsets={0: 5, 1: 3}), "partition 0: Kafka holds 5 records, the lake 4 rows below"),
    "row twice": (replace(COMPLETE, clicks=clicks(*CLICKS, CLICKS[0])), "more than once, e.g. 0:0"),
    "row in both tables": (
        replace(COMPLETE, quarantine=quarantine(*QUARANTINED, (0, 0, "bad_type", "a"))),
        "good records are in quarantine",
    ),
    "other event_id": (replace(COMPLETE, clicks=clicks(("k", 0, 0), *CLICKS[1:])), "another event_id than was sent"),
    "unsent row in clicks": (
        replace(COMPLETE, clicks=clicks(*CLICKS[:-1], ("ghost", 1, 2))),
        "rows of raw.clicks were sent by no run, e.g. ghost",
    ),
    "unsent row in quarantine": (
        replace(COMPLETE, quarantine=quarantine(QUARANTINED[0], (0, 3, "not_json", "?"))),
        "rows of raw.quarantine were sent by no run, e.g. 0:3",
    ),
    "other reason": (
        replace(COMPLETE, quarantine=quarantine((0, 2, "bad_type", "x"), QUARANTINED[1])),
        "truncated as bad_type",
    ),
    "broken record in clicks": (
        replace(COMPLETE, clicks=clicks(*CLICKS, ("x", 0, 2)), quarantine=quarantine(QUARANTINED[1])),
        "broken records are in raw.clicks, e.g. x as truncated",
    ),
    "curated twice": (with_curated("a", "b", "b", "r", "k"), "in curated.events more than once, e.g. b"),
    "missing in curated": (with_curated("a", "r", "k"), "acknowledged good events are missing in curated.events, e.g. b"),
    "never published": (replace(COMPLETE, published={}), "never published"),
    "unknown event in curated": (
        with_curated("a", "b", "r", "k", "z"),
        "event_ids of curated.events are not in raw.clicks, e.g. z",
    ),
}


@pytest.mark.parametrize(("lake", "message"), DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_each_difference_is_reported(entries: pa.Table, lake: LakeState, message: str) -> None:
    result = balance.check(entries, lake, whole_topic=True)
    assert any(message in problem for problem in result.problems), result.problems


def test_deleted_records_are_not_expected_in_the_lake(entries: pa.Table) -> None:
    lake = replace(COMPLETE, clicks=clicks(*CLICKS[1:]), curated=pa.table({"event_id": ["b", "r", "k"]}))
    assert len(balance.check(entries, lake, whole_topic=True).problems) == 3
    deleted = {0: [(0, 1)]}
    assert balance.check(entries, replace(lake, gaps=deleted, deleted=deleted), whole_topic=True).problems == []


def test_rows_of_other_runs_are_allowed_when_one_run_is_checked(entries: pa.Table) -> None:
    lake = replace(COMPLETE, clicks=clicks(*CLICKS, ("other", 1, 3)), end_offsets={0: 4, 1: 4}, curated=None)
    assert balance.check(entries, lake, whole_topic=False).balanced


def test_events_beyond_the_published_end_offsets_are_not_expected_in_curated(entries: pa.Table) -> None:
    lake = replace(COMPLETE, curated=pa.table({"event_id": ["a", "b"]}), published={0: 4})
    assert balance.check(entries, lake, whole_topic=True).balanced


def test_an_empty_lake_and_an_empty_ledger_balance(settings: Settings) -> None:
    lake = LakeState(clicks(*CLICKS)[:0], quarantine(*QUARANTINED)[:0], {0: 0})
    assert balance.check(reader.entries(settings), lake, whole_topic=True).balanced


def test_acknowledged_records_and_an_empty_lake_are_loss(entries: pa.Table) -> None:
    lake = LakeState(clicks(*CLICKS)[:0], quarantine(*QUARANTINED)[:0], {0: 4, 1: 3})
    assert "5 acknowledged records are neither" in " ".join(balance.check(entries, lake, whole_topic=True).problems)


def test_complete_batches_of_a_truncated_file_are_readable(settings: Settings) -> None:
    """A kill during a write truncates the file at any byte; the batches written before stay readable."""
    journal = Journal(settings, "killed", {})
    for start in (0, 100):
        journal.sent(range(start, start + 100), [f"e{n}" for n in range(100)], ["on_time"] * 100, [None] * 100)
        journal.acked([(n, 0, n, None) for n in range(start, start + 50)])
    path = journal.path / "sent-0000.arrows"
    content = path.read_bytes()
    for length in range(len(content) - 1, len(content) - 400, -40):
        path.write_bytes(content[:length])
        entries = reader.entries(settings, "killed")
        assert len(entries) in (100, 200)
    assert sum(offset >= 0 for offset in entries["offset"].to_pylist()) == 50


def test_a_second_process_of_a_run_writes_its_own_files(settings: Settings) -> None:
    for start in (0, 2):
        with Journal(settings, "resumed", {}) as journal:
            journal.sent([start, start + 1], ["a", "b"], ["on_time", "on_time"], [None, None])
            journal.acked([(start, 0, start, None)])
    assert reader.acknowledged_numbers(settings, "resumed") == {0, 2}
    assert len(reader.entries(settings, "resumed")) == 4


def test_the_error_for_an_unknown_run_lists_the_existing_ones(settings: Settings, entries: pa.Table) -> None:
    with pytest.raises(reader.LedgerError, match=r"no ledger of run 'other'.*the runs are run"):
        reader.entries(settings, "other")


def test_offsets_without_a_record_are_not_expected_in_the_lake(entries: pa.Table) -> None:
    lake = replace(COMPLETE, end_offsets={0: 6, 1: 3}, gaps={0: [(4, 9)]}, curated=None)
    assert balance.check(entries, lake, whole_topic=True).problems == []


@pytest.mark.parametrize(
    ("offsets", "ranges"), [([], []), ([3, 1, 2, 2], [(1, 4)]), ([9, 0, 5, 4], [(0, 1), (4, 6), (9, 10)])], ids=["none", "one", "three"]
)
def test_offsets_in_any_order_become_ranges(offsets: list[int], ranges: list[tuple[int, int]]) -> None:
    assert offset_ranges.ranges_of(np.array(offsets, np.int64)) == ranges


def test_missing_ranges_are_what_no_range_covers() -> None:
    assert offset_ranges.missing([(5, 7), (0, 2), (1, 3)], 0, 10) == [(3, 5), (7, 10)]
    assert offset_ranges.missing([(0, 20)], 5, 10) == []
    assert offset_ranges.missing([(15, 20)], 5, 10) == [(5, 10)]
    assert offset_ranges.missing([], 5, 5) == []


def test_waiting_ends_when_the_lake_is_complete() -> None:
    counts: Iterator[dict[int, int]] = iter([{0: 1}, {}])
    until_complete(lambda: next(counts), 60, lambda text: None, poll_seconds=0)


def test_waiting_fails_after_the_timeout() -> None:
    with pytest.raises(LakeIncomplete, match="still lacks 1 records of partition 0"):
        until_complete(lambda: {0: 1}, 0, lambda text: None, poll_seconds=0)
