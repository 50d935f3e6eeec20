"""Retention, refused options and unusable backups, without engines."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clickstream_contracts.settings import Settings, SettingsError
from tools.backup import __main__ as backup
from tools.backup import lake_backup, manifest, postgres, restore, retention
from tools.backup.manifest import BackupError, Dump, Manifest
from tools.backup.objects import NOT_COPIED, LakeObject
from tools.backup.storage import FolderStorage, open_storage

# Two backups a day from Thursday 1 January to Sunday 1 February 2026.
DAYS = [f"202601{day:02}" for day in range(1, 32)] + ["20260201"]
IDS = [f"{day}T{hour:02}0000Z" for day in DAYS for hour in (2, 14)]


def test_retention_keeps_the_newest_of_each_day_and_week_and_all_of_the_newest_day() -> None:
    kept = retention.kept(IDS, daily=3, weekly=3)
    # The ISO weeks end on 1 February, 25 January and 18 January.
    assert sorted(kept) == [
        "20260118T140000Z",
        "20260125T140000Z",
        "20260130T140000Z",
        "20260131T140000Z",
        "20260201T020000Z",
        "20260201T140000Z",
    ]
    assert retention.kept(IDS[:1], daily=1, weekly=0) == {IDS[0]}
    assert retention.kept([], daily=7, weekly=4) == set()


def entry(identifier: str, bucket: str = "lake") -> Manifest:
    return Manifest(identifier, "", bucket, {}, {}, {}, {}, 0, 0, 0, with_objects=True)


def write(storage: FolderStorage, identifier: str, *keys: str) -> None:
    """A backup of objects that are all stored."""
    objects = [LakeObject(key, "1", 1) for key in keys]
    for item in objects:
        storage.write(item.stored_name, io.BytesIO(b"x"))
    manifest.save_objects(storage, identifier, objects)
    manifest.save(storage, entry(identifier))


def test_pruning_deletes_old_and_incomplete_backups_and_only_objects_of_no_kept_backup(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path)
    write(storage, IDS[0], "old", "shared")
    write(storage, IDS[2], "new", "shared")
    storage.write(f"backups/{IDS[1]}/nessie.dump", io.BytesIO(b"interrupted before its manifest"))
    assert retention.prune(storage, daily=1, weekly=0) == [IDS[0]]
    assert manifest.complete_ids(storage) == [IDS[2]]
    assert sorted(storage.names("objects/")) == ["objects/new@1", "objects/shared@1"]
    assert sorted({name.split("/")[1] for name in storage.names("backups/")}) == [IDS[2]]


def test_an_interrupted_write_leaves_no_file(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("the connection was lost")

    storage = FolderStorage(tmp_path)
    with pytest.raises(OSError, match="lost"):
        storage.write("objects/a", Broken())
    assert list(storage.names("objects/")) == []


def test_flink_state_is_not_copied() -> None:
    assert "flink/clicks_to_lake/checkpoints/j/chk-1/_metadata".startswith(NOT_COPIED)
    assert not "flink/clicks_to_lake/definitions/d.sql".startswith(NOT_COPIED)


def test_the_bucket_of_the_lake_is_refused_as_the_target() -> None:
    with pytest.raises(SettingsError, match="is the bucket of the lake itself"):
        open_storage(replace(Settings(), backup_target="s3://lake/backups"))


def test_a_backup_of_another_bucket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="restore into a bucket of the same name"):
        lake_backup.restore_objects(Settings(), FolderStorage(tmp_path), entry(IDS[0], "other"), lambda done, total: None)


def test_a_damaged_dump_is_refused(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "backups")
    storage.write(manifest.file_name(IDS[0], "nessie.dump"), io.BytesIO(b"damaged"))
    damaged = replace(entry(IDS[0]), dumps={"nessie.dump": Dump(7, "0" * 64)})
    with pytest.raises(BackupError, match=r"nessie\.dump is damaged"):
        manifest.fetch_dumps(storage, damaged, tmp_path)


@pytest.mark.parametrize(
    ("app", "argv", "code", "text"),
    [
        (restore.app, [], 2, "confirm by --yes"),
        (restore.app, ["--yes", "--dumps", "."], 2, "there is no backup in CLICKSTREAM_BACKUP_TARGET"),
        (backup.app, ["verify", "20260101T000000Z"], 2, "there is no backup in CLICKSTREAM_BACKUP_TARGET"),
        (backup.app, ["create"], 2, "no local stack was started"),
        (backup.app, ["create", "--dumps", "."], 1, "nessie-refs.sql is missing"),
        (backup.app, ["list"], 0, ""),
    ],
)  # fmt: skip
def test_an_unusable_request_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: object, argv: list[str], code: int, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLICKSTREAM_STACK_DIR", str(tmp_path / "none"))
    done = CliRunner().invoke(app, argv)  # type: ignore[arg-type]
    assert done.exit_code == code, done.output
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == min(code, 1)


def test_a_dump_without_refs_is_refused(tmp_path: Path) -> None:
    (tmp_path / postgres.REFS_FILE).write_text("-- PostgreSQL database dump\n")
    with pytest.raises(BackupError, match="holds no branch and no tag"):
        postgres.refs(tmp_path)


COPIED = """--
-- Data for Name: refs2; Type: TABLE DATA; Schema: public; Owner: clickstream
--

COPY public.refs2 (repo, ref_name, pointer, ext_info, prev_ptr, created_at, deleted) FROM stdin;
\trefs/heads/main\t\\\\x2e1c\t\\N\t\\N\t1795927875084600\tf
\tint/repo\t\\\\x268e\t\\N\t\\N\t1795927875146953\tf
\trefs/heads/etl_dropped\t\\\\xab\t\\N\t\\N\t1795927875146953\tt
\trefs/tags/t.1_x\t\\\\x2e1d\t\\N\t\\N\t1795927875318295\tf
\\.

-- PostgreSQL database dump complete
"""


def test_the_refs_of_a_dump_are_its_branches_and_tags_without_deleted_ones(tmp_path: Path) -> None:
    (tmp_path / postgres.REFS_FILE).write_text(COPIED)
    assert postgres.refs(tmp_path) == {"refs/heads/main": "2e1c", "refs/tags/t.1_x": "2e1d"}
