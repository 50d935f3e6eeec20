"""Validates a running deployment: prints one JSON line for each outcome, with what was seen and, if it is missing, the fix."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from confluent_kafka import KafkaException

from clickstream_contracts.settings import Settings, SettingsError
from tools.common.command import FAILURE, UsageError, current_settings, lake_errors, new_app, one_line, report_errors, run_app
from tools.kafka.client import SendError
from tools.lake.nessie import NessieUnreachable
from tools.rollout.serve_client import ServeError
from tools.validation import outcomes, planted

app = new_app(__doc__)
Check = Callable[[Settings, float], str]


@dataclass(frozen=True)
class Result:
    """The outcome of one check; `detail` is what was seen."""

    check: str
    passed: bool
    detail: str
    fix: str
    seconds: float


class EventChecks:
    """The checks of one planted burst: it is sent once, by the first of them."""

    def __init__(self) -> None:
        self._planted: planted.Planted | None = None

    def _send_once(self, settings: Settings) -> planted.Planted:
        self._planted = self._planted or planted.plant(settings)
        return self._planted

    def event_in_lake(self, settings: Settings, seconds: float) -> str:
        """The burst's events reach raw.clicks."""
        return outcomes.event_in_lake(settings, self._send_once(settings), seconds)

    def fraud_alerted(self, settings: Settings, seconds: float) -> str:
        """The burst raises an alert."""
        return outcomes.fraud_alerted(settings, self._send_once(settings), seconds)


def checks() -> dict[str, tuple[Check, str]]:
    """Returns each check by its name, with the fix if the outcome is missing."""
    events = EventChecks()
    return {
        "tables and topics readable": (
            lambda settings, _: outcomes.tables_and_topics(settings),
            "create what is missing with `clickstream lake bootstrap`; a table that existed is lost: restore a backup",
        ),
        "planted event in the lake": (
            events.event_in_lake,
            "the stream clicks_to_lake does not commit: look at the runs of the DAG clickstream_streams and at Flink's exceptions",
        ),
        "planted fraud alerted": (
            events.fraud_alerted,
            "the streams fraud_scores and fraud_to_lake: look at the runs of the DAG clickstream_streams and at Flink's exceptions",
        ),
        "nightly run published": (
            lambda settings, _: outcomes.nightly_published(settings),
            "run the DAG clickstream_nightly (scripts/submit-sample-jobs.sh does), or use --before-first-nightly",
        ),
        "recommendations from the model": (
            lambda settings, _: outcomes.served_by_model(settings),
            "run the DAGs clickstream_features, clickstream_train and clickstream_rollout, then look at the log of Ray Serve's replicas",
        ),
    }


# What exists only after the first nightly run, features, training and rollout.
AFTER_FIRST_NIGHTLY = ("nightly run published", "recommendations from the model")


def run_check(name: str, check: Check, fix: str, settings: Settings, seconds: float) -> Result:
    """Returns the result of one check; an error of a client is a missing outcome too."""
    start = time.monotonic()
    try:
        passed, detail = True, check(settings, seconds)
    except (outcomes.Unmet, SendError, KafkaException, NessieUnreachable, ServeError, SettingsError, UsageError, *lake_errors()) as error:
        passed, detail = False, one_line(error) or type(error).__name__
    return Result(name, passed, detail, "" if passed else fix, round(time.monotonic() - start, 1))


@app.command()
@report_errors()
def validate(
    seconds: Annotated[float, typer.Option(help="How long a planted event may take to its table.", min=0)] = 240,
    before_first_nightly: Annotated[bool, typer.Option(help="Leave out what a first nightly run and training make.")] = False,
    always_exit_0: Annotated[bool, typer.Option(help="End with exit code 0 also if a check failed: the caller reads the lines.")] = False,
) -> None:
    """Plant events and check the outcomes. They are synthetic: users, sessions and events are called validation-..."""
    settings = current_settings()
    results = []
    for name, (check, fix) in checks().items():
        if before_first_nightly and name in AFTER_FIRST_NIGHTLY:
            continue
        results.append(run_check(name, check, fix, settings, seconds))
        typer.echo(json.dumps(asdict(results[-1])))
    if not always_exit_0 and not all(result.passed for result in results):
        raise typer.Exit(FAILURE)


if __name__ == "__main__":
    run_app(app)
