"""Benchmark of clicks_to_lake: its CPU beside jobs that only read the same topic, over a simulated day."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.stack import temporary_stack
from clickstream_contracts.settings import Settings
from tools.fraud.flink_process import PYTHON, environment
from tools.kafka.reader import end_offsets
from tools.localstack import running

REPO = Path(__file__).parents[1]
SHOP = ("history", "--days", "1", "--events", "400000", "--until", "2026-01-02", "--seed", "7")


def measure() -> dict[str, Any]:
    """Measure the microseconds of CPU per event of each job, and ratios that do not depend on the machine."""
    with temporary_stack("s3", "nessie", "kafka") as env, tempfile.TemporaryDirectory() as folder:
        settings = running(env["CLICKSTREAM_STACK_DIR"])
        env |= settings.to_env() | environment(Path(folder))
        subprocess.run([sys.executable, "-m", "tools.shop", *SHOP], cwd=REPO, env=env, check=True, stdout=subprocess.DEVNULL)
        events = count(settings)
        command = [str(PYTHON), "-m", "bench.flink_jobs", folder]
        process = subprocess.run(command, cwd=REPO, env=env, capture_output=True, text=True, check=False)
    if process.returncode != 0:
        raise SystemExit(f"error: the Flink jobs failed: {process.stderr.strip()[-1000:]}")
    [cpu_seconds] = [json.loads(line) for line in process.stdout.splitlines() if line.startswith('{"read"')]
    lake_seconds = cpu_seconds["clicks_to_lake"]
    return {
        "events": events,
        "events_per_cpu_second": round(events / lake_seconds),
        **{f"{name}_us_per_event": round(seconds / events * 1e6, 2) for name, seconds in cpu_seconds.items()},
        "lake_to_read": round(lake_seconds / cpu_seconds["read"], 2),
        "lake_to_read_json": round(lake_seconds / cpu_seconds["read_json"], 2),
    }


def count(settings: Settings) -> int:
    """Returns the number of records in clicks.v1."""
    return sum(end_offsets(settings).values())


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
