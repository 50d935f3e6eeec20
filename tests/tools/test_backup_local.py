"""A backup of the local stack, restored into an empty one, reads every tag as before. S3 and Nessie run for real."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clickstream_contracts.settings import Settings
from tests.ports import free_ports
from tests.tools.backup_lake import append_users, tag, users
from tools.lake import nessie
from tools.lake.object_store import list_objects, s3_client, write_text
from tools.localstack import layout

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Laptop:
    """The commands of a checkout with a stack and backups in its own folder."""

    folder: Path
    ports: dict[str, int]

    def run(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        ports = {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in self.ports.items()}
        env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", **ports}
        env |= {"CLICKSTREAM_STACK_DIR": str(self.folder / "stack"), "CLICKSTREAM_BACKUP_TARGET": str(self.folder / "backups")}
        return subprocess.run([sys.executable, "-m", "tools.cli", *argv], cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    def ok(self, *argv: str) -> str:
        done = self.run(*argv)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stored_objects(self) -> dict[Path, int]:
        """Time of writing of each stored object."""
        files = (self.folder / "backups" / "objects").rglob("*")
        return {path: path.stat().st_mtime_ns for path in files if path.is_file()}

    @property
    def settings(self) -> Settings:
        return layout.running(self.folder / "stack")


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    laptop = Laptop(tmp_path_factory.mktemp("laptop"), free_ports())
    try:
        laptop.ok("stack", "up", "--only", "s3,nessie")
        yield laptop
    finally:
        laptop.run("stack", "down")
        shutil.rmtree(laptop.folder, ignore_errors=True)


def keys(settings: Settings, prefix: str = "") -> set[str]:
    return {item.key for item in list_objects(settings, prefix)}


def test_a_restore_into_an_empty_stack_reads_every_tag_as_before(laptop: Laptop) -> None:
    settings = laptop.settings
    append_users(settings, "ann", "bob")
    tag(settings, "release_1")
    append_users(settings, "cid")
    tag(settings, "release_2")
    append_users(settings, "dan")
    for key in (
        "receipts/nightly/a/curate_1.json",
        "flink/clicks_to_lake/checkpoints/j/chk-1/_metadata",
        "flink/clicks_to_lake/definitions/d.sql",
    ):
        write_text(settings, f"s3://{settings.s3_bucket}/{key}", "state")
    airflow = laptop.folder / "stack" / "airflow"
    airflow.mkdir(exist_ok=True)
    with sqlite3.connect(airflow / "airflow.db") as database:
        database.executescript("CREATE TABLE dag_run (run_id TEXT); INSERT INTO dag_run VALUES ('manual_1')")
    database.close()
    before = {ref: users(settings, ref) for ref in ("release_1", "release_2", "main")}
    commit = nessie.commit_hash(settings)

    laptop.ok("backup", "create")
    stored = laptop.stored_objects()
    append_users(settings, "eve")
    laptop.ok("backup", "create")
    # Incremental: what the first backup stored is neither written again nor deleted.
    assert stored.items() < laptop.stored_objects().items()
    backup = laptop.ok("backup", "list").split()[0]
    laptop.ok("stack", "clean")
    printed = laptop.ok("restore", backup, "--yes")

    assert f"the lake equals backup {backup}: 3 refs" in printed
    # It ran before the backup; an empty stack ran nothing before the restore.
    laptop.ok("stack", "up", "--only", "s3,nessie")
    settings = laptop.settings
    assert {ref: users(settings, ref) for ref in before} == before == {
        "release_1": ["ann", "bob"], "release_2": ["ann", "bob", "cid"], "main": ["ann", "bob", "cid", "dan"],
    }  # fmt: skip
    assert nessie.commit_hash(settings) == commit
    assert keys(settings, "receipts/") == {"receipts/nightly/a/curate_1.json"}
    # Streams start at the lake's offsets: a checkpoint of another moment would skip events.
    assert keys(settings, "flink/") == {"flink/clicks_to_lake/definitions/d.sql"}
    with sqlite3.connect(airflow / "airflow.db") as database:
        assert database.execute("SELECT run_id FROM dag_run").fetchall() == [("manual_1",)]
    database.close()


def test_a_restore_over_a_later_and_damaged_lake_brings_back_the_backup(laptop: Laptop) -> None:
    settings = laptop.settings
    backup = laptop.ok("backup", "list").split()[0]
    # A file that the backup needs, not one that is written after it.
    lost = next(key for key in sorted(keys(settings)) if key.endswith(".parquet"))
    append_users(settings, "fay")
    tag(settings, "release_3")
    receipt = "receipts/nightly/later/curate_1.json"
    write_text(settings, f"s3://{settings.s3_bucket}/{receipt}", "a run that the restored lake does not know")
    s3_client(settings).delete_object(Bucket=settings.s3_bucket, Key=lost)

    moved = laptop.run("backup", "verify", backup)
    assert moved.returncode == 1
    assert "refs/heads/main is at " in moved.stderr
    incomplete = laptop.run("backup", "create")
    assert incomplete.returncode == 1
    assert f"{lost} is missing" in incomplete.stderr
    assert len(laptop.ok("backup", "list").splitlines()) == 2

    laptop.ok("restore", backup, "--yes")
    assert users(settings, "main") == ["ann", "bob", "cid", "dan"]
    assert {ref["name"] for ref in nessie.references(settings, "TAG")} == {"release_1", "release_2"}
    assert receipt not in keys(settings)
    laptop.ok("backup", "verify", backup)
    s3_client(settings).delete_object(Bucket=settings.s3_bucket, Key=lost)
    assert f"{lost} is missing" in laptop.run("backup", "verify", backup).stderr


def test_a_damaged_dump_is_refused(laptop: Laptop) -> None:
    backup = laptop.ok("backup", "list").split()[0]
    file = laptop.folder / "backups" / "backups" / backup / "nessie-rocksdb.tar"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"x")
    done = laptop.run("restore", backup, "--yes")
    assert done.returncode == 1
    assert "nessie-rocksdb.tar is damaged" in done.stderr


def test_the_drill_restores_beside_the_stack_and_leaves_nothing(laptop: Laptop) -> None:
    ports = free_ports()
    # The path of supervisord's socket must be short, which pytest's folders are not.
    with tempfile.TemporaryDirectory() as temporary:
        env = {**os.environ, "TMPDIR": temporary, "CLICKSTREAM_BACKUP_TARGET": str(laptop.folder / "backups")}
        env |= {"CLICKSTREAM_S3_PORT": str(ports["s3_port"]), "CLICKSTREAM_NESSIE_PORT": str(ports["nessie_port"])}
        done = subprocess.run([ROOT / "scripts" / "restore-drill.sh"], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "the lake equals backup " in done.stdout
        assert list(Path(temporary).iterdir()) == []
