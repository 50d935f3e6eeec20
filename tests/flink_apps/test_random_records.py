"""Random bytes, mutated events and thousands of days in one batch: each record is in one table, and the job never restarts."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from clickstream_contracts import schema

# RANDOM_RECORDS=1000000 is the long test.
COUNT = int(os.environ.get("RANDOM_RECORDS", "10000"))
SEED = int(os.environ.get("RANDOM_SEED", "1"))


@pytest.fixture(scope="module")
def folder(flink_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake after every record was processed; a restart of the job is an error."""
    folder = tmp_path_factory.mktemp("random")
    command = [sys.executable, "-m", "tests.flink_apps.run_cases", str(folder), str(COUNT), str(SEED)]
    process = subprocess.run(command, env=flink_environment, capture_output=True, text=True, timeout=3600, check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    return folder


def test_every_random_record_is_in_exactly_one_table(folder: Path) -> None:
    rows = json.loads((folder / "outcome.json").read_text())
    offsets = Counter(row["kafka_offset"] for table in rows.values() for row in table)
    assert offsets == Counter(range(COUNT))
    assert len(rows["raw.clicks"]) > COUNT / 10
    reasons = {row["reason"] for row in rows["raw.quarantine"]}
    # The records are smaller than the limit of too_large.
    assert reasons == set(schema.tables()["raw.quarantine"].field("reason").choices) - {"too_large"}


def test_thousands_of_days_that_arrive_together_are_few_files(folder: Path) -> None:
    partitions = {path.parent.name for path in (folder / "raw/clicks/data").rglob("*.parquet")}
    assert partitions == {"ingested_at_day=2026-01-02"}
    # A file for each writer and checkpoint, not for each of the 9,000 days of the events.
    assert len(list((folder / "raw/clicks/data").rglob("*.parquet"))) < 1000
