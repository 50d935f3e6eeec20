"""Task logs in the bucket, so that they outlive the pod that wrote them: the module of [logging] logging_config_class on a cluster.

Airflow's S3 logging needs the Amazon provider, with boto3 and 20 more packages; this is the same interface with the S3 client that
the receipts use, its credentials and its endpoint.
"""

import multiprocessing
from collections.abc import Callable
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

from airflow.config_templates.airflow_local_settings import BASE_LOG_FOLDER, DEFAULT_LOGGING_CONFIG

from clickstream.hooks.object_store import s3_filesystem
from clickstream_contracts import names
from clickstream_contracts.settings import Settings

UPLOAD_SECONDS = 60


class BucketTaskLogs:
    """Uploads the log of a try when it ends and deletes the local file, and reads logs for the web page."""

    # Airflow's interface: processors of the log lines, none.
    processors: tuple[Any, ...] = ()

    def __init__(self, open_files: Callable[[], Any], bucket: str, folder: Path) -> None:
        self._open_files = open_files
        self._prefix = f"{bucket}/{names.TASK_LOG_PREFIX}"
        self._folder = folder

    def upload(self, path: str | PathLike[str], ti: Any = None) -> None:
        """Uploads a log file below the log folder and deletes it. A failed upload leaves the file, and raises RuntimeError."""
        local = self._folder / path
        if not local.is_file():
            return
        # The process that runs tasks forks again for the next task, and the threads of an S3 client do not survive a fork.
        process = multiprocessing.get_context("fork").Process(target=self._append, args=(local, self._key(path)))
        process.start()
        process.join(UPLOAD_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
        if process.exitcode != 0:
            raise RuntimeError(f"cannot upload {local} to s3://{self._key(path)}: exit code {process.exitcode}; the file stays")
        local.unlink()

    def read(self, relative_path: str, ti: Any = None) -> tuple[list[str], list[str] | None]:
        """Returns the addresses and the contents of the logs of one try: of its task, and of a trigger that it waited for."""
        from pyarrow.fs import FileSelector

        key = self._key(relative_path)
        files = self._open_files()
        folder = FileSelector(key.rpartition("/")[0], allow_not_found=True)
        keys = sorted(info.path for info in files.get_file_info(folder) if info.is_file and info.path.startswith(key))
        return [f"s3://{each}" for each in keys], [self._text(files, each) for each in keys] or None

    def delete_older_than(self, before: datetime) -> int:
        """Deletes the logs that were written before `before`, and returns their number."""
        from pyarrow.fs import FileSelector

        files = self._open_files()
        all_logs = files.get_file_info(FileSelector(self._prefix, recursive=True, allow_not_found=True))
        old = [info.path for info in all_logs if info.is_file and info.mtime < before]
        for key in old:
            files.delete_file(key)
        return len(old)

    def _append(self, local: Path, key: str) -> None:
        """Writes the file after what an earlier run of the same try uploaded: a task that is rescheduled has several."""
        files = self._open_files()
        try:
            earlier = self._text(files, key)
        except FileNotFoundError:
            earlier = ""
        with files.open_output_stream(key) as output:
            output.write(earlier.encode() + local.read_bytes())

    def _text(self, files: Any, key: str) -> str:
        with files.open_input_file(key) as file:
            return bytes(file.read()).decode(errors="replace")

    def _key(self, path: str | PathLike[str]) -> str:
        return f"{self._prefix}/{Path(path).as_posix()}"


def from_settings(settings: Settings) -> BucketTaskLogs:
    """Returns the logs in the bucket of the settings."""
    return BucketTaskLogs(lambda: s3_filesystem(settings), settings.s3_bucket, Path(BASE_LOG_FOLDER))


# The names that Airflow reads from this module.
LOGGING_CONFIG = DEFAULT_LOGGING_CONFIG
REMOTE_TASK_LOG = from_settings(Settings.from_env())
