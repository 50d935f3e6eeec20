"""The measured half of the Flink benchmark, in the Flink environment: CPU-seconds of each job as JSON on the last line.

Each job runs twice in one JVM and the second run counts, so that start-up and compilation are out.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clickstream_contracts import names, schema
from clickstream_contracts.render import flink_type
from clickstream_contracts.schema import Contract
from clickstream_contracts.settings import Settings
from flink_apps import clicks_sql, engine
from flink_apps.app import App
from flink_apps.clicks_to_lake import APP
from flink_apps.template import filled

SQL = Path(__file__).parent / "sql"


def main(folder: str) -> None:
    """Measure three jobs over all that the topic holds now."""
    settings = Settings.from_env()
    jobs: dict[str, Callable[[], Any]] = {
        "read": lambda: source_only(settings, folder, "raw"),
        "read_json": lambda: source_only(settings, folder, "json"),
        "clicks_to_lake": lambda: lake(settings, tempfile.mkdtemp(dir=folder)),
    }
    print(json.dumps({name: second_run(job) for name, job in jobs.items()}))


def second_run(job: Callable[[], Any]) -> float:
    """CPU-seconds of the second of two runs, from its submission on: planning costs some seconds once, not for each event."""
    job().execute().wait()
    again = job().execute()
    before = jvm_cpu()
    again.wait()
    return jvm_cpu() - before


def jvm_cpu() -> float:
    """CPU-seconds that this process's JVM, the only child, has used until now."""
    child = Path("/proc/self/task").glob("*/children")
    pid = next(text.split()[0] for path in child if (text := path.read_text()))
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(ticks[11]) + int(ticks[12])) / 100


def environment(settings: Settings, folder: str, app: App = APP) -> Any:
    """As the job has it, but with its checkpoints on this disk."""
    here = {f"execution.checkpointing.{kind}": f"file://{folder}/{kind}" for kind in ("dir", "savepoint-dir")}
    here["restart-strategy.type"] = "none"
    return engine.table_environment(engine.job_options(settings, "bench", "flink_lake") | app.options | here)


def source_only(settings: Settings, folder: str, format_: str) -> Any:
    """Kafka to nowhere."""
    columns = ", ".join(f"`{f.name}` {'BIGINT' if f.type == 'timestamptz' else flink_type(f)}" for f in schema.event().fields)
    text = filled(SQL / "flink_source_only.sql", {"columns": columns, "topic": names.CLICKS_TOPIC, "format": format_})
    return engine.one_job(environment(settings, folder), text, settings, APP.startup({}))


def lake(settings: Settings, folder: str) -> Any:
    """The job itself, reading to the present end of the topic into tables of its own."""
    tables = environment(settings, folder)
    columns = {name: _columns(schema.tables()[f"raw.{name}"]) for name in ("clicks", "quarantine")}
    engine.one_job(tables, filled(SQL / "flink_lake.sql", {"folder": folder, **columns}), settings)
    text = clicks_sql.render(settings).replace(f"'{names.CLICKS_TO_LAKE_GROUP}'", "'bench'")
    text = text.replace("'format' = 'raw'", "'scan.bounded.mode' = 'latest-offset', 'format' = 'raw'")
    return engine.one_job(tables, text, settings, APP.startup({}))


def _columns(contract: Contract) -> str:
    return ", ".join(f"`{f.name}` {flink_type(f)}{' NOT NULL' * f.required}" for f in contract.fields)


if __name__ == "__main__":
    main(sys.argv[1])
