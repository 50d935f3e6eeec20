"""What can be run, described without saying where, and what a runtime must be able to build from it."""

from dataclasses import dataclass
from typing import Any, Protocol

from airflow.sdk import BaseOperator


@dataclass(frozen=True)
class SparkJob:
    """A Spark app, `spark_apps/<app>.py`, with its arguments; they may hold Jinja."""

    app: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToolJob:
    """A tool, `python -m tools.<tool>`, with its arguments; they may hold Jinja."""

    tool: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True)
class FlinkStream:
    """A Flink app, `flink_apps/<app>.py`, that runs until it is replaced."""

    app: str


@dataclass(frozen=True)
class RayJob:
    """A Ray app, `ray_apps/jobs/<app>.py`, with its arguments; they may hold Jinja."""

    app: str
    args: tuple[str, ...] = ()


class Runtime(Protocol):
    """Builds the operator that runs a job here. Task ids and arrows are the DAG's: they are the same in every runtime."""

    def spark(self, job: SparkJob, **task: Any) -> BaseOperator:
        """The task that runs a Spark app and succeeds with its receipt."""

    def tool(self, job: ToolJob, **task: Any) -> BaseOperator:
        """The task that runs a tool and succeeds with its receipt."""

    def ray_job(self, job: RayJob, **task: Any) -> BaseOperator:
        """The task that runs a Ray app on the cluster that stands and succeeds with its receipt."""

    def flink_submit(self, stream: FlinkStream, **task: Any) -> BaseOperator:
        """The task that makes the stream run in its present definition."""

    def flink_health(self, stream: FlinkStream, **task: Any) -> BaseOperator:
        """The task that fails while the stream is not healthy."""
