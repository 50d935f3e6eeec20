"""State of a stream in a local folder instead of the bucket: newest state, last good and refused definitions."""

import os
from pathlib import Path

import pytest
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from clickstream.streams import job_state, lake_offsets
from clickstream.streams.job_state import JobStateStore, LastGood
from clickstream.streams.lake_offsets import NOTHING_PUBLISHED
from clickstream_contracts import names
from clickstream_contracts.settings import Settings

APP = "clicks_to_lake"
SETTINGS = Settings(s3_bucket="lake", clicks_partitions=3, tools_image="registry.example.org/tools:0.2.0")


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


def test_the_last_good_definition_is_stored_with_its_version(store: JobStateStore, tmp_path: Path) -> None:
    (tmp_path / "lake" / names.last_good_key(APP)).parent.mkdir(parents=True)
    assert store.last_good() is None
    store.record_good("1" * 64)
    assert store.last_good() == LastGood("1" * 12, "0.2.0")
    store.record_good("2" * 12, "s3://lake/savepoint-1")
    assert store.last_good() == LastGood("2" * 12, "0.2.0", "s3://lake/savepoint-1")


def test_a_savepoint_before_an_upgrade_is_a_start_position_but_no_savepoint_of_a_stop(store: JobStateStore, tmp_path: Path) -> None:
    stopped = write_state(tmp_path, f"{names.savepoint_prefix(APP)}/savepoint-1", 100)
    assert store.is_of_a_stop(stopped)
    upgrade = write_state(tmp_path, f"{store.upgrade_savepoint_folder.removeprefix('s3://lake/')}/savepoint-2", 101)
    assert store.newest() == upgrade
    assert not store.is_of_a_stop(upgrade)
    assert not store.is_of_a_stop("s3://lake/flink/clicks_to_lake/checkpoints/a/chk-7")


def test_partitions_without_records_start_at_0(store: JobStateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_offsets, "end_offsets", lambda catalog, table_ids, published: {1: 5})
    assert store._end_offsets(None, ["raw.clicks"], NOTHING_PUBLISHED) == {0: 0, 1: 5, 2: 0}
    monkeypatch.setattr(lake_offsets, "end_offsets", lambda catalog, table_ids, published: {})
    assert store._end_offsets(None, ["raw.clicks"], NOTHING_PUBLISHED) == {}
