"""Prints the plan of clicks_to_lake over a catalog that needs no server: `python -m tests.flink_apps.plan FOLDER`."""

import sys
from pathlib import Path

from clickstream_contracts.settings import Settings
from flink_apps import clicks_sql, engine
from tests.flink_apps.run_cases import create_lake


def main(folder: Path) -> None:
    """Explain the job as it is, Kafka source included; nothing runs."""
    settings = Settings()
    tables = engine.table_environment(engine.job_options(settings, "test", "plan"))
    create_lake(tables, folder)
    print(engine.one_job(tables, clicks_sql.render(settings), settings).explain())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
