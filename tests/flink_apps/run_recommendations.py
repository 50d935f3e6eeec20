"""Runs the statements of recommendations over a file, in a process of its own, and ends.

python -m tests.flink_apps.run_recommendations EVENTS FOLDER     writes JSON lines into FOLDER/lists
"""

import sys
from pathlib import Path

from clickstream_contracts.settings import Settings
from flink_apps import engine, recommendations
from flink_apps.recommendations_doors import files


def main(events: Path, folder: Path) -> None:
    """One job over the whole file."""
    settings = Settings()
    here = {
        "restart-strategy.type": "none",
        "execution.checkpointing.interval": "1s",
        "execution.checkpointing.dir": f"file://{folder}/checkpoints",
        "execution.checkpointing.savepoint-dir": f"file://{folder}/checkpoints",
    }
    app = recommendations.APP
    tables = engine.table_environment(engine.job_options(settings, app.name, "test") | app.options | here)
    text = recommendations.render(settings, files(events, folder / "lists"))
    engine.one_job(tables, text, settings).execute().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
