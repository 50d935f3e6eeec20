"""The files that a table needs, read from its metadata files and manifests."""

from dataclasses import dataclass

from pyiceberg.io import FileIO, load_file_io
from pyiceberg.manifest import ManifestFile
from pyiceberg.table import StaticTable

from clickstream_contracts.settings import Settings

THREADS = 8


@dataclass(frozen=True)
class TableFiles:
    """A table at one commit.

    rows: those of its current snapshot. files: the addresses of its metadata file, manifest lists, manifests and statistics.
    manifests: they name the data and delete files.
    """

    rows: int
    files: list[str]
    manifests: list[ManifestFile]


class TableReader:
    """Reads metadata files and manifests, which never change."""

    def __init__(self, settings: Settings) -> None:
        self._properties = settings.pyiceberg()
        self._io: FileIO = load_file_io(self._properties)

    def table(self, location: str) -> TableFiles:
        """Returns the files of the table whose metadata file is at `location`. Raises FileNotFoundError if one of them is gone."""
        table = StaticTable.from_metadata(location, self._properties)
        manifests = {manifest.manifest_path: manifest for each in table.snapshots() for manifest in each.manifests(self._io)}
        lists = [snapshot.manifest_list for snapshot in table.snapshots()]
        statistics = [each.statistics_path for each in (*table.metadata.statistics, *table.metadata.partition_statistics)]
        current = table.current_snapshot()
        rows = int(current.summary["total-records"] or 0) if current and current.summary else 0
        return TableFiles(rows, [location, *lists, *manifests, *statistics], list(manifests.values()))

    def data_files(self, manifest: ManifestFile) -> list[str]:
        """Returns the data files and delete files of a manifest."""
        return [entry.data_file.file_path for entry in manifest.fetch_manifest_entry(self._io, discard_deleted=True)]


def object_key(settings: Settings, address: str) -> str:
    """Returns the key in the bucket of a file's s3:// address."""
    return address.split("://", 1)[1].removeprefix(f"{settings.s3_bucket}/")
