"""The Flink process of the benchmark flink_lake: CPU-seconds of each job as JSON on the last line.

Each job runs twice in one JVM and only the second run is measured, without start-up and JIT compilation.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clickstream_contracts import names, schema
from clickstream_contracts.render import flink_type
from clickstream_contracts.schema import Contract
from clickstream_contracts.settings import Settings
from flink_apps.clicks_to_lake import pipeline
from flink_apps.common import connectors, session, sql
from flink_apps.common.cli import Stream
from flink_apps.common.connectors import Options

SQL = Path(__file__).parent / "sql"
GROUP = "bench"
# Read all that the topic holds when the job starts, then end.
BOUNDED: Options = {"properties.group.id": GROUP, "scan.bounded.mode": "latest-offset"}


def main(folder: str) -> None:
    """Measure three jobs over all that the topic holds now."""
    settings = Settings.from_env()
    jobs: dict[str, Callable[[], Any]] = {
        "read": lambda: source_only(settings, folder, "raw"),
        "read_json": lambda: source_only(settings, folder, "json"),
        "clicks_to_lake": lambda: clicks_to_lake(settings, tempfile.mkdtemp(dir=folder)),
    }
    print(json.dumps({name: second_run(job) for name, job in jobs.items()}))


def second_run(job: Callable[[], Any]) -> float:
    """Run a job twice. Returns the CPU-seconds of the second run from its submission on, without the planning."""
    job().execute().wait()
    submitted = job().execute()
    before = jvm_cpu_seconds()
    submitted.wait()
    return jvm_cpu_seconds() - before


def jvm_cpu_seconds() -> float:
    """Returns the CPU-seconds used so far by this process's JVM, its only child."""
    children = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    pid = next(pids[0] for pids in children if pids)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user_ticks, system_ticks = int(fields[11]), int(fields[12])
    return (user_ticks + system_ticks) / os.sysconf("SC_CLK_TCK")


def environment(settings: Settings, folder: str, stream: Stream = pipeline.STREAM) -> Any:
    """Create a TableEnvironment with the stream's options, but with its checkpoints on this disk and without restarts."""
    options = session.job_options(settings, "bench", "flink_lake") | stream.options
    for option in ("dir", "savepoint-dir"):
        options[f"execution.checkpointing.{option}"] = f"file://{folder}/{option}"
    options["restart-strategy.type"] = "none"
    return session.table_environment(options)


def earliest(settings: Settings, *tables: str) -> dict[str, Any]:
    """Returns what fills the statements of a stream whose source tables start at the earliest offset."""
    connection = connectors.one_line(connectors.kafka_connection(settings))
    return {"startup": dict.fromkeys(tables, connectors.one_line(connectors.EARLIEST)), "kafka_connection": connection, "emit_from": 0}


def source_only(settings: Settings, folder: str, format_: str) -> Any:
    """Read the topic in this format into a blackhole sink."""
    columns = {f.name: "BIGINT" if f.type == "timestamptz" else flink_type(f) for f in schema.event().fields}
    source = connectors.kafka_source(names.CLICKS_TOPIC, GROUP) | connectors.EARLIEST | BOUNDED
    text = sql.render(SQL / "flink_source_only.sql", {"columns": columns, "source": source, "format": format_})
    return session.statement_set(environment(settings, folder), text, earliest(settings))


def clicks_to_lake(settings: Settings, folder: str) -> Any:
    """Returns the job itself, up to the present end of the topic, into tables on this disk."""
    tables = environment(settings, folder)
    columns = {name: _columns(schema.tables()[f"raw.{name}"]) for name in ("clicks", "quarantine")}
    session.statement_set(tables, sql.render(SQL / "flink_lake.sql", {"folder": folder, **columns}), {})
    records = connectors.kafka_source(names.CLICKS_TOPIC, GROUP) | BOUNDED
    return session.statement_set(tables, pipeline.render(settings, records), earliest(settings, "records"))


def _columns(contract: Contract) -> str:
    return ", ".join(f"`{f.name}` {flink_type(f)}{' NOT NULL' if f.required else ''}" for f in contract.fields)


if __name__ == "__main__":
    main(sys.argv[1])
