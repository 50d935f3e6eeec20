"""Where a stream's state and definitions are remembered: in the bucket, which outlives every Flink process."""

import json
import re
from typing import Any

from clickstream.hooks.flink import FlinkError
from clickstream_contracts import names, schema
from clickstream_contracts.schema import Contract
from clickstream_contracts.settings import Settings

# By topic and partition, the offset of a record.
Offsets = dict[str, dict[int, int]]


class FlinkStates:
    """Checkpoints, savepoints, saved statements and refused definitions of one app."""

    def __init__(self, settings: Settings, app: str) -> None:
        # Imported here because every Airflow process imports the operators and only running tasks look at state.
        from pyarrow.fs import S3FileSystem

        access_key, secret_key = settings.s3_credentials()
        self._files = S3FileSystem(
            access_key=access_key, secret_key=secret_key, endpoint_override=settings.s3_endpoint, region=settings.s3_region
        )
        self._settings, self._app = settings, app

    @property
    def savepoints(self) -> str:
        """Where savepoints are put."""
        return self._uri(names.savepoint_prefix(self._app))

    def newest(self) -> str | None:
        """The newest complete checkpoint or savepoint: older ones lack what is already committed to the lake."""
        found = [
            (info.mtime, _number(info.path), info.path.removesuffix("/_metadata"))
            for prefix in (names.checkpoint_prefix(self._app), names.savepoint_prefix(self._app))
            for info in self._list(prefix)
            if info.path.endswith("/_metadata")
        ]
        return f"s3://{max(found)[2]}" if found else None

    def tables(self) -> list[Contract]:
        """The tables of the lake that the app writes."""
        return [c for c in schema.tables().values() if c.writer == f"flink_apps.{self._app}"]

    def lake_end(self) -> Offsets:
        """By topic and partition, the offset after the last record that the app's tables hold; a topic without any is left out.

        Raises FlinkError if a record before that is missing: what a job prepared is then still to be committed.
        """
        from pyiceberg.catalog.rest import RestCatalog

        mine = self.tables()
        with RestCatalog("nessie", **self._settings.pyiceberg()) as lake:
            ends = {topic: self._end(lake, [c.id for c in mine if c.topic == topic]) for topic in {c.topic for c in mine}}
        return {topic: places for topic, places in sorted(ends.items()) if places}

    def _end(self, lake: Any, names_of_tables: list[str]) -> dict[int, int]:
        import pyarrow as pa

        places = ["kafka_partition", "kafka_offset"]
        held = pa.concat_tables(
            [lake.load_table(table).scan(selected_fields=tuple(places)).to_arrow().select(places) for table in names_of_tables]
        )
        ends = {}
        for row in held.group_by("kafka_partition").aggregate([("kafka_offset", how) for how in ("min", "max", "count")]).to_pylist():
            partition, first, last = row["kafka_partition"], row["kafka_offset_min"], row["kafka_offset_max"]
            if row["kafka_offset_count"] != last - first + 1:
                raise FlinkError(
                    f"the lake holds {row['kafka_offset_count']:,} records of partition {partition} from offset {first} to {last}, not each"
                    f" of them once: where {self._app} must go on is in its state alone"
                )
            ends[partition] = last + 1
        # A partition of which the lake holds nothing is read from its beginning: without a word on it, Flink would ask the consumer group.
        return dict.fromkeys(range(self._settings.clicks_partitions), 0) | ends if ends else {}

    def statements(self, definition: str) -> str | None:
        """Where the SQL of an earlier definition is kept, or None if it never ran here."""
        key = names.saved_statements_key(self._app, definition)
        return None if self._read(key) is None else self._uri(key)

    def refusal(self, definition: str) -> dict[str, Any] | None:
        """Why this definition was taken back, and which one ran instead; None if it was not."""
        text = self._read(self._refusal_key(definition))
        return None if text is None else json.loads(text)

    def refuse(self, definition: str, reason: str, instead: str) -> None:
        """Remember that this definition failed, so that it is not tried every five minutes."""
        with self._files.open_output_stream(f"{self._settings.s3_bucket}/{self._refusal_key(definition)}") as file:
            file.write(json.dumps({"reason": reason, "instead": instead}).encode())

    def forgive(self, definition: str) -> None:
        """Forget that this definition was refused."""
        if self.refusal(definition) is not None:
            self._files.delete_file(f"{self._settings.s3_bucket}/{self._refusal_key(definition)}")

    def _refusal_key(self, definition: str) -> str:
        return names.saved_statements_key(self._app, definition).removesuffix(".sql") + ".refused.json"

    def _uri(self, key: str) -> str:
        return f"s3://{self._settings.s3_bucket}/{key}"

    def _list(self, prefix: str) -> list[Any]:
        from pyarrow.fs import FileSelector

        selector = FileSelector(f"{self._settings.s3_bucket}/{prefix}", recursive=True, allow_not_found=True)
        return list(self._files.get_file_info(selector))

    def _read(self, key: str) -> str | None:
        try:
            with self._files.open_input_file(f"{self._settings.s3_bucket}/{key}") as file:
                return bytes(file.read()).decode()
        except FileNotFoundError:
            return None


def _number(path: str) -> int:
    """Among states of one second the savepoint is the last, and of checkpoints the highest."""
    found = re.search(r"/chk-(\d+)/", path)
    return int(found[1]) if found else 2**63
