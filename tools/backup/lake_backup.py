"""Writes a backup, restores its objects, and compares a restored lake with it.

The databases are dumped before the bucket is copied: data files never change, so every file that the dump names is in the bucket
when the copy begins. The dumps themselves are made and loaded elsewhere: by PostgreSQL's programs, or by `local_stack`.
"""

import platform
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from clickstream_contracts.settings import Settings
from tools.backup import lake_state, manifest, objects
from tools.backup.lake_state import LakeState, Refs
from tools.backup.manifest import BackupError, Manifest
from tools.backup.storage import Storage

SHOWN = 5


def create(settings: Settings, storage: Storage, dumps: Iterable[Path], refs: Refs, progress: objects.Progress) -> Manifest:
    """Write one backup and return its manifest.

    Args:
        dumps: the files of the databases.
        refs: the branches and tags that the dump of Nessie's database holds.

    Raises:
        BackupError: a table at one of the refs needs a file that the bucket lacks.
    """
    now = datetime.now(UTC)
    backup = manifest.new_id(now)
    with_objects = settings.backup_objects == "copy"
    copied, copied_bytes = objects.back_up(settings, storage, progress) if with_objects else (objects.in_lake(settings), 0)
    state = lake_state.read(settings, refs)
    _require_files(state, {item.key for item in copied}, f"backup {backup}")
    manifest.save_objects(storage, backup, copied)
    for file in dumps:
        with file.open("rb") as content:
            storage.write(manifest.file_name(backup, file.name), content)
    written = Manifest(
        id=backup,
        created_at=now.isoformat(),
        bucket=settings.s3_bucket,
        versions={"python": platform.python_version(), "tools_image": settings.tools_image},
        refs=refs,
        rows=state.rows,
        dumps={file.name: manifest.describe(file) for file in dumps},
        object_count=len(copied),
        object_bytes=sum(item.size for item in copied),
        copied_bytes=copied_bytes,
        with_objects=with_objects,
    )
    manifest.save(storage, written)
    return written


def restore_objects(settings: Settings, storage: Storage, backup: Manifest, progress: objects.Progress) -> None:
    """Copy the objects of a backup back. Raises BackupError if the backup is of another bucket, whose name the tables' files carry."""
    if backup.bucket != settings.s3_bucket:
        raise BackupError(
            f"backup {backup.id} is of the bucket {backup.bucket!r}, and CLICKSTREAM_S3_BUCKET is {settings.s3_bucket!r}:"
            " the tables name their files with the bucket, so restore into a bucket of the same name"
        )
    held = manifest.load_objects(storage, backup.id)
    if backup.with_objects:
        objects.restore(settings, storage, held, progress)
    else:
        objects.delete_later_run_state(settings, held)


def verify(settings: Settings, backup: Manifest) -> LakeState:
    """Returns the state of the lake, which equals the backup: refs, rows of each table at each ref, and all files exist.

    Raises BackupError with the first differences otherwise.
    """
    refs = lake_state.current_refs(settings)
    differences = [
        f"{ref} is at {refs.get(ref, 'no commit')}, in the backup at {backup.refs.get(ref, 'no commit')}"
        for ref in sorted(refs.keys() | backup.refs.keys())
        if refs.get(ref) != backup.refs.get(ref)
    ]
    _require_none(differences, f"the lake differs from backup {backup.id}")
    state = lake_state.read(settings, refs)
    differences = [
        f"{table} at {ref} has {state.rows[ref].get(table)} rows, in the backup {rows}"
        for ref, tables in sorted(backup.rows.items())
        for table, rows in sorted(tables.items())
        if state.rows[ref].get(table) != rows
    ]
    _require_none(differences, f"the lake differs from backup {backup.id}")
    _require_files(state, {item.key for item in objects.in_lake(settings)}, f"the lake restored from backup {backup.id}")
    return state


def _require_files(state: LakeState, keys: set[str], what: str) -> None:
    missing = [f"s3://.../{key} is missing" for key in sorted(state.files - keys)]
    _require_none(missing, f"{what} lacks files of its tables")


def _require_none(problems: list[str], what: str) -> None:
    if problems:
        more = f"\n  and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise BackupError("\n  ".join([f"{what}:", *problems[:SHOWN]]) + more)


class ProgressLine:
    """Prints how many objects are done, at most every few seconds."""

    SECONDS = 5.0

    def __init__(self, what: str) -> None:
        self._what, self._last = what, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Print a line if it is time, and at the end."""
        now = time.monotonic()
        if done == total or now - self._last > self.SECONDS:
            self._last = now
            print(f"{self._what}: {done:,} of {total:,} objects", flush=True)
