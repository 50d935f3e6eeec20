"""End offsets of real Iceberg tables in a local folder."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.memory import InMemoryCatalog

from clickstream.hooks.flink import FlinkError
from clickstream.streams.lake_offsets import end_offsets

CLICKS, QUARANTINE = "raw.clicks", "raw.quarantine"
SCHEMA = pa.schema({"kafka_partition": pa.int32(), "kafka_offset": pa.int64(), "payload": pa.string()})
Rows = list[tuple[int, int]]


@pytest.fixture
def catalog(tmp_path: Path) -> Any:
    """A catalog with two empty tables."""
    catalog = InMemoryCatalog("lake", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("raw")
    for name in (CLICKS, QUARANTINE):
        catalog.create_table(name, SCHEMA)
    return catalog


def append(catalog: Any, name: str, rows: Rows) -> list[Path]:
    """Appends rows of partition and offset in one data file and returns the new files."""
    table = catalog.load_table(name)
    before = set(files(table))
    table.append(pa.Table.from_pylist([{"kafka_partition": p, "kafka_offset": o, "payload": "x"} for p, o in rows], SCHEMA))
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


@pytest.mark.parametrize("rows", [[(0, 0), (0, 2)], [(0, 0), (0, 1), (0, 1), (0, 3)]])
def test_records_that_are_missing_or_doubled_are_an_error(catalog: Any, rows: Rows) -> None:
    append(catalog, CLICKS, rows)
    with pytest.raises(
        FlinkError, match=rf"gap in the Kafka offsets of the lake: it holds {len(rows)} records of partition 0 from offset 0"
    ):
        end_offsets(catalog, [CLICKS])


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
        with pytest.raises(FlinkError, match="it holds 9 records of partition 0 from offset 100 to 109"):
            end_offsets(catalog, [CLICKS, QUARANTINE], checked_offsets=10)
    else:
        assert end_offsets(catalog, [CLICKS, QUARANTINE], checked_offsets=10) == {0: 110}
