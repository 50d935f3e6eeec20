"""The ledger survives a kill, and its check sees each kind of violation when one is planted."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from clickstream_contracts.settings import Settings
from tools.ledger import balance, read
from tools.ledger.balance import Lake
from tools.ledger.journal import Journal
from tools.ledger.kinds import BROKEN, digest
from tools.ledger.wait import Lagging, missing, until_complete

# Six records: (event_id, kind, partition, offset); the last was never acknowledged but arrived.
SENT = [
    ("a", "prompt", 0, 0),
    ("b", "late", 0, 1),
    ("b", "duplicate", 1, 0),
    ("x", "truncated", 0, 2),
    ("r", "replayed", 1, 1),
    ("k", "prompt", -1, -1),
    ("y", "version_99", -1, -1),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(stack_dir=str(tmp_path))


@pytest.fixture
def entries(settings: Settings) -> pa.Table:
    """The ledger of a run that was killed before the last two answers came."""
    with Journal(settings, "run", {}) as journal:
        ids, kinds = [s[0] for s in SENT], [s[1] for s in SENT]
        journal.sent(range(len(SENT)), ids, kinds, [digest(i.encode()) if k in BROKEN else None for i, k in zip(ids, kinds, strict=True)])
        journal.acked([(n, p, o, None) for n, (_, _, p, o) in enumerate(SENT) if p >= 0])
    return read.entries(settings)


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
BAD = [(0, 2, "not_json", "x"), (0, 3, "unknown_version", "y")]
GOOD_LAKE = Lake(clicks(*CLICKS), quarantine(*BAD), {0: 4, 1: 3}, pa.table({"event_id": ["a", "b", "r", "k"]}), {0: 4, 1: 3})


def test_a_true_account_balances(entries: pa.Table) -> None:
    verdict = balance.check(entries, GOOD_LAKE, whole_topic=True)
    assert verdict.problems == []
    assert (verdict.counts["sent"], verdict.counts["acknowledged"]) == (7, 5)


def curated(*ids: str) -> Lake:
    return replace(GOOD_LAKE, curated=pa.table({"event_id": list(ids)}))


PLANTED = {
    "lost": (lambda: replace(GOOD_LAKE, clicks=clicks(*CLICKS[1:])), "1 acknowledged records are neither"),
    "lost at the broker's end": (lambda: replace(GOOD_LAKE, ends={0: 5, 1: 3}), "partition 0: Kafka holds 5 records, the lake 4"),
    "twice": (lambda: replace(GOOD_LAKE, clicks=clicks(*CLICKS, CLICKS[0])), "more than once, e.g. 0:0"),
    "in both tables": (lambda: replace(GOOD_LAKE, quarantine=quarantine(*BAD, (0, 0, "bad_type", "a"))), "good records are in quarantine"),
    "another id": (lambda: replace(GOOD_LAKE, clicks=clicks(("k", 0, 0), *CLICKS[1:])), "another event_id than was sent"),
    "ghost click": (
        lambda: replace(GOOD_LAKE, clicks=clicks(*CLICKS[:-1], ("ghost", 1, 2))),
        "rows of raw.clicks were sent by nobody, e.g. ghost",
    ),
    "ghost in quarantine": (
        lambda: replace(GOOD_LAKE, quarantine=quarantine(BAD[0], (0, 3, "not_json", "?"))),
        "rows of raw.quarantine were sent by nobody, e.g. 0:3",
    ),
    "wrong reason": (lambda: replace(GOOD_LAKE, quarantine=quarantine((0, 2, "bad_type", "x"), BAD[1])), "truncated as bad_type"),
    "broken among clicks": (
        lambda: replace(GOOD_LAKE, clicks=clicks(*CLICKS, ("x", 0, 2)), quarantine=quarantine(BAD[1])),
        "broken records are in raw.clicks, e.g. x as truncated",
    ),
    "curated twice": (lambda: curated("a", "b", "b", "r", "k"), "in curated.events more than once, e.g. b"),
    "curated lacks one": (lambda: curated("a", "r", "k"), "acknowledged good events are missing in curated.events, e.g. b"),
    "curated never published": (lambda: replace(GOOD_LAKE, published={}), "never published"),
    "curated invents one": (lambda: curated("a", "b", "r", "k", "z"), "event_ids of curated.events are not in raw.clicks, e.g. z"),
}


@pytest.mark.parametrize(("plant", "words"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_violation_is_seen(entries: pa.Table, plant: Callable[[], Lake], words: str) -> None:
    verdict = balance.check(entries, plant(), whole_topic=True)
    assert any(words in problem for problem in verdict.problems), verdict.problems


def test_rows_of_others_are_no_ghosts_when_only_one_run_is_checked(entries: pa.Table) -> None:
    lake = replace(GOOD_LAKE, clicks=clicks(*CLICKS, ("other", 1, 3)), ends={0: 4, 1: 4}, curated=None)
    assert balance.check(entries, lake, whole_topic=False).balanced


def test_events_beyond_the_published_offsets_are_not_yet_due_in_curated(entries: pa.Table) -> None:
    lake = replace(GOOD_LAKE, curated=pa.table({"event_id": ["a", "b"]}), published={0: 4})
    assert balance.check(entries, lake, whole_topic=True).balanced


def test_an_empty_lake_and_an_empty_ledger_balance(settings: Settings) -> None:
    lake = Lake(clicks(*CLICKS)[:0], quarantine(*BAD)[:0], {0: 0})
    assert balance.check(read.entries(settings), lake, whole_topic=True).balanced


def test_everything_acknowledged_and_an_empty_lake_is_loss(entries: pa.Table) -> None:
    lake = Lake(clicks(*CLICKS)[:0], quarantine(*BAD)[:0], {0: 4, 1: 3})
    assert "5 acknowledged records are neither" in " ".join(balance.check(entries, lake, whole_topic=True).problems)


def test_a_torn_tail_leaves_the_whole_batches(settings: Settings) -> None:
    """A kill in the middle of a write cuts the file anywhere: what was written before stays readable."""
    journal = Journal(settings, "killed", {})
    for start in (0, 100):
        journal.sent(range(start, start + 100), [f"e{n}" for n in range(100)], ["prompt"] * 100, [None] * 100)
        journal.acked([(n, 0, n, None) for n in range(start, start + 50)])
    path = journal.path / "sent-0000.arrows"
    whole = path.read_bytes()
    for cut in range(len(whole) - 1, len(whole) - 400, -40):
        path.write_bytes(whole[:cut])
        found = read.entries(settings, "killed")
        assert len(found) in (100, 200)
    assert sum(offset >= 0 for offset in found["offset"].to_pylist()) == 50


def test_a_second_process_of_a_run_writes_beside_the_first(settings: Settings) -> None:
    for start in (0, 2):
        with Journal(settings, "again", {}) as journal:
            journal.sent([start, start + 1], ["a", "b"], ["prompt", "prompt"], [None, None])
            journal.acked([(start, 0, start, None)])
    assert read.acknowledged_numbers(settings, "again") == {0, 2}
    assert len(read.entries(settings, "again")) == 4


def test_an_unknown_run_is_named_with_those_that_exist(settings: Settings, entries: pa.Table) -> None:
    with pytest.raises(read.LedgerError, match=r"no ledger of run 'other'.*there are run"):
        read.entries(settings, "other")


def test_missing_names_partitions_that_lack_or_exceed() -> None:
    assert missing({0: 5, 1: 3, 2: 0}, {0: 5, 1: 1}) == {1: 2}
    assert missing({0: 5}, {0: 6}) == {0: -1}


def test_waiting_ends_when_the_lake_is_complete() -> None:
    answers = iter([{0: 1}, {0: 2}])
    until_complete(lambda: next(answers), {0: 2}, 60, lambda text: None, pause=0)


@pytest.mark.parametrize(("rows", "words"), [({0: 1}, "still lacks 1 records of partition 0"), ({0: 3}, "more than Kafka")])
def test_waiting_gives_up_in_one_clear_line(rows: dict[int, int], words: str) -> None:
    with pytest.raises(Lagging, match=words):
        until_complete(lambda: rows, {0: 2}, 0, lambda text: None, pause=0)
