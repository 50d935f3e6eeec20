"""State of a stream in a local folder instead of the bucket: newest state, refused definitions, end offsets of the lake."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from clickstream.hooks.flink import FlinkError
from clickstream.streams import job_state
from clickstream.streams.job_state import JobStateStore
from clickstream_contracts import names
from clickstream_contracts.settings import Settings

APP = "clicks_to_lake"
SETTINGS = Settings(s3_bucket="lake", clicks_partitions=3)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobStateStore:
    """A store whose bucket is a folder of the test."""
    (tmp_path / "lake").mkdir()
    monkeypatch.setattr(job_state, "s3_filesystem", lambda settings: SubTreeFileSystem(str(tmp_path), LocalFileSystem()))
    return JobStateStore(SETTINGS, APP)


def write_state(tmp_path: Path, key: str, seconds: int) -> str:
    """Writes the metadata file of a checkpoint or savepoint with a modification time, and returns the URI of the state."""
    metadata = tmp_path / "lake" / key / "_metadata"
    metadata.parent.mkdir(parents=True)
    metadata.touch()
    os.utime(metadata, (seconds, seconds))
    return f"s3://lake/{key}"


def test_without_checkpoints_there_is_no_newest_state(store: JobStateStore) -> None:
    assert store.newest() is None


def test_the_newest_state_has_the_last_modification_time_then_the_highest_number(store: JobStateStore, tmp_path: Path) -> None:
    checkpoints, savepoints = names.checkpoint_prefix(APP), names.savepoint_prefix(APP)
    (tmp_path / "lake" / checkpoints / "a" / "chk-99").mkdir(parents=True)
    write_state(tmp_path, f"{checkpoints}/a/chk-9", 100)
    tenth = write_state(tmp_path, f"{checkpoints}/a/chk-10", 100)
    assert store.newest() == tenth
    savepoint = write_state(tmp_path, f"{savepoints}/savepoint-1", 100)
    assert store.newest() == savepoint
    newer = write_state(tmp_path, f"{checkpoints}/b/chk-1", 101)
    assert store.newest() == newer


def test_a_refusal_is_stored_and_cleared(store: JobStateStore, tmp_path: Path) -> None:
    (tmp_path / "lake" / names.saved_statements_key(APP, "1" * 64)).parent.mkdir(parents=True)
    assert store.refusal("1" * 64) is None
    store.record_refusal("1" * 64, "failed", "0" * 12)
    assert store.refusal("1" * 64) == {"reason": "failed", "instead": "0" * 12}
    assert store.refusal("2" * 64) is None
    store.clear_refusal("1" * 64)
    assert store.refusal("1" * 64) is None


def catalog_of(**offsets_by_table: list[tuple[int, int]]) -> Any:
    """Returns a catalog whose tables hold these pairs of partition and offset."""

    def load_table(name: str) -> Any:
        rows = [{"kafka_partition": partition, "kafka_offset": offset} for partition, offset in offsets_by_table[name]]
        table = pa.Table.from_pylist(rows, pa.schema({"kafka_partition": pa.int32(), "kafka_offset": pa.int64()}))
        return SimpleNamespace(scan=lambda selected_fields: SimpleNamespace(to_arrow=lambda: table))

    return SimpleNamespace(load_table=load_table)


def test_end_offsets_follow_the_last_record_of_both_tables(store: JobStateStore) -> None:
    catalog = catalog_of(clicks=[(0, 0), (0, 2), (1, 0)], quarantine=[(0, 1)])
    assert store._end_offsets(catalog, ["clicks", "quarantine"]) == {0: 3, 1: 1, 2: 0}
    assert store._end_offsets(catalog_of(clicks=[]), ["clicks"]) == {}


def test_a_gap_in_the_offsets_of_the_lake_is_an_error(store: JobStateStore) -> None:
    with pytest.raises(FlinkError, match=r"gap in the Kafka offsets of the lake: it holds 2 records of partition 0 from offset 0 to 2"):
        store._end_offsets(catalog_of(clicks=[(0, 0), (0, 2)]), ["clicks"])
