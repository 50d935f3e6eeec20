"""Operators of the Flink streams: deploy the current definition, and check the health of the running job."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import httpx
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from clickstream.hooks.flink import FlinkError
from clickstream.runtime.flink import FlinkProgram
from clickstream.streams import cluster
from clickstream.streams.deployer import StreamDeployer
from clickstream.streams.job_state import JobStateStore
from clickstream_contracts.settings import Settings


class FlinkOperator(BaseOperator):
    """Base of the operators of one stream."""

    def __init__(self, *, program: FlinkProgram, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.program = program

    @cached_property
    def settings(self) -> Settings:
        return Settings.from_env()

    def deployer(self, **options: Any) -> StreamDeployer:
        """Returns the deployer of the stream's current definition."""
        return StreamDeployer(
            app=self.program.app,
            definition=self.program.definition(),
            cluster=cluster.flink(self.settings),
            state=JobStateStore(self.settings, self.program.app),
            driver=self.program.driver_jar(self.settings),
            **options,
        )


class FlinkSubmitOperator(FlinkOperator):
    """Starts the stream from its newest state, and upgrades it if its definition changed.

    Succeeds without a change while the JobManager has another version of the code; `waiting` of the receipt says so.
    """

    template_fields: Sequence[str] = ("start_fresh", "retry_refused")

    def __init__(self, *, start_fresh: Any = False, retry_refused: Any = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start_fresh = start_fresh
        self.retry_refused = retry_refused

    def execute(self, context: Context) -> dict[str, Any]:
        deployer = self.deployer(start_fresh=_is_true(self.start_fresh))
        if _is_true(self.retry_refused):
            deployer.state.clear_refusal(deployer.definition)
        try:
            receipt = deployer.deploy()
        except (FlinkError, httpx.HTTPError) as error:
            raise AirflowException(str(error)) from None
        self.log.info("%s", receipt)
        return receipt


class FlinkHealthOperator(FlinkOperator):
    """Succeeds if the job completes a checkpoint without a restart and does not fall behind."""

    def execute(self, context: Context) -> dict[str, Any]:
        try:
            return self.deployer().check()
        except (FlinkError, httpx.HTTPError) as error:
            raise AirflowException(str(error)) from None


def _is_true(value: Any) -> bool:
    """Returns whether a parameter is true; templates render to text unless the DAG renders native objects."""
    return str(value).lower() == "true"
