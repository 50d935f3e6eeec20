"""The clean-up of a real metadata database and a log folder: what is old goes, what is new and what the scheduler needs stays."""

import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clickstream.cleanup import clean_folder
from tests.plugins.environment import ROOT

NOW = datetime.now(UTC)
INSERT_RUNS = """
from datetime import datetime, timedelta, UTC
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType, DagRunType
with create_session() as session:
    for days in (1, 40, 50):
        start = datetime.now(UTC) - timedelta(days=days)
        session.add(DagRun(dag_id="d", run_id=f"scheduled__{days}", run_type=DagRunType.SCHEDULED, state="success", start_date=start,
                           logical_date=start, run_after=start, triggered_by=DagRunTriggeredByType.TIMETABLE))
        entry = Log(event="trigger")
        entry.dttm = start
        session.add(entry)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of an Airflow with runs and log entries that are 1, 40 and 50 days old."""
    run(tmp_path, [str(Path(sys.executable).with_name("airflow")), "db", "migrate"])
    run(tmp_path, [sys.executable, "-c", INSERT_RUNS])
    return tmp_path


def run(home: Path, command: list[str]) -> str:
    env = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT / 'contracts'}",
    }
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-1000:] + result.stderr[-2000:]
    return result.stdout


def old_log(folder: Path, name: str, days: int) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x" * 1000)
    changed = (NOW - timedelta(days=days)).timestamp()
    os.utime(path, (changed, changed))
    return path


def test_old_runs_and_logs_are_removed_and_counted(home: Path) -> None:
    old_log(home / "logs", "dag_id=d/run_id=scheduled__40/attempt=1.log", 40)
    kept = old_log(home / "logs", "dag_id=d/run_id=scheduled__1/attempt=1.log", 1)
    output = run(home, [sys.executable, "-m", "clickstream.cleanup"])
    assert "older than 30 days: removed 4 rows of the metadata database (dag_run 2, log 2)," in output
    assert "1 log files with 0.0 MB, and 0 logs of the bucket" in output
    assert [path for path in (home / "logs").rglob("*") if path.is_file()] == [kept]
    with sqlite3.connect(home / "airflow.db") as database:
        assert database.execute("SELECT run_id FROM dag_run").fetchall() == [("scheduled__1",)]


def test_a_folder_is_removed_with_its_last_old_file(tmp_path: Path) -> None:
    old_log(tmp_path, "dag_id=a/run_id=1/attempt=1.log", 40)
    new = old_log(tmp_path, "dag_id=b/run_id=2/attempt=1.log", 2)
    assert clean_folder(tmp_path, NOW - timedelta(days=30)) == (1, 1000)
    assert [path.name for path in tmp_path.iterdir()] == ["dag_id=b"]
    assert new.exists()


def test_a_missing_log_folder_is_no_error(tmp_path: Path) -> None:
    assert clean_folder(tmp_path / "none", NOW) == (0, 0)
