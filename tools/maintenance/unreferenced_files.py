"""Collects the files of tables that no branch, no tag, no recent commit of main and no pinned commit needs.

The bucket is listed first and the references are read afterwards: a file that is written or committed meanwhile is not a candidate.
Nothing else in the bucket is a candidate either: receipts, models, logs and the state of streams have other folders. A run that is
killed has deleted some files that nobody needs; the next one deletes the others.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from clickstream_contracts import names, schema
from clickstream_contracts.settings import Settings
from tools.lake import catalog, nessie
from tools.lake.object_store import StoredObject, delete_objects, list_objects
from tools.lake.table_files import THREADS, TableFiles, TableReader, object_key
from tools.maintenance import compaction, tags

# A run reads a commit of main that it pinned up to 12 hours before, for some hours; a backup copies files for some hours.
MIN_AGE = timedelta(hours=48)
LEAST_MIN_AGE = timedelta(hours=24)
READ_AT_ONCE = 64


@dataclass(frozen=True)
class Unreferenced:
    """Files that nobody needs: keys and sizes by table folder, and the number of files that were compared."""

    files: Mapping[str, dict[str, int]]
    compared: int

    @property
    def count(self) -> int:
        return sum(len(sizes) for sizes in self.files.values())

    @property
    def bytes(self) -> int:
        return sum(size for sizes in self.files.values() for size in sizes.values())

    def facts(self) -> dict[str, dict[str, int]]:
        """Returns count and bytes by table folder."""
        return {folder: {"files": len(sizes), "bytes": sum(sizes.values())} for folder, sizes in sorted(self.files.items())}


def find(settings: Settings, now: datetime, min_age: timedelta = MIN_AGE) -> Unreferenced:
    """Returns the files that are older than `min_age` and that nobody needs.

    Raises FileNotFoundError if a branch, a tag or a pinned commit needs a file that does not exist: the lake is damaged.
    """
    cutoff = now - min_age
    main = set(nessie.metadata_locations(settings, nessie.commit_hash(settings)).values())
    # What a stream wrote since its last commit is named only by its checkpoint. It is committed when the stream is restored.
    candidates = _Candidates.listed(settings, cutoff, stream_cutoffs(settings, min_age), {object_key(settings, each) for each in main})
    compared = len(candidates.sizes)
    if not compared:
        return Unreferenced({}, 0)
    kept = _kept_locations(settings, cutoff)
    history = set(_history_locations(settings, cutoff)) - kept
    with ThreadPoolExecutor(THREADS) as pool:
        marker = _Marker(TableReader(settings), settings, candidates, pool)
        marker.mark(kept)
        marker.mark(history, may_be_missing=True)
    return Unreferenced(candidates.by_folder(), compared)


def only_in_history(settings: Settings, tables: set[str], now: datetime) -> Unreferenced:
    """Returns the files of tables that only commits of main of the last 48 hours, or replaced commits, need: no branch, tag or model does.

    They are committed files, so none is about to be committed. A run that reads one of these commits fails when they are deleted.
    """
    reader, needed = TableReader(settings), _commits_of_references(settings) | tags.commits_of_models(settings)
    kept, old = _locations(settings, needed, tables), _locations(settings, tags.replaced_commits(settings), tables)
    folders = {object_key(settings, address).split("/metadata/")[0] for address in kept}
    history = {each for each in _history_locations(settings, now - MIN_AGE) if object_key(settings, each).split("/metadata/")[0] in folders}
    with ThreadPoolExecutor(THREADS) as pool:
        kept_files = {key for keys in pool.map(lambda each: _files(reader, settings, each), kept) for key in keys}
        files = {key for keys in pool.map(lambda each: _files(reader, settings, each), (history | old) - kept) for key in keys}
    sizes = {file.key: file.size for file in _list(settings)}
    candidates = _Candidates({key: sizes[key] for key in files - kept_files if key in sizes})
    return Unreferenced(candidates.by_folder(), len(files))


def _locations(settings: Settings, commits: Iterable[str], tables: set[str]) -> set[str]:
    """Returns the metadata files of tables at commits."""
    locations = (nessie.metadata_locations(settings, commit) for commit in commits)
    return {location for each in locations for table, location in each.items() if table in tables}


def _files(reader: TableReader, settings: Settings, location: str) -> set[str]:
    """Returns the keys of all files that a metadata file needs; none if it, or a part of it, was collected before."""
    try:
        table = reader.table(location)
        addresses = {*table.files, *(file for manifest in table.manifests for file in reader.data_files(manifest))}
    except FileNotFoundError:
        return set()
    return {object_key(settings, address) for address in addresses}


def delete(settings: Settings, unreferenced: Unreferenced) -> None:
    """Delete the files. Raises OSError if the object store refuses one."""
    delete_objects(settings, (key for sizes in unreferenced.files.values() for key in sizes))


def stream_cutoffs(settings: Settings, min_age: timedelta) -> dict[str, datetime]:
    """Returns, for the folder of each table that a stream writes, the time of writing before which files may be collected."""
    main, cutoffs = catalog.open_catalog(settings), {}
    for name in compaction.stream_tables():
        table = main.load_table(name)
        snapshot = table.current_snapshot()
        committed_at = compaction.stream_committed_at_ms(snapshot) / 1000 if snapshot else 0
        cutoffs[object_key(settings, table.location())] = datetime.fromtimestamp(committed_at, UTC) - min_age
    return cutoffs


def _list(settings: Settings) -> Iterator[StoredObject]:
    """Yields the files of tables."""
    for namespace in sorted({contract.namespace for contract in schema.tables().values()}):
        yield from (file for file in list_objects(settings, f"{namespace}/") if _folder(file.key))


def _folder(key: str) -> str:
    """Returns the folder of the table that a file belongs to, e.g. `raw/clicks_0e9f...`; '' if it is no file of a table."""
    match = re.match(r"([^/]+/[^/]+)/(data|metadata)/.*[^/]$", key)
    return match[1] if match else ""


def _kept_locations(settings: Settings, cutoff: datetime) -> set[str]:
    """Returns the metadata files of all branches and tags, of tags that were dropped since the cutoff, and of the models' data."""
    commits = _commits_of_references(settings)
    commits |= tags.recently_dropped(settings, cutoff) | tags.commits_of_models(settings)
    return {location for commit in commits for location in nessie.metadata_locations(settings, commit).values()}


def _commits_of_references(settings: Settings) -> set[str]:
    """Returns the commits of all branches and tags."""
    return {reference["hash"] for kind in ("BRANCH", "TAG") for reference in nessie.references(settings, kind)}


def _history_locations(settings: Settings, cutoff: datetime) -> Iterator[str]:
    """Yields the metadata files of all commits of main since the cutoff, and of the one before them."""
    for entry in nessie.history(settings, names.MAIN):
        if datetime.fromisoformat(entry["commitMeta"]["commitTime"]) < cutoff:
            yield from nessie.metadata_locations(settings, entry["commitMeta"]["hash"]).values()
            return
        for operation in entry["operations"] or ():
            if operation["type"] == "PUT" and operation["content"]["type"] == "ICEBERG_TABLE":
                yield operation["content"]["metadataLocation"]


@dataclass
class _Candidates:
    """The files that are not known to be needed yet: size by key."""

    sizes: dict[str, int]

    @classmethod
    def listed(cls, settings: Settings, cutoff: datetime, cutoffs: Mapping[str, datetime], needed: set[str]) -> Self:
        """Returns the files that are older than the cutoff, or the one of their folder.

        Raises FileNotFoundError if one of the keys `needed` is not in the bucket: then the others would not be recognised either.
        """
        sizes, missing = {}, set(needed)
        for file in _list(settings):
            missing.discard(file.key)
            if file.written_at < min(cutoff, cutoffs.get(_folder(file.key), cutoff)):
                sizes[file.key] = file.size
        if missing:
            raise FileNotFoundError(f"main needs {min(missing)}, which is not in the bucket {settings.s3_bucket}; nothing was deleted")
        return cls(sizes)

    def by_folder(self) -> dict[str, dict[str, int]]:
        folders: dict[str, dict[str, int]] = defaultdict(dict)
        for key, size in self.sizes.items():
            folders[_folder(key)][key] = size
        return dict(folders)


@dataclass
class _Marker:
    """Removes the files that tables need from the candidates. Each manifest is read once."""

    reader: TableReader
    settings: Settings
    candidates: _Candidates
    pool: ThreadPoolExecutor
    _read_manifests: set[str] = field(default_factory=set)

    def mark(self, locations: Iterable[str], *, may_be_missing: bool = False) -> None:
        """Mark the files of tables. `may_be_missing`: skip those of old commits whose files were collected before."""
        ordered = sorted(locations)
        for start in range(0, len(ordered), READ_AT_ONCE):
            some = ordered[start : start + READ_AT_ONCE]
            tables = list(self.pool.map(lambda location: self._table(location, may_be_missing), some))
            manifests = {each.manifest_path: each for table in tables for each in table.manifests}
            new = [manifest for path, manifest in manifests.items() if path not in self._read_manifests]
            self._read_manifests |= manifests.keys()
            for addresses in (*(table.files for table in tables), *self.pool.map(self.reader.data_files, new)):
                self._keep(addresses)

    def _table(self, location: str, may_be_missing: bool) -> TableFiles:
        try:
            return self.reader.table(location)
        except FileNotFoundError:
            if not may_be_missing:
                raise
            return TableFiles(0, [], [])

    def _keep(self, addresses: Iterable[str]) -> None:
        for address in addresses:
            self.candidates.sizes.pop(object_key(self.settings, address), None)
