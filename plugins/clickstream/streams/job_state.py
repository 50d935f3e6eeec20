"""State of a Flink stream in the bucket: checkpoints, savepoints, saved statements and refused definitions."""

import json
import re
from typing import Any

from clickstream.hooks.flink import FlinkError
from clickstream.hooks.object_store import s3_filesystem
from clickstream_contracts import names, schema
from clickstream_contracts.schema import Contract
from clickstream_contracts.settings import Settings

# Kafka offset by topic and partition.
Offsets = dict[str, dict[int, int]]
CHECKPOINT_NUMBER = re.compile(r"/chk-(\d+)/")


class JobStateStore:
    """State of one app. It is in the bucket because it must outlive the JobManager."""

    def __init__(self, settings: Settings, app: str) -> None:
        self._files = s3_filesystem(settings)
        self._settings = settings
        self._app = app

    @property
    def savepoint_folder(self) -> str:
        """The URI of the folder of the app's savepoints."""
        return self._uri(names.savepoint_prefix(self._app))

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
                end_offsets = self._end_offsets(catalog, table_ids)
                if end_offsets:
                    offsets[topic] = end_offsets
        return offsets

    def _end_offsets(self, catalog: Any, table_ids: list[str]) -> dict[int, int]:
        """Returns the end offset of each partition in tables that share a topic; empty if they hold no records."""
        import pyarrow as pa

        columns = ["kafka_partition", "kafka_offset"]
        scans = [catalog.load_table(table_id).scan(selected_fields=tuple(columns)) for table_id in table_ids]
        records = pa.concat_tables([scan.to_arrow().select(columns) for scan in scans])
        aggregates = [("kafka_offset", function) for function in ("min", "max", "count")]
        end_offsets = {}
        for row in records.group_by("kafka_partition").aggregate(aggregates).to_pylist():
            partition, first, last = row["kafka_partition"], row["kafka_offset_min"], row["kafka_offset_max"]
            if row["kafka_offset_count"] != last - first + 1:
                raise FlinkError(
                    f"gap in the Kafka offsets of the lake: it holds {row['kafka_offset_count']:,} records of partition {partition}"
                    f" from offset {first} to {last}, not each of them once; restore the newest checkpoint of {self._app} below"
                    f" flink/{self._app}/"
                )
            end_offsets[partition] = last + 1
        if not end_offsets:
            return {}
        # Partitions without records start at 0: if they were left out, Flink would take the committed offset of the consumer group.
        return dict.fromkeys(range(self._settings.clicks_partitions), 0) | end_offsets

    def saved_statements(self, definition: str) -> str | None:
        """Returns the URI of the saved SQL of an earlier definition, or None if it never ran."""
        key = names.saved_statements_key(self._app, definition)
        return None if self._read(key) is None else self._uri(key)

    def refusal(self, definition: str) -> dict[str, Any] | None:
        """Returns why a definition was rolled back (`reason`) and which one ran instead (`instead`); None if it was not."""
        text = self._read(self._refusal_key(definition))
        return None if text is None else json.loads(text)

    def record_refusal(self, definition: str, reason: str, instead: str) -> None:
        """Records that a definition failed, so that it is not deployed again every five minutes."""
        with self._files.open_output_stream(self._path(self._refusal_key(definition))) as file:
            file.write(json.dumps({"reason": reason, "instead": instead}).encode())

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
