"""End offsets of real Iceberg tables in a local folder."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.memory import InMemoryCatalog

from clickstream.hooks.flink import FlinkError
from clickstream.streams import lake_offsets
from clickstream.streams.lake_offsets import LONGEST_RUN, Published, end_offsets

CLICKS, QUARANTINE = "raw.clicks", "raw.quarantine"
SCHEMA = pa.schema(
    {"kafka_partition": pa.int32(), "kafka_offset": pa.int64(), "ingested_at": pa.timestamp("us", tz="UTC"), "payload": pa.string()}
)
LEDGER_SCHEMA = pa.schema({"kafka_partition": pa.int32(), "end_offset": pa.int64()})
GAPS_SCHEMA = pa.schema({"kafka_partition": pa.int32(), "first_offset": pa.int64(), "end_offset": pa.int64()})
RECREATIONS_SCHEMA = pa.schema({"kafka_partition": pa.int32(), "started_at": pa.timestamp("us", tz="UTC"), "offset_base": pa.int64()})
NOW = datetime.now(UTC)
Rows = list[tuple[int, int]]


@pytest.fixture
def catalog(tmp_path: Path) -> Any:
    """A catalog with two empty tables."""
    catalog = InMemoryCatalog("lake", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("raw")
    for name in (CLICKS, QUARANTINE):
        catalog.create_table(name, SCHEMA)
    return catalog


def append(catalog: Any, name: str, rows: Rows, arrival: datetime = NOW) -> list[Path]:
    """Appends rows of partition and offset in one data file and returns the new files."""
    table = catalog.load_table(name)
    before = set(files(table))
    table.append(
        pa.Table.from_pylist([{"kafka_partition": p, "kafka_offset": o, "ingested_at": arrival, "payload": "x"} for p, o in rows], SCHEMA)
    )
    return [Path(path.removeprefix("file://")) for path in set(files(catalog.load_table(name))) - before]


def files(table: Any) -> list[str]:
    return [task.file.file_path for task in table.scan().plan_files()]


def test_tables_without_records_have_no_end_offsets(catalog: Any) -> None:
    assert end_offsets(catalog, [CLICKS, QUARANTINE]) == {}


def test_end_offsets_follow_the_last_record_of_both_tables(catalog: Any) -> None:
    append(catalog, CLICKS, [(0, 0), (0, 2), (1, 0)])
    append(catalog, QUARANTINE, [(0, 1), (1, 1)])
    assert end_offsets(catalog, [CLICKS, QUARANTINE]) == {0: 3, 1: 2}


def test_a_topic_whose_first_records_are_gone_has_no_gap(catalog: Any) -> None:
    append(catalog, CLICKS, [(0, 7), (0, 8)])
    assert end_offsets(catalog, [CLICKS]) == {0: 9}


def test_missing_records_are_an_error_that_names_the_offsets_and_the_fix(catalog: Any) -> None:
    append(catalog, CLICKS, [(0, 0), (0, 1), (0, 1), (0, 4)])
    with pytest.raises(FlinkError, match=r"records from offset 0 to 4, but none from 2 to 3; .*`./clickstream repair gaps`"):
        end_offsets(catalog, [CLICKS])


def test_a_record_that_was_written_twice_is_no_error(catalog: Any) -> None:
    append(catalog, CLICKS, [(0, 0), (0, 1), (0, 1)])
    append(catalog, CLICKS, [(0, 1), (0, 2)])
    append(catalog, QUARANTINE, [(0, 0)])
    assert end_offsets(catalog, [CLICKS, QUARANTINE]) == {0: 3}


def test_offsets_that_hold_no_record_are_no_error(catalog: Any) -> None:
    append(catalog, CLICKS, [(0, 0), (0, 3), (0, 6)])
    gaps = {0: [(1, 2), (2, 2), (4, 5), (7, 9)]}
    assert end_offsets(catalog, [CLICKS], published=Published(gaps=gaps)) == {0: 10}, "the last records may have been erased"
    with pytest.raises(FlinkError, match="none from 5 to 5"):
        end_offsets(catalog, [CLICKS], published=Published(gaps={0: [(1, 2), (4, 4)]}))


def create_accounts(catalog: Any) -> tuple[Any, Any, Any]:
    """Creates the empty tables that say what is published, what are gaps, and when the topic was created again."""
    for namespace in ("curated", "landing"):
        catalog.create_namespace(namespace)
    return (
        catalog.create_table("curated.ingest_ledger", LEDGER_SCHEMA),
        catalog.create_table("landing.offset_gaps", GAPS_SCHEMA),
        catalog.create_table("landing.topic_recreations", RECREATIONS_SCHEMA),
    )


def test_gaps_count_also_before_anything_is_published(catalog: Any) -> None:
    _, gaps, _ = create_accounts(catalog)
    append(catalog, CLICKS, [(0, 0), (0, 2)])
    gaps.append(pa.Table.from_pylist([{"kafka_partition": 0, "first_offset": 1, "end_offset": 2}], GAPS_SCHEMA))
    assert end_offsets(catalog, [CLICKS], published=lake_offsets.published(catalog)) == {0: 3}


def test_after_the_topic_was_created_again_only_its_new_records_count(catalog: Any) -> None:
    ledger, gaps, recreations = create_accounts(catalog)
    append(catalog, CLICKS, [(p, o) for p in (0, 1, 2) for o in range(50)], NOW - timedelta(days=9))
    append(catalog, CLICKS, [(0, 0), (0, 1), (0, 3), (1, 0)], NOW)
    bases = [{"kafka_partition": p, "started_at": NOW - timedelta(hours=1), "offset_base": 50} for p in (0, 1, 2)]
    recreations.append(pa.Table.from_pylist(bases, RECREATIONS_SCHEMA))
    gaps.append(pa.Table.from_pylist([{"kafka_partition": 0, "first_offset": 52, "end_offset": 53}], GAPS_SCHEMA))
    ends = [{"kafka_partition": p, "end_offset": end} for p, end in ((0, 52), (1, 50), (2, 40))]
    ledger.append(pa.Table.from_pylist(ends, LEDGER_SCHEMA))
    assert end_offsets(catalog, [CLICKS, QUARANTINE], published=lake_offsets.published(catalog)) == {0: 4, 1: 1}


def test_files_of_published_records_are_not_read_although_a_partition_has_had_no_record_for_long(catalog: Any) -> None:
    ledger, _, _ = create_accounts(catalog)
    assert lake_offsets.published(catalog) == lake_offsets.NOTHING_PUBLISHED
    old = append(catalog, CLICKS, [(p, o) for p in (0, 1) for o in range(100)], NOW - timedelta(days=90))
    # Its bounds cannot tell that it holds no record of partition 1.
    old += append(catalog, CLICKS, [*((0, o) for o in range(100, 5000)), (2, 0)], NOW - timedelta(days=30))
    append(catalog, CLICKS, [(0, 5000), (2, 1)], NOW)
    ledger.append(
        pa.Table.from_pylist([{"kafka_partition": p, "end_offset": end} for p, end in ((0, 5000), (1, 100), (2, 1))], LEDGER_SCHEMA)
    )
    for path in old:
        path.unlink()
    published = lake_offsets.published(catalog)
    assert published.before is not None
    assert abs(published.before - (NOW - LONGEST_RUN)) < timedelta(minutes=10)
    assert end_offsets(catalog, [CLICKS, QUARANTINE], published=published) == {0: 5001, 1: 100, 2: 2}


def test_a_gap_above_the_published_records_is_an_error(catalog: Any) -> None:
    append(catalog, CLICKS, [(0, 12)])
    with pytest.raises(FlinkError, match="from offset 10 to 12, but none from 10 to 11"):
        end_offsets(catalog, [CLICKS], published=Published({0: 10}, NOW - timedelta(days=3)))


def test_old_files_are_not_read(catalog: Any) -> None:
    old = append(catalog, CLICKS, [(p, o) for p in (0, 1) for o in range(100)])
    append(catalog, CLICKS, [(p, o) for p in (0, 1) for o in range(100, 110)])
    append(catalog, CLICKS, [(0, o) for o in range(110, 120)])
    for path in old:
        path.unlink()
    assert end_offsets(catalog, [CLICKS, QUARANTINE], checked_offsets=10) == {0: 120, 1: 110}


def test_a_partition_whose_last_record_is_old_has_its_end_offset(catalog: Any) -> None:
    append(catalog, CLICKS, [(0, 0), (1, 0)])
    append(catalog, CLICKS, [(0, o) for o in range(1, 100)])
    assert end_offsets(catalog, [CLICKS], checked_offsets=10) == {0: 100, 1: 1}


@pytest.mark.parametrize(("quarantined", "gap"), [([(0, 105)], False), ([(0, 3)], True)])
def test_a_gap_among_the_newest_records_is_an_error(catalog: Any, quarantined: Rows, gap: bool) -> None:
    append(catalog, CLICKS, [(0, o) for o in range(100)])
    append(catalog, CLICKS, [(0, o) for o in range(100, 110) if o != 105])
    append(catalog, QUARANTINE, quarantined)
    if gap:
        with pytest.raises(FlinkError, match="records from offset 100 to 109, but none from 105 to 105"):
            end_offsets(catalog, [CLICKS, QUARANTINE], checked_offsets=10)
    else:
        assert end_offsets(catalog, [CLICKS, QUARANTINE], checked_offsets=10) == {0: 110}
