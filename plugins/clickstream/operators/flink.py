"""Streams: one task that makes a stream run as it should, one that says whether it does."""

import subprocess
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from clickstream.hooks.flink import FlinkError, FlinkHook
from clickstream.hooks.flink_keeper import StreamKeeper
from clickstream.hooks.flink_states import FlinkStates
from clickstream.runtime.base import FlinkStream
from clickstream_contracts.settings import Settings

REPO = Path(__file__).parents[3]


class FlinkOperator(BaseOperator):
    """What both share: the stream, its present definition and its cluster."""

    def __init__(self, *, stream: FlinkStream, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stream = stream

    @cached_property
    def settings(self) -> Settings:
        return Settings.from_env()

    def keeper(self, **options: Any) -> StreamKeeper:
        """The one who does the work."""
        return StreamKeeper(
            app=self.stream.app,
            definition=definition(self.stream.app),
            cluster=FlinkHook(self.settings.flink_uri),
            states=FlinkStates(self.settings, self.stream.app),
            driver=driver(self.settings),
            **options,
        )


class FlinkSubmitOperator(FlinkOperator):
    """Starts the stream from its last state, upgrades it when its definition changed, repairs it when it is gone."""

    template_fields: Sequence[str] = ("start_fresh", "retry_refused")

    def __init__(self, *, start_fresh: Any = False, retry_refused: Any = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start_fresh = start_fresh
        self.retry_refused = retry_refused

    def execute(self, context: Context) -> dict[str, Any]:
        keeper = self.keeper(start_fresh=_is_true(self.start_fresh))
        if _is_true(self.retry_refused):
            keeper.states.forgive(keeper.definition)
        try:
            receipt = keeper.deploy()
        except (FlinkError, httpx.HTTPError) as error:
            raise AirflowException(str(error)) from None
        self.log.info("%s", receipt)
        return receipt


class FlinkHealthOperator(FlinkOperator):
    """Succeeds when the stream completes a checkpoint without a restart and does not fall behind."""

    def execute(self, context: Context) -> dict[str, Any]:
        try:
            return self.keeper().check()
        except (FlinkError, httpx.HTTPError) as error:
            raise AirflowException(str(error)) from None


def definition(app: str) -> str:
    """The hash of the app's present definition, as the app itself computes it; its rendering needs no engine."""
    command = ["env", f"PYTHONPATH={REPO}:{REPO / 'contracts'}", sys.executable, "-m", f"flink_apps.{app}", "--hash"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AirflowException(f"{app} has no definition: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


def driver(settings: Settings) -> Path:
    """The flink-python jar that starts Python apps on the cluster."""
    if settings.flink_driver_jar:
        return Path(settings.flink_driver_jar)
    found = sorted((REPO / ".venvs" / "flink").glob("lib/python*/site-packages/pyflink/opt/flink-python-*.jar"))
    if not found:
        raise AirflowException("no flink-python jar: run `make up`, or name one with CLICKSTREAM_FLINK_DRIVER_JAR")
    return found[0]


def _is_true(value: Any) -> bool:
    """A rendered template is text unless the DAG renders native objects."""
    return str(value).lower() == "true"
