"""Runs the statements of recommendations over a file in a process of its own, and ends with the file.

python -m tests.flink_apps.run_recommendations EVENTS FOLDER     writes JSON lines into FOLDER/lists
"""

import sys
from pathlib import Path

from clickstream_contracts.settings import Settings
from flink_apps.common import session
from flink_apps.recommendations import pipeline
from flink_apps.recommendations.connectors import files


def main(events: Path, folder: Path) -> None:
    """Run one job over the whole file."""
    settings = Settings()
    stream = pipeline.STREAM
    options = session.job_options(settings, stream.name, "test") | stream.options
    options |= {
        "restart-strategy.type": "none",
        "execution.checkpointing.interval": "1s",
        "execution.checkpointing.dir": f"file://{folder}/checkpoints",
        "execution.checkpointing.savepoint-dir": f"file://{folder}/checkpoints",
    }
    text = pipeline.render(settings, files(events, folder / "lists"))
    session.statement_set(session.table_environment(options), text, {}).execute().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
