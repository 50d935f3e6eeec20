"""One command, and a shop's events become audited tables. `make demo` runs this in the tools environment."""

import json
import os
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
from clickstream_contracts.settings import Settings, SettingsError
from tools.common.command import run_app
from tools.demo import summary
from tools.demo.airflow_api import Airflow, AirflowError
from tools.demo.dag_runs import Chain, RunError, run_dag, run_scheduled
from tools.fraud import detection
from tools.localstack import layout, running
from tools.localstack.progress import say
from tools.rollout import recommend as shopper

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
STREAM_DEADLINE, NIGHT_DEADLINE = 600.0, 900.0


class DemoError(RuntimeError):
    """A step of the demo failed; the text names it and what to look at."""


class Clock:
    """Seconds of each step, in the order they ran."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, what: str) -> Iterator[None]:
        """Say what begins, and remember how long it took."""
        say("…", name, what)
        begin = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begin, 1)
        say("✓", name, f"{self.seconds[name]:6.1f} s")


def command(module: str, *argv: str) -> None:
    """Run `python -m MODULE ARGV` with its output as ours. Raises DemoError when it fails."""
    done = subprocess.run([sys.executable, "-m", module, *argv], check=False, env=_environment())
    if done.returncode:
        raise DemoError(f"`python -m {module} {' '.join(argv)}` ended with exit code {done.returncode}; its last lines are above")


@contextmanager
def beside(module: str, *argv: str) -> Iterator[None]:
    """Run `python -m MODULE ARGV` beside the body, then wait for it. Raises DemoError when it fails; gone if the body fails."""
    process = subprocess.Popen([sys.executable, "-m", module, *argv], env=_environment(), stdout=subprocess.DEVNULL)
    try:
        yield
        if process.wait():
            raise DemoError(f"`python -m {module} {' '.join(argv)}` ended with exit code {process.returncode}; its last lines are above")
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _environment() -> dict[str, str]:
    settings = Settings.from_env()
    home = Path(settings.stack_dir) / "settings.env"
    # What the caller says now wins over what the stack was started with.
    return {**(running(settings.stack_dir).to_env() if home.exists() else {}), **os.environ}


@app.command()
def demo(
    events: Annotated[int, typer.Option(min=1000, help="Events of the simulated days.")] = 120_000,
    days: Annotated[int, typer.Option(min=1, help="Days to simulate, the last of them yesterday.")] = 2,
    seed: Annotated[int, typer.Option(help="The same seed gives the same shop.")] = 1,
    live: Annotated[int, typer.Option(min=1, help="Seconds of live traffic beside the night, with attacks each minute.")] = 120,
) -> None:
    """Start everything, open the shop, publish a night, train on it, roll the model out, and say what happened."""
    clock = Clock()
    yesterday = (datetime.now(UTC).date() - timedelta(days=1)).isoformat()
    with clock.step("stack", "S3, Nessie, Kafka, Flink, Spark, Ray and Airflow as processes on 127.0.0.1"):
        command("tools.localstack", "up")
    settings = running(Settings.from_env().stack_dir)
    airflow = Airflow.of(settings, summary.password(settings))
    past = ("history", "--days", str(days), "--events", str(events), "--until", yesterday, "--seed", str(seed), "--resume")
    deployed = f"Airflow deploys {', '.join(names.STREAM_JOBS)} on Flink; {days} days of a simulated shop go into Kafka meanwhile"
    with clock.step("streams", deployed), beside("tools.shop", *past):
        run_scheduled(airflow, names.STREAMS, STREAM_DEADLINE)
    attacked = ("live", "--rate", "200", "--seconds", str(live), "--seed", str(seed), "--attacks", "1")
    chain = Chain(airflow)
    meanwhile = f"Airflow publishes {yesterday} from a branch of the lake; the shop is open and under attack meanwhile"
    with clock.step("night", meanwhile), beside("tools.shop", *attacked):
        run_id = run_dag(airflow, names.NIGHTLY, NIGHT_DEADLINE, {"day": yesterday})
    with clock.step("detection", "the last scores and alerts reach the lake"):
        detection.wait_for_lake(settings)
    with clock.step("features", "the release starts clickstream_features: what the recommender learns from"):
        chain.follow(names.FEATURES)
    with clock.step("training", "Ray tunes and trains at the features' tag; the gate compares with popularity and the champion"):
        chain.follow(names.TRAIN, may_fail="gate")
    with clock.step("rollout", "the model meets 10, 50 and 100 % of the users"):
        chain.follow(names.ROLLOUT)
    with clock.step("shoppers", "three users view a product each, and ask for their lists before and after"):
        changes = list(shopper.changes(settings, users=3, views=1, k=5, seed=seed))
    found = summary.collect(settings, airflow, run_id, clock.seconds) | {"model": chain.model(), "lists": [asdict(one) for one in changes]}
    path = Path(settings.stack_dir) / "summary.json"
    layout.write_private(path, json.dumps(found, indent=1, default=str) + "\n")
    summary.show(found, path)


def main() -> None:
    """Run the demo; an expected failure is one clear line."""
    try:
        run_app(app)
    except (DemoError, RunError, AirflowError, SettingsError, shopper.NoChange) as error:
        print(f"error: {error}\n`make doctor` says what is stuck.", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\ninterrupted; `make down` stops what was started", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
