"""Runs the statements of fraud_scores over a file of events, and ends with the file.

    python -m flink_apps.fraud_scores.from_file EVENTS FOLDER

EVENTS: JSON lines in order of arrival, each with `arrived_ms`. Writes JSON lines into FOLDER/scores, FOLDER/alerts and FOLDER/late.
"""

import sys
from pathlib import Path

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from flink_apps.common import session
from flink_apps.fraud_scores import connectors, pipeline


def main(argv: list[str]) -> int:
    """Score the events of the file. Returns the exit code."""
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    if not Path(argv[0]).is_file():
        print(f"fraud_scores: cannot read the events {argv[0]}: no such file", file=sys.stderr)
        return 2
    events, folder = (Path(argument).resolve() for argument in argv)
    settings = Settings.from_env()
    options = session.job_options(settings, names.FRAUD_SCORES_JOB, "file") | {
        "restart-strategy.type": "none",
        "execution.checkpointing.interval": "5s",
        "execution.checkpointing.dir": f"file://{folder}/checkpoints",
        "execution.checkpointing.savepoint-dir": f"file://{folder}/checkpoints",
        # A file is read much faster than it was recorded: with rare watermarks no event would ever be late.
        "pipeline.auto-watermark-interval": "10ms",
    }
    text = pipeline.render(settings, connectors.files(events, folder))
    session.statement_set(session.table_environment(options), text, {}).execute().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
