"""Writes rows into raw tables of a real lake, as the streams do."""

import os
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyiceberg.table import Table

from clickstream_contracts.settings import Settings
from tools.lake.catalog import open_catalog

ROOT = Path(__file__).parents[2]
ARRIVAL = datetime(2026, 1, 2, 12, tzinfo=UTC)


def append(table: Table, rows: list[dict[str, Any]]) -> None:
    """Append rows, whose missing columns are null, in one commit."""
    table.append(pa.Table.from_pylist(rows, table.schema().as_arrow()))


def append_clicks(settings: Settings, records: Iterable[tuple[int, int]], **columns: Any) -> None:
    """Append a click at each of the partitions and offsets."""
    click = {"event_type": "page_view", "event_time": ARRIVAL, "session_id": "s", "schema_version": 1, "ingested_at": ARRIVAL} | columns
    rows = [{"event_id": f"e{p}-{o}", "kafka_partition": p, "kafka_offset": o} | click for p, o in records]
    append(open_catalog(settings).load_table("raw.clicks"), rows)


def append_quarantine(settings: Settings, records: Iterable[tuple[int, int]], **columns: Any) -> None:
    """Append a record in quarantine at each of the partitions and offsets."""
    record = {"ingested_at": ARRIVAL, "reason": "not_json"} | columns
    append(open_catalog(settings).load_table("raw.quarantine"), [{"kafka_partition": p, "kafka_offset": o} | record for p, o in records])


def run(settings: Settings, *command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command of `./clickstream` and check its exit code."""
    env = {**os.environ, **settings.to_env(), "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "COLUMNS": "200"}
    done = subprocess.run([sys.executable, "-m", "tools.cli", *command], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done
