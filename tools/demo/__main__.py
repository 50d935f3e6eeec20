"""The demo: one command from simulated events to published tables, a trained model and recommendations. `./clickstream demo`."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from clickstream_contracts import names
from clickstream_contracts.settings import Settings, environment
from tools.common.command import current_settings, new_app, report_errors, run_app
from tools.demo import summary
from tools.demo.dag_runs import ReleaseChain, RunError, run_dag, run_scheduled
from tools.fraud import detection
from tools.kafka.client import SendError
from tools.localstack import layout, running
from tools.localstack.airflow_api import Airflow, AirflowError
from tools.localstack.progress import say
from tools.rollout import recommend
from tools.rollout.serve_client import ServeError

app = new_app("Start everything and run the whole pipeline once.")
STREAMS_DEADLINE_SECONDS, NIGHTLY_DEADLINE_SECONDS = 600.0, 900.0


class DemoError(RuntimeError):
    """A step of the demo failed; the text names its command."""


class Steps:
    """Runs the steps of the demo; `seconds` has the duration of each, in the order they ran."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[None]:
        """Print that a step begins, and how long it took."""
        say("…", name, text)
        begin = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begin, 1)
        say("✓", name, f"{self.seconds[name]:6.1f} s")


def run_module(module: str, *argv: str) -> None:
    """Run `python -m MODULE ARGV` with the output of this process. Raises DemoError when it fails."""
    result = subprocess.run([sys.executable, "-m", module, *argv], check=False, env=_environment())
    if result.returncode:
        raise _failed(module, argv, result.returncode)


@contextmanager
def in_background(module: str, *argv: str) -> Iterator[None]:
    """Run `python -m MODULE ARGV` while the body runs, then wait for it. Raises DemoError when it fails.

    When the body fails, the process is terminated.
    """
    process = subprocess.Popen([sys.executable, "-m", module, *argv], env=_environment(), stdout=subprocess.DEVNULL)
    try:
        yield
        if process.wait():
            raise _failed(module, argv, process.returncode)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _failed(module: str, argv: tuple[str, ...], code: int) -> DemoError:
    return DemoError(f"`python -m {module} {' '.join(argv)}` ended with exit code {code}; its last lines are above")


def _environment() -> dict[str, str]:
    return environment(**current_settings().to_env())


@app.command()
@report_errors(
    DemoError,
    RunError,
    AirflowError,
    SendError,
    ServeError,
    recommend.NoChange,
    hint="`./clickstream stack doctor` shows what is wrong",
)
def demo(
    events: Annotated[int, typer.Option(min=1000, help="Events of the simulated days.")] = 120_000,
    days: Annotated[int, typer.Option(min=1, help="Days to simulate; the last one is yesterday.")] = 2,
    seed: Annotated[int, typer.Option(help="The same seed gives the same events.")] = 1,
    live: Annotated[int, typer.Option(min=1, help="Seconds of live events during the nightly run, with attacks each minute.")] = 120,
) -> None:
    """Start the stack, send simulated days, publish, train, roll out and print what happened."""
    try:
        run(events, days, seed, live)
    except KeyboardInterrupt:
        print("\ninterrupted; `make down` stops what was started", file=sys.stderr)
        raise typer.Exit(130) from None


def run(events: int, days: int, seed: int, live: int) -> None:
    """Run every step, write summary.json into the stack's folder and print it."""
    steps = Steps()
    yesterday = (datetime.now(UTC).date() - timedelta(days=1)).isoformat()
    with steps.step("stack", "S3, Nessie, Kafka, Flink, Spark, Ray and Airflow as processes on 127.0.0.1"):
        run_module("tools.localstack", "up")
    settings = running(Settings.from_env().stack_dir)
    airflow = Airflow.of(settings)
    history = ("history", "--days", str(days), "--events", str(events), "--until", yesterday, "--seed", str(seed), "--resume")
    text = f"Airflow deploys {', '.join(names.STREAM_JOBS)} on Flink; meanwhile {days} simulated days are sent to Kafka"
    with steps.step("streams", text), in_background("tools.shop", *history):
        run_scheduled(airflow, names.STREAMS, STREAMS_DEADLINE_SECONDS)
    live_events = ("live", "--rate", "200", "--seconds", str(live), "--seed", str(seed), "--attacks", "1")
    chain = ReleaseChain(airflow)
    text = f"Airflow publishes {yesterday} from a branch of the lake; meanwhile live events with attacks are sent"
    with steps.step("nightly", text), in_background("tools.shop", *live_events):
        run_id = run_dag(airflow, names.NIGHTLY, NIGHTLY_DEADLINE_SECONDS, {"day": yesterday})
    with steps.step("detection", "the last fraud scores and alerts reach the lake"):
        detection.wait_for_lake(settings)
    with steps.step("features", f"the release starts {names.FEATURES}: what the recommender learns from"):
        chain.follow(names.FEATURES)
    with steps.step("training", "Ray tunes and trains at the features' tag; the gate compares with popularity and the serving model"):
        chain.follow(names.TRAIN, may_fail="gate")
    with steps.step("rollout", "the model gets 1, 10, 50 and 100 % of the users"):
        chain.follow(names.ROLLOUT)
    with steps.step("recommendations", "three users view one product each; their recommendations before and after"):
        changes = list(recommend.changes(settings, users=3, views=1, k=5, seed=seed))
    result = summary.collect(settings, airflow, run_id, steps.seconds)
    result |= {"model": chain.model(), "recommendations": [asdict(change) for change in changes]}
    path = Path(settings.stack_dir) / "summary.json"
    layout.write_private(path, json.dumps(result, indent=1, default=str) + "\n")
    summary.show(result, path)


if __name__ == "__main__":
    run_app(app)
