"""Compaction and retention of a real lake: closed arrival hours and days become one file each, beside a writer that commits meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.io import pyarrow as pyarrow_io
from pyiceberg.table import Table

from clickstream_contracts.settings import Settings
from tests.tools import raw_tables
from tools.lake import catalog
from tools.ledger import offset_gaps
from tools.ledger.lake_records import LakeRecords
from tools.maintenance import compaction, retention

pytestmark = pytest.mark.engine
CLICKS = "raw.clicks"
DAY = datetime(2026, 1, 2, tzinfo=UTC)
NEXT_DAY = DAY + timedelta(days=1)
CHECKPOINTS = {"flink.job-id": "job", "flink.operator-id": "operator"}


@pytest.fixture(scope="module")
def lake(s3_and_nessie: Settings) -> Settings:
    return s3_and_nessie


@pytest.fixture
def clicks(lake: Settings) -> Table:
    """An empty raw.clicks."""
    main = catalog.open_catalog(lake)
    main.drop_table(CLICKS)
    catalog.ensure(lake)
    table: Table = main.load_table(CLICKS)
    return table


def append(lake: Settings, offsets: range, arrival: datetime, checkpoint: int = 1) -> None:
    """Commits records of two partitions in one file, as a stream does, the newest first."""
    click = {"event_type": "page_view", "event_time": arrival, "session_id": "s", "schema_version": 1, "ingested_at": arrival}
    rows = [click | {"event_id": f"e{p}-{o}", "kafka_partition": p, "kafka_offset": o} for o in reversed(offsets) for p in (1, 0)]
    table = catalog.open_catalog(lake).load_table(CLICKS)
    properties = CHECKPOINTS | {"flink.max-committed-checkpoint-id": str(checkpoint)}
    table.append(pa.Table.from_pylist(rows, table.schema().as_arrow()), snapshot_properties=properties)


def compact(lake: Settings, now: datetime, **options: Any) -> compaction.Result:
    return compaction.compact(catalog.open_catalog(lake), CLICKS, now, **{"apply": True, **options})


def state(lake: Settings) -> tuple[list[tuple[int, int]], int]:
    """Returns the partitions and offsets of the table, and its number of data files."""
    table = catalog.open_catalog(lake).load_table(CLICKS)
    rows = table.scan().to_arrow()
    positions = sorted(zip(rows["kafka_partition"].to_pylist(), rows["kafka_offset"].to_pylist(), strict=True))
    assert len(rows) == catalog.row_count(catalog.open_catalog(lake), CLICKS)
    return positions, len(list(table.scan().plan_files()))


def test_hours_are_compacted_when_they_are_closed_and_days_after_them(lake: Settings, clicks: Table) -> None:
    for hour in range(3):
        for n in range(4):
            append(lake, range(hour * 40 + n * 10, hour * 40 + n * 10 + 10), DAY + timedelta(hours=hour, minutes=n), checkpoint=hour)
    before, files = state(lake)
    assert files == 12
    # Two hours are closed.
    result = compact(lake, DAY + timedelta(hours=2, minutes=20))
    assert (result.files, result.new_files, result.rows, result.commits) == (8, 2, 160, 1)
    assert state(lake) == (before, 6)
    assert compact(lake, DAY + timedelta(hours=2, minutes=20)).commits == 0
    # The day is closed.
    assert compact(lake, NEXT_DAY + timedelta(minutes=20)).files == 6
    assert state(lake) == (before, 1)


def test_a_commit_carries_the_properties_of_flink_and_the_time_of_its_last_commit(lake: Settings, clicks: Table) -> None:
    for n in range(2):
        append(lake, range(n * 10, n * 10 + 10), DAY, checkpoint=7 + n)
    committed = catalog.open_catalog(lake).load_table(CLICKS).current_snapshot()
    assert committed is not None
    for n in range(2):
        compact(lake, NEXT_DAY + timedelta(hours=1))
        snapshot = catalog.open_catalog(lake).load_table(CLICKS).current_snapshot()
        assert snapshot is not None
        assert snapshot.summary is not None
        assert snapshot.snapshot_id != committed.snapshot_id
        expected = CHECKPOINTS | {"flink.max-committed-checkpoint-id": "8"}
        assert {key: snapshot.summary.get(key) for key in compaction.FLINK} == expected
        assert compaction.stream_committed_at_ms(snapshot) == committed.timestamp_ms
        if n == 0:
            # A small file that compaction commits itself, so that there is something to compact again.
            table = catalog.open_catalog(lake).load_table(CLICKS)
            rows = table.scan().to_arrow()
            table.append(rows, snapshot_properties=compaction.carried_properties(snapshot))


def test_a_commit_of_the_stream_meanwhile_is_kept_with_its_checkpoint(
    lake: Settings, clicks: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream commits between the reading of the table and the commit of the compaction."""
    for n in range(3):
        append(lake, range(n * 10, n * 10 + 10), DAY, checkpoint=n)
    original, commits = compaction.carried_properties, iter(range(2))

    def commit_first(snapshot: Any) -> dict[str, str]:
        properties = original(snapshot)
        for n in commits:
            append(lake, range(30 + n * 10, 40 + n * 10), NEXT_DAY, checkpoint=50 + n)
            break
        return properties

    monkeypatch.setattr(compaction, "carried_properties", commit_first)
    result = compact(lake, NEXT_DAY + timedelta(minutes=20))
    assert (result.files, result.commits) == (3, 1)
    positions, files = state(lake)
    assert positions == [(p, o) for p in (0, 1) for o in range(50)]
    assert files == 3
    snapshot = catalog.open_catalog(lake).load_table(CLICKS).current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary["flink.max-committed-checkpoint-id"] == "51"


def test_another_compaction_meanwhile_doubles_nothing(lake: Settings, clicks: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(3):
        append(lake, range(n * 10, n * 10 + 10), DAY)
    original = compaction._rewrite

    def after_another(table: Table, group: Any) -> Any:
        monkeypatch.setattr(compaction, "_rewrite", original)
        new = original(table, group)
        assert compact(lake, NEXT_DAY + timedelta(minutes=20)).commits == 1
        return new

    monkeypatch.setattr(compaction, "_rewrite", after_another)
    assert compact(lake, NEXT_DAY + timedelta(minutes=20)).commits == 0
    assert state(lake) == ([(p, o) for p in (0, 1) for o in range(30)], 1)


def test_files_are_still_found_by_their_offsets(lake: Settings, clicks: Table) -> None:
    for day in range(3):
        for n in range(3):
            first = day * 30 + n * 10
            append(lake, range(first, first + 10), DAY + timedelta(days=day))
    compact(lake, DAY + timedelta(days=3, hours=1))
    assert state(lake)[1] == 3
    table = catalog.open_catalog(lake).load_table(CLICKS)
    assert len(list(table.scan(row_filter="kafka_offset >= 60").plan_files())) == 1
    records = LakeRecords(catalog.open_catalog(lake), {0: 60, 1: 60})
    records.refresh()
    assert records.ranges(1) == [(60, 90)]
    assert len(records._records_by_file) == 1


def test_a_target_size_limits_the_files_and_the_commits(lake: Settings, clicks: Table) -> None:
    for n in range(6):
        append(lake, range(n * 10, n * 10 + 10), DAY + timedelta(minutes=n))
    before = state(lake)[0]
    size = max(task.file.file_size_in_bytes for task in clicks.refresh().scan().plan_files())
    result = compact(lake, NEXT_DAY + timedelta(hours=1), target_bytes=2 * size, commit_bytes=2 * size)
    assert (result.files, result.new_files, result.commits) == (6, 3, 3)
    assert state(lake) == (before, 3)


def test_a_dry_run_and_lost_records_leave_the_table_as_it_is(lake: Settings, clicks: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(3):
        append(lake, range(n * 10, n * 10 + 10), DAY)
    snapshot = clicks.refresh().current_snapshot()
    assert compact(lake, NEXT_DAY + timedelta(hours=1), apply=False).files == 3
    write = pyarrow_io._dataframe_to_data_files
    monkeypatch.setattr(compaction, "_dataframe_to_data_files", lambda metadata, rows, *args, **kw: write(metadata, rows[1:], *args, **kw))
    with pytest.raises(compaction.CompactionError, match="59 records were written for 60 records of 3 files"):
        compact(lake, NEXT_DAY + timedelta(hours=1))
    assert clicks.refresh().current_snapshot() == snapshot


def test_what_is_older_than_the_contract_says_is_deleted_once_it_is_published(lake: Settings, clicks: Table) -> None:
    for day in range(2):
        append(lake, range(day * 10, day * 10 + 10), DAY + timedelta(days=day), checkpoint=7 + day)
    main, now = catalog.open_catalog(lake), DAY + timedelta(days=401, hours=8)
    expired = {name: retention.find(main, name, now) for name in retention.tables()}
    assert {name: each.rows for name, each in expired.items()} == dict.fromkeys(compaction.stream_tables(), 0) | {CLICKS: 20}
    with pytest.raises(retention.NotPublished, match="offset 9 of partition 0"):
        retention.apply(main, expired)
    run = {"run": "r", "day": DAY.date(), "start_offset": 0, "end_offset": 12, "accepted": 12, "duplicates": 0, "quarantined": 0, "late": 0}
    raw_tables.append(main.load_table("curated.ingest_ledger"), [run | {"kafka_partition": partition} for partition in (0, 1)])
    retention.apply(main, expired)
    assert state(lake)[0] == [(p, o) for p in (0, 1) for o in range(10, 20)]
    snapshot = main.load_table(CLICKS).current_snapshot()
    assert snapshot is not None
    assert compaction.carried_properties(snapshot)["flink.max-committed-checkpoint-id"] == "8"
    assert offset_gaps.recorded(main, {}, offset_gaps.RETENTION) == {0: [(0, 10)], 1: [(0, 10)]}
    assert not retention.find(main, CLICKS, now).files
