"""Compaction: rewrites the small data files of the streams' tables into few large ones, beside the running streams.

A stream that is restored looks for its last committed checkpoint in the summary of the table's snapshot, so each commit here carries
Flink's properties over from the snapshot that it replaces.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan, _dataframe_to_data_files
from pyiceberg.manifest import DataFile, ManifestContent, ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.snapshots import Operation, Snapshot
from pyiceberg.table.update.snapshot import _OverwriteFiles
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from clickstream_contracts import schema
from tools.maintenance import file_groups

MIB = 1 << 20
# A group of files is held in memory, sorted and unsorted: about 20 times as large as in Parquet. A pod of the tools has 512 MiB.
TARGET_BYTES = 8 * MIB
COMMIT_BYTES = 256 * MIB
COMMIT_ATTEMPTS = 20
PARTITION, OFFSET = "kafka_partition", "kafka_offset"
FLINK = ("flink.job-id", "flink.operator-id", "flink.max-committed-checkpoint-id")
# Time of the last commit of the stream itself, in milliseconds since 1970.
STREAM_COMMIT = "clickstream.stream-committed-at-ms"


class CompactionError(RuntimeError):
    """The rewritten files do not hold the records of the original ones; nothing was committed."""


@dataclass(frozen=True)
class Rewrite:
    """Data files and the ones that replace them."""

    old: list[DataFile]
    new: list[DataFile]


@dataclass
class Result:
    """What was, or in a dry run would be, rewritten in one table."""

    files: int = 0
    bytes: int = 0
    new_files: int = 0
    rows: int = 0
    commits: int = 0

    def add(self, rewrites: list[Rewrite], commits: int) -> None:
        """Count files and the ones that replace them."""
        old = [file for rewrite in rewrites for file in rewrite.old]
        self.files += len(old)
        self.bytes += sum(file.file_size_in_bytes for file in old)
        self.rows += sum(file.record_count for file in old)
        self.new_files += sum(len(rewrite.new) for rewrite in rewrites)
        self.commits += commits


def stream_tables() -> list[str]:
    """Returns the tables that streams write."""
    return [contract.id for contract in schema.tables().values() if contract.topic]


def compact(
    catalog: RestCatalog, name: str, now: datetime, *, apply: bool, target_bytes: int = TARGET_BYTES, commit_bytes: int = COMMIT_BYTES
) -> Result:
    """Rewrite the small files of the closed arrival hours and days of a table, in commits of at most `commit_bytes` of old files.

    Raises CompactionError, before the commit, if a rewritten file lacks or repeats a record.
    """
    result, table = Result(), catalog.load_table(name)
    # Equality and position deletes would have to be applied; streams only append.
    files = (task.file for task in table.scan().plan_files() if not task.delete_files)
    planned = file_groups.groups(file_groups.read_bounds(files, table.schema()), target_bytes, now)
    for batch in _batches(planned, commit_bytes):
        rewrites = [Rewrite(group, _rewrite(table, group)) if apply else Rewrite(group, group[:1]) for group in batch]
        if apply and not commit(catalog, name, rewrites):
            continue
        result.add(rewrites, commits=int(apply))
    return result


def _batches(groups: list[list[DataFile]], limit: int) -> Iterator[list[list[DataFile]]]:
    batch: list[list[DataFile]] = []
    size = 0
    for group in groups:
        group_size = sum(file.file_size_in_bytes for file in group)
        if batch and size + group_size > limit:
            yield batch
            batch, size = [], 0
        batch.append(group)
        size += group_size
    if batch:
        yield batch


def _rewrite(table: Table, group: list[DataFile]) -> list[DataFile]:
    """Write the records of the files in order of partition and offset, and compare what was written with them."""
    rows = ArrowScan(table.metadata, table.io, table.schema(), AlwaysTrue()).to_table([FileScanTask(file) for file in group])
    rows = rows.sort_by([(PARTITION, "ascending"), (OFFSET, "ascending")])
    new = list(_dataframe_to_data_files(table.metadata, rows, table.io, write_uuid=uuid.uuid4()))
    _check(table, group, rows.select([PARTITION, OFFSET]), new)
    return new


def _check(table: Table, group: list[DataFile], expected: pa.Table, new: list[DataFile]) -> None:
    """Raises CompactionError unless the new files hold the expected partitions and offsets, which are those of all old records."""
    old_rows = sum(file.record_count for file in group)
    written = pa.concat_tables([_positions(table, file) for file in new])
    counts = {old_rows, len(expected), len(written), sum(file.record_count for file in new)}
    ordered = written.sort_by([(PARTITION, "ascending"), (OFFSET, "ascending")])
    if len(counts) > 1 or any(not ordered[name].equals(expected[name].cast(ordered[name].type)) for name in (PARTITION, OFFSET)):
        raise CompactionError(
            f"{'.'.join(table.name())}: {len(written)} records were written for {old_rows} records of {len(group)} files from"
            f" {group[0].file_path} on, or with other offsets; nothing was committed"
        )


def _positions(table: Table, file: DataFile) -> pa.Table:
    with table.io.new_input(file.file_path).open() as stream:
        return pq.read_table(stream, columns=[PARTITION, OFFSET])


@retry(retry=retry_if_exception_type(CommitFailedException), stop=stop_after_attempt(COMMIT_ATTEMPTS), wait=wait_random(0, 1), reraise=True)
def commit(catalog: RestCatalog, name: str, rewrites: list[Rewrite], properties: Mapping[str, str] | None = None) -> bool:
    """Replace files and set table properties in one commit; returns False if somebody else has replaced one of the files already.

    A conflict with a commit of the stream repeats it with the table, and so with Flink's properties, as the stream left them.
    """
    table = _without_own_retries(catalog.load_table(name))
    snapshot = table.current_snapshot()
    carried = carried_properties(snapshot) if name in stream_tables() else {}
    try:
        with table.transaction() as transaction:
            if properties:
                transaction.set_properties(dict(properties))
            if snapshot:
                overwrite = _Overwrite(Operation.OVERWRITE, transaction, table.io, snapshot_properties=carried)
                with overwrite:
                    for rewrite in rewrites:
                        for file in rewrite.old:
                            overwrite.delete_data_file(file)
                        for file in rewrite.new:
                            overwrite.append_data_file(file)
    except ValidationException:
        return False
    return True


class _Overwrite(_OverwriteFiles):
    """An overwrite whose manifests do not name deleted files: the bounds of their columns are values of rows, maybe of erased ones."""

    def _deleted_entries(self) -> list[ManifestEntry]:
        # Raises ValidationException if a file is gone.
        super()._deleted_entries()
        return []

    def _existing_manifests(self) -> list[ManifestFile]:
        return [kept for manifest in super()._existing_manifests() for kept in self._without_deleted(manifest)]

    def _without_deleted(self, manifest: ManifestFile) -> list[ManifestFile]:
        """Returns the manifest without the entries of files that earlier commits deleted; none if it has no others."""
        if manifest.deleted_files_count == 0 or manifest.content != ManifestContent.DATA:
            return [manifest]
        live = manifest.fetch_manifest_entry(self._io, discard_deleted=True)
        if not live:
            return []
        with self.new_manifest_writer(self.spec(manifest.partition_spec_id)) as writer:
            for entry in live:
                entry.status = ManifestEntryStatus.EXISTING
                writer.add_entry(entry)
        return [writer.to_manifest_file()]


def _without_own_retries(table: Table) -> Table:
    """Turns off PyIceberg's own retries, which would commit the Flink properties of an earlier snapshot again."""
    properties = {**table.metadata.properties, "commit.retry.num-retries": "0"}
    table.metadata = table.metadata.model_copy(update={"properties": properties})
    return table


def carried_properties(snapshot: Snapshot | None) -> dict[str, str]:
    """Returns the properties that a commit must take over from the snapshot it replaces."""
    if snapshot is None or snapshot.summary is None:
        return {}
    flink = {key: value for key in FLINK if (value := snapshot.summary.get(key)) is not None}
    return flink | {STREAM_COMMIT: str(stream_committed_at_ms(snapshot))}


def stream_committed_at_ms(snapshot: Snapshot) -> int:
    """Returns when the stream itself committed last: the time of the snapshot, unless a compaction made it."""
    carried = snapshot.summary.get(STREAM_COMMIT) if snapshot.summary else None
    return int(carried or snapshot.timestamp_ms)
