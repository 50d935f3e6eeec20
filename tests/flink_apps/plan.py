"""Prints the plan of a stream over a catalog that needs no server: `python -m tests.flink_apps.plan APP FOLDER`."""

import sys
from importlib import import_module
from pathlib import Path

from clickstream_contracts.settings import Settings
from flink_apps import engine
from flink_apps.app import App
from tests.flink_apps.run_cases import create_lake


def main(name: str, folder: Path) -> None:
    """Explain the job as it is, Kafka source included; nothing runs."""
    settings = Settings()
    app: App = import_module(f"flink_apps.{name}").APP
    tables = engine.table_environment(engine.job_options(settings, "test", "plan"))
    create_lake(tables, folder)
    print(engine.one_job(tables, app.render(settings), settings, app.startup({})).explain())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
