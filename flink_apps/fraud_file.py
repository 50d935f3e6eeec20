"""Judges the events of a file with the statements of fraud_scores, and ends.

    python -m flink_apps.fraud_file EVENTS FOLDER     EVENTS: JSON lines in order of arrival, with `arrived_ms`

Writes JSON lines into FOLDER/scores, FOLDER/alerts and FOLDER/late.
"""

import sys
from pathlib import Path

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from flink_apps import engine, fraud_doors, fraud_sql


def main(argv: list[str]) -> int:
    """Run the job over the file. Returns the exit code."""
    if len(argv) != 2 or not Path(argv[0]).is_file():
        print(__doc__, file=sys.stderr)
        return 2
    events, folder = (Path(argument).resolve() for argument in argv)
    settings = Settings.from_env()
    here = {
        "restart-strategy.type": "none",
        "execution.checkpointing.interval": "5s",
        "execution.checkpointing.dir": f"file://{folder}/checkpoints",
        "execution.checkpointing.savepoint-dir": f"file://{folder}/checkpoints",
        # A fast reader must not run ahead of its own watermark, or nothing would ever be late.
        "pipeline.auto-watermark-interval": "10ms",
    }
    tables = engine.table_environment(engine.job_options(settings, names.FRAUD_SCORES_JOB, "file") | here)
    engine.one_job(tables, fraud_sql.render(settings, doors=fraud_doors.files(events, folder)), settings).execute().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
