"""Runs the statements of fraud_scores over a file of events, and ends with the file.

    python -m flink_apps.fraud_scores.from_file EVENTS FOLDER [REST_PORT]

EVENTS: JSON lines in order of arrival, each with `arrived_ms`. Writes JSON lines into FOLDER/scores, FOLDER/alerts, FOLDER/late and
FOLDER/flagged. While it runs, http://127.0.0.1:REST_PORT shows the job; without REST_PORT Flink takes a free port.
"""

import sys
from pathlib import Path

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from flink_apps.common import session
from flink_apps.fraud_scores import connectors, pipeline


def main(argv: list[str]) -> int:
    """Score the events of the file. Returns the exit code."""
    if len(argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    if not Path(argv[0]).is_file():
        print(f"fraud_scores: cannot read the events {argv[0]}: no such file", file=sys.stderr)
        return 2
    events, folder = (Path(argument).resolve() for argument in argv[:2])
    score(events, folder, argv[2] if len(argv) == 3 else "")
    return 0


def score(events: Path, folder: Path, rest_port: str = "", emit_from: int = 0) -> None:
    """Run the job to its end. `emit_from`: events before this time in ms since 1970 only fill the windows."""
    settings = Settings.from_env()
    options = session.job_options(settings, names.FRAUD_SCORES_JOB, "file") | {
        "restart-strategy.type": "none",
        "execution.checkpointing.interval": "5s",
        "execution.checkpointing.dir": f"file://{folder}/checkpoints",
        "execution.checkpointing.savepoint-dir": f"file://{folder}/checkpoints",
        # A file is read much faster than it was recorded: with rare watermarks no event would ever be late.
        "pipeline.auto-watermark-interval": "10ms",
        **({"rest.port": rest_port, "rest.bind-address": "127.0.0.1", "metrics.fetcher.update-interval": "2s"} if rest_port else {}),
    }
    text = pipeline.render(settings, connectors.files(events, folder, emit_from))
    session.statement_set(session.table_environment(options), text, {}).execute().wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
