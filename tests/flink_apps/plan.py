"""Prints the plan of a stream, with a catalog on disk in place of Nessie: `python -m tests.flink_apps.plan STREAM FOLDER`."""

import sys
from importlib import import_module
from pathlib import Path

from clickstream_contracts.settings import Settings
from flink_apps.common import session
from flink_apps.common.cli import Stream
from tests.flink_apps.run_cases import create_lake


def main(name: str, folder: Path) -> None:
    """Explain the job with its Kafka connectors; nothing runs."""
    settings = Settings()
    stream: Stream = import_module(f"flink_apps.{name}.pipeline").STREAM
    tables = session.table_environment(session.job_options(settings, "test", "plan"))
    create_lake(tables, folder)
    print(session.statement_set(tables, stream.render(settings), stream.submission_values(settings, {})).explain())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
