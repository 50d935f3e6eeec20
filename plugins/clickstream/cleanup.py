"""Removes old rows of Airflow's metadata database and old logs: `python -m clickstream.cleanup`.

It is no DAG, because tasks of Airflow 3 have no access to the metadata database: on a cluster a CronJob runs it, on a laptop
`./clickstream airflow clean`.
"""

import argparse
import logging
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from clickstream_contracts.settings import Settings

log = logging.getLogger(__name__)


def clean_database(before: datetime) -> dict[str, int]:
    """Removes rows that are older than `before`, and returns how many by table. Raises RuntimeError if a table was not cleaned.

    Airflow keeps the newest scheduled run of each DAG, from which it computes the next one.
    """
    from airflow.utils.db_cleanup import run_cleanup

    rows_before = _rows_older_than(before)
    run_cleanup(clean_before_timestamp=before, confirm=False, skip_archive=True, error_on_cleanup_failure=True)
    rows_after = _rows_older_than(before)
    removed = {table: rows - rows_after[table] for table, rows in rows_before.items()}
    return {table: rows for table, rows in sorted(removed.items()) if rows}


def _rows_older_than(before: datetime) -> dict[str, int]:
    """Returns the number of old rows of each table that Airflow cleans. A row that is deleted with its parent may be younger."""
    from airflow.utils.db_cleanup import config_dict
    from airflow.utils.session import create_session
    from sqlalchemy import func, inspect, select

    with create_session() as session:
        existing = set(inspect(session.get_bind()).get_table_names())
        tables = {name: config for name, config in config_dict.items() if name in existing}
        return {
            name: int(session.scalar(select(func.count()).select_from(config.orm_model).where(config.recency_column < before)) or 0)
            for name, config in tables.items()
        }


def clean_folder(folder: Path, before: datetime) -> tuple[int, int]:
    """Deletes the files below `folder` that were last changed before `before`, then empty folders. Returns files and bytes."""
    files = size = 0
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_symlink():
            continue
        status = path.stat()
        if path.is_dir():
            _remove_if_empty(path)
        elif status.st_mtime < before.timestamp():
            path.unlink()
            files, size = files + 1, size + status.st_size
    return files, size


def _remove_if_empty(folder: Path) -> None:
    # A task that starts at this moment may write into the folder.
    if not any(folder.iterdir()):
        try:
            folder.rmdir()
        except OSError:
            log.info("%s is in use", folder)


def clean_bucket(before: datetime) -> int:
    """Deletes the task logs in the bucket that are older than `before`, if this Airflow writes them there. Returns their number."""
    from airflow.logging_config import get_remote_task_log

    logs: Any = get_remote_task_log()
    return int(logs.delete_older_than(before)) if hasattr(logs, "delete_older_than") else 0


def main(argv: list[str]) -> int:
    """Run the clean-up, print what was removed, and return the exit code."""
    days = Settings.from_env().airflow_retention_days
    parser = argparse.ArgumentParser(prog="clickstream.cleanup", description="Removes old rows and logs of Airflow.")
    parser.add_argument("--days", type=int, default=days, help="keep rows and logs of so many days; default: airflow_retention_days")
    days = parser.parse_args(argv).days
    if days < 1:
        parser.error(f"--days {days}: use at least 1")

    from airflow.configuration import conf

    before = datetime.now(UTC) - timedelta(days=days)
    rows = clean_database(before)
    files, size = clean_folder(Path(conf.get("logging", "base_log_folder")), before)
    objects = clean_bucket(before)
    tables = ", ".join(f"{table} {count}" for table, count in rows.items()) or "no table"
    print(f"older than {days} days: removed {sum(rows.values())} rows of the metadata database ({tables}),")
    print(f"{files} log files with {size / 1e6:.1f} MB, and {objects} logs of the bucket")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
