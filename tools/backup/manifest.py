"""The manifest of a backup: what it holds, written last, so that a backup without one is incomplete and ignored."""

import gzip
import hashlib
import io
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from tools.backup.lake_state import Refs, Rows
from tools.backup.objects import LakeObject
from tools.backup.storage import Storage
from tools.common.command import UsageError

FORMAT = 1
BACKUPS = "backups/"
ID = re.compile(r"\d{8}T\d{6}Z")
NEWEST = "newest"


class BackupError(RuntimeError):
    """A backup is incomplete or damaged, or the restored lake differs from it; the text says where."""


@dataclass(frozen=True)
class Dump:
    """A file of a database: its size and hash."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What one backup holds. `with_objects` is false when the bucket is protected by replication or versioning instead."""

    id: str
    created_at: str
    bucket: str
    versions: dict[str, str]
    refs: Refs
    rows: Rows
    dumps: dict[str, Dump]
    object_count: int
    object_bytes: int
    copied_bytes: int
    with_objects: bool
    format: int = FORMAT

    def to_json(self) -> str:
        """Returns the manifest as JSON."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Returns the manifest of its JSON. Raises BackupError for another format."""
        values = json.loads(text)
        if values.get("format") != FORMAT or set(values) != {spec.name for spec in fields(cls)}:
            raise BackupError(f"the backup has format {values.get('format')}, this version reads {FORMAT}: use the version that wrote it")
        return cls(**values | {"dumps": {name: Dump(**dump) for name, dump in values["dumps"].items()}})


def new_id(now: datetime) -> str:
    """Returns the id of a backup that begins now; ids sort by time."""
    return f"{now:%Y%m%dT%H%M%SZ}"


def file_name(backup: str, name: str) -> str:
    """Returns the name in the storage of a file of a backup."""
    return f"{BACKUPS}{backup}/{name}"


def complete_ids(storage: Storage) -> list[str]:
    """Returns the ids of all complete backups, the oldest first."""
    names = (name.split("/") for name in storage.names(BACKUPS))
    return sorted(parts[1] for parts in names if len(parts) == 3 and parts[2] == "manifest.json" and ID.fullmatch(parts[1]))


def load(storage: Storage, backup: str) -> Manifest:
    """Returns the manifest of a backup, of the newest one for `newest`. Raises UsageError if there is no such backup."""
    existing = complete_ids(storage)
    if not existing:
        raise UsageError("there is no backup in CLICKSTREAM_BACKUP_TARGET: write one with `./clickstream backup create`")
    if backup != NEWEST and backup not in existing:
        raise UsageError(f"there is no complete backup {backup!r}: `./clickstream backup list` prints the {len(existing)} that exist")
    name = file_name(existing[-1] if backup == NEWEST else backup, "manifest.json")
    with storage.read(name) as content:
        return Manifest.from_json(content.read().decode())


def save(storage: Storage, manifest: Manifest) -> None:
    """Write the manifest; from now on the backup exists."""
    storage.write(file_name(manifest.id, "manifest.json"), io.BytesIO(manifest.to_json().encode()))


def save_objects(storage: Storage, backup: str, objects: Iterable[LakeObject]) -> None:
    """Write the list of the lake's objects, one JSON array for each line."""
    lines = "".join(json.dumps([item.key, item.etag, item.size]) + "\n" for item in objects)
    storage.write(file_name(backup, "objects.jsonl.gz"), io.BytesIO(gzip.compress(lines.encode())))


def load_objects(storage: Storage, backup: str) -> list[LakeObject]:
    """Returns the objects of a backup."""
    with storage.read(file_name(backup, "objects.jsonl.gz")) as content:
        lines = gzip.decompress(content.read()).decode().splitlines()
    return [LakeObject(*json.loads(line)) for line in lines]


def describe(file: Path) -> Dump:
    """Returns the size and the hash of a file."""
    with file.open("rb") as content:
        return Dump(file.stat().st_size, hashlib.file_digest(content, "sha256").hexdigest())


def fetch_dumps(storage: Storage, manifest: Manifest, folder: Path) -> None:
    """Copy the databases' files of a backup into a folder. Raises BackupError if one is damaged."""
    for name, dump in manifest.dumps.items():
        with storage.read(file_name(manifest.id, name)) as content, (folder / name).open("wb") as file:
            _copy(content, file)
        if describe(folder / name) != dump:
            raise BackupError(f"backup {manifest.id}: {name} is damaged, its size or sha256 differs from the manifest: use another backup")


def _copy(content: Any, file: Any) -> None:
    while block := content.read(1 << 20):
        file.write(block)
