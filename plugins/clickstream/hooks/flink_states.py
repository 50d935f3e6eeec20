"""Where a stream's state and definitions are remembered: in the bucket, which outlives every Flink process."""

import json
import re
from typing import Any

import httpx

from clickstream_contracts import names
from clickstream_contracts.schema import tables
from clickstream_contracts.settings import Settings


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
        return self._uri(names.savepoints(self._app))

    def newest(self) -> str | None:
        """The newest complete checkpoint or savepoint: older ones lack what is already committed to the lake."""
        found = [
            (info.mtime, _number(info.path), info.path.removesuffix("/_metadata"))
            for prefix in (names.checkpoints(self._app), names.savepoints(self._app))
            for info in self._list(prefix)
            if info.path.endswith("/_metadata")
        ]
        return f"s3://{max(found)[2]}" if found else None

    def wrote_before(self) -> bool:
        """Whether a table that this app alone writes has data: then a start without state would write it twice."""
        mine = [c for c in tables().values() if c.writer == f"flink_apps.{self._app}"]
        with httpx.Client(timeout=60) as http:
            asked = http.get(f"{self._settings.iceberg_uri()}/v1/config", params={"warehouse": self._settings.warehouse})
            config = asked.raise_for_status().json()
            catalog = config["defaults"] | config["overrides"]
            base = f"{catalog['uri'].rstrip('/')}/v1/{catalog['prefix']}"
            answers = [http.get(f"{base}/namespaces/{c.namespace}/tables/{c.table}").raise_for_status() for c in mine]
        return any((a.json()["metadata"].get("current-snapshot-id") or -1) != -1 for a in answers)

    def statements(self, definition: str) -> str | None:
        """Where the SQL of an earlier definition is kept, or None if it never ran here."""
        key = names.statements(self._app, definition)
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
        return names.statements(self._app, definition).removesuffix(".sql") + ".refused.json"

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
