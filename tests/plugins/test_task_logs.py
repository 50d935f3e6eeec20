"""Task logs in the bucket: they outlive the local file, are complete after a reschedule, and stay on disk if the upload fails."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyarrow.fs import LocalFileSystem

from clickstream.task_logs import BucketTaskLogs
from tests.plugins.environment import ROOT

LOG = "dag_id=clickstream_nightly/run_id=manual__1/task_id=curate/attempt=1.log"


@pytest.fixture
def logs(tmp_path: Path) -> BucketTaskLogs:
    """Logs whose bucket is a folder."""
    files = LocalFileSystem()
    bucket = tmp_path / "bucket"
    # An object store has no folders; a file system does.
    for task_id in ("curate", "marts"):
        (bucket / "airflow/logs" / LOG.replace("curate", task_id)).parent.mkdir(parents=True)
    return BucketTaskLogs(lambda: files, str(bucket), tmp_path / "logs")


def write(tmp_path: Path, text: str, name: str = LOG) -> Path:
    path = tmp_path / "logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_log_is_read_from_the_bucket_after_its_local_file_is_gone(tmp_path: Path, logs: BucketTaskLogs) -> None:
    path = write(tmp_path, "curated 3 days\n")
    logs.upload(LOG)
    assert not path.exists()
    sources, texts = logs.read(LOG)
    assert texts == ["curated 3 days\n"]
    assert sources[0].endswith(f"bucket/airflow/logs/{LOG}")


def test_a_rescheduled_task_keeps_the_lines_of_its_earlier_checks(tmp_path: Path, logs: BucketTaskLogs) -> None:
    for line in ("waiting\n", "pinned\n"):
        write(tmp_path, line)
        logs.upload(LOG)
    assert logs.read(LOG)[1] == ["waiting\npinned\n"]


def test_the_log_of_a_trigger_is_read_with_that_of_its_task(tmp_path: Path, logs: BucketTaskLogs) -> None:
    for name, text in ((LOG, "task\n"), (f"{LOG}.trigger.7.log", "trigger\n"), (LOG.replace("=1", "=2"), "next try\n")):
        write(tmp_path, text, name)
        logs.upload(name)
    assert logs.read(LOG)[1] == ["task\n", "trigger\n"]


def test_a_failed_upload_keeps_the_local_file(tmp_path: Path) -> None:
    def unreachable() -> Any:
        raise OSError("no object store")

    path = write(tmp_path, "curated\n")
    with pytest.raises(RuntimeError, match="the file stays"):
        BucketTaskLogs(unreachable, "lake", tmp_path / "logs").upload(LOG)
    assert path.read_text() == "curated\n"


def test_a_log_that_does_not_exist_is_no_error(logs: BucketTaskLogs) -> None:
    logs.upload("dag_id=none/attempt=1.log")
    assert logs.read("dag_id=none/attempt=1.log") == ([], None)


def test_old_logs_are_deleted_from_the_bucket(tmp_path: Path, logs: BucketTaskLogs) -> None:
    for name in (LOG, LOG.replace("curate", "marts")):
        write(tmp_path, "text", name)
        logs.upload(name)
    week_ago = datetime.now(UTC) - timedelta(days=7)
    os.utime(tmp_path / "bucket/airflow/logs" / LOG, (week_ago.timestamp(), week_ago.timestamp()))
    assert logs.delete_older_than(week_ago + timedelta(days=1)) == 1
    assert [logs.read(name)[1] for name in (LOG, LOG.replace("curate", "marts"))] == [None, ["text"]]


CHECK = """
from airflow.logging_config import get_default_remote_conn_id, get_remote_task_log
from airflow.sdk.log import load_remote_log_handler
assert type(get_remote_task_log()).__name__ == type(load_remote_log_handler()).__name__ == "BucketTaskLogs"
assert get_default_remote_conn_id() is None
"""


def test_airflow_and_its_tasks_load_the_module_by_the_cluster_setting_without_a_connection(tmp_path: Path) -> None:
    variables = (line.partition("=") for line in (ROOT / "manifests/base/airflow/airflow.env").read_text().splitlines())
    logging_options = {key: value for key, _, value in variables if key.startswith("AIRFLOW__LOGGING__")}
    assert logging_options
    env = os.environ | logging_options | {"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT / 'contracts'}", "AIRFLOW_HOME": str(tmp_path)}
    env["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] = str(tmp_path / "logs")
    result = subprocess.run([sys.executable, "-c", CHECK], env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
