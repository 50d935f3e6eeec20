"""State of a Flink stream in the bucket: checkpoints, savepoints, saved statements, the last good and the refused definitions."""

import json
import re
from dataclasses import dataclass
from typing import Any

from clickstream.hooks.flink import FlinkError
from clickstream.hooks.object_store import s3_filesystem
from clickstream.streams import lake_offsets
from clickstream_contracts import names, schema
from clickstream_contracts.schema import Contract
from clickstream_contracts.settings import Settings

# Kafka offset by topic and partition.
Offsets = dict[str, dict[int, int]]
CHECKPOINT_NUMBER = re.compile(r"/chk-(\d+)/")


@dataclass(frozen=True)
class LastGood:
    """The last definition of an app that completed a checkpoint.

    definition: first 12 characters of its hash, as in the job's name.
    version: version of the images that ran it.
    savepoint: URI of its last savepoint before an upgrade of Flink; '' without one.
    """

    definition: str
    version: str
    savepoint: str = ""


class JobStateStore:
    """State of one app. It is in the bucket because it must outlive the JobManager."""

    def __init__(self, settings: Settings, app: str) -> None:
        self._files = s3_filesystem(settings)
        self._settings = settings
        self._app = app

    @property
    def savepoint_folder(self) -> str:
        """The URI of the folder of the savepoints that stopped a job."""
        return self._uri(names.savepoint_prefix(self._app))

    @property
    def upgrade_savepoint_folder(self) -> str:
        """The URI of the folder of the savepoints before an upgrade of Flink, after which the job went on."""
        return self._uri(names.upgrade_savepoint_prefix(self._app))

    def is_of_a_stop(self, state: str) -> bool:
        """Returns whether the state is a savepoint that stopped its job: only then all that was read is committed to the lake."""
        return state.startswith(f"{self.savepoint_folder}/") and not state.startswith(f"{self.upgrade_savepoint_folder}/")

    def newest(self) -> str | None:
        """Returns the URI of the newest complete checkpoint or savepoint; an older one lacks data that is already in the lake."""
        metadata_files = [
            info
            for prefix in (names.checkpoint_prefix(self._app), names.savepoint_prefix(self._app))
            for info in self._list(prefix)
            if info.path.endswith("/_metadata")
        ]
        if not metadata_files:
            return None
        newest = max(metadata_files, key=lambda info: (info.mtime, _checkpoint_number(info.path), info.path))
        return f"s3://{newest.path.removesuffix('/_metadata')}"

    def tables(self) -> list[Contract]:
        """Returns the contracts of the tables that the app writes."""
        return [contract for contract in schema.tables().values() if contract.writer == f"flink_apps.{self._app}"]

    def lake_end_offsets(self) -> Offsets:
        """Returns, by topic and partition, the offset after the last record in the app's tables; topics without records are left out.

        Raises FlinkError if the tables lack a record before it: the missing records are prepared in Flink's state but not committed.
        """
        from pyiceberg.catalog.rest import RestCatalog

        tables_by_topic: dict[str, list[str]] = {}
        for contract in self.tables():
            tables_by_topic.setdefault(contract.topic, []).append(contract.id)
        offsets: Offsets = {}
        with RestCatalog("nessie", **self._settings.pyiceberg()) as catalog:
            for topic, table_ids in sorted(tables_by_topic.items()):
                published = lake_offsets.published(catalog) if topic == names.CLICKS_TOPIC else lake_offsets.NOTHING_PUBLISHED
                end_offsets = self._end_offsets(catalog, table_ids, published)
                if end_offsets:
                    offsets[topic] = end_offsets
        return offsets

    def _end_offsets(self, catalog: Any, table_ids: list[str], published: lake_offsets.Published) -> dict[int, int]:
        """Returns the end offset of each partition in tables that share a topic; empty if they hold no records."""
        try:
            end_offsets = lake_offsets.end_offsets(catalog, table_ids, published=published)
        except FlinkError as error:
            raise FlinkError(f"{error}; otherwise restore the newest checkpoint of {self._app} below flink/{self._app}/") from None
        if not end_offsets:
            return {}
        # Partitions without records start at 0: if they were left out, Flink would take the committed offset of the consumer group.
        return dict.fromkeys(range(self._settings.clicks_partitions), 0) | end_offsets

    def saved_statements(self, definition: str) -> str | None:
        """Returns the URI of the saved SQL of an earlier definition, or None if it never ran."""
        key = names.saved_statements_key(self._app, definition)
        return None if self._read(key) is None else self._uri(key)

    def last_good(self) -> LastGood | None:
        """Returns the last definition that completed a checkpoint; None before the first one did."""
        text = self._read(names.last_good_key(self._app))
        return None if text is None else LastGood(**json.loads(text))

    def record_good(self, definition: str, savepoint: str = "") -> None:
        """Records that a definition completed a checkpoint, and its last savepoint before an upgrade."""
        # The images of a release have one version, which is the tag or the digest after their name.
        version = re.split("[:@]", self._settings.tools_image.rpartition("/")[2], maxsplit=1)[-1]
        self._write(names.last_good_key(self._app), {"definition": definition[:12], "version": version, "savepoint": savepoint})

    def refusal(self, definition: str) -> dict[str, Any] | None:
        """Returns why a definition was rolled back (`reason`) and which one ran instead (`instead`); None if it was not."""
        text = self._read(self._refusal_key(definition))
        return None if text is None else json.loads(text)

    def record_refusal(self, definition: str, reason: str, instead: str) -> None:
        """Records that a definition failed, so that it is not deployed again every five minutes."""
        self._write(self._refusal_key(definition), {"reason": reason, "instead": instead})

    def clear_refusal(self, definition: str) -> None:
        """Deletes the record that a definition failed."""
        if self.refusal(definition) is not None:
            self._files.delete_file(self._path(self._refusal_key(definition)))

    def _refusal_key(self, definition: str) -> str:
        return names.saved_statements_key(self._app, definition).removesuffix(".sql") + ".refused.json"

    def _path(self, key: str) -> str:
        return f"{self._settings.s3_bucket}/{key}"

    def _uri(self, key: str) -> str:
        return f"s3://{self._path(key)}"

    def _list(self, prefix: str) -> list[Any]:
        from pyarrow.fs import FileSelector

        selector = FileSelector(self._path(prefix), recursive=True, allow_not_found=True)
        return list(self._files.get_file_info(selector))

    def _write(self, key: str, content: dict[str, Any]) -> None:
        with self._files.open_output_stream(self._path(key)) as file:
            file.write(json.dumps(content).encode())

    def _read(self, key: str) -> str | None:
        try:
            with self._files.open_input_file(self._path(key)) as file:
                return bytes(file.read()).decode()
        except FileNotFoundError:
            return None


def _checkpoint_number(path: str) -> int:
    """Returns the number of a checkpoint, which orders checkpoints of the same second; a savepoint comes after all of them."""
    match = CHECKPOINT_NUMBER.search(path)
    return int(match[1]) if match else 2**63
