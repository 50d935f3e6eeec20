"""Jobs described without saying where they run, and the interface of a runtime that builds operators for them."""

from dataclasses import dataclass
from typing import Any, Protocol

from airflow.sdk import BaseOperator


@dataclass(frozen=True)
class SparkJob:
    """A Spark app, the package `spark_apps.<app>`, with its arguments; they may be Jinja templates."""

    app: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToolJob:
    """A tool, `python -m tools.<tool>`, with its arguments; they may be Jinja templates."""

    tool: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True)
class FlinkStream:
    """A Flink app, the package `flink_apps.<app>`, that runs until it is replaced."""

    app: str


@dataclass(frozen=True)
class RayJob:
    """A Ray app, the module `ray_apps.jobs.<app>`, with its arguments; they may be Jinja templates."""

    app: str
    args: tuple[str, ...] = ()


class Runtime(Protocol):
    """Builds the operator of a job. Task ids and dependencies belong to the DAG and are equal in every runtime."""

    def spark(self, job: SparkJob, **task: Any) -> BaseOperator:
        """Returns the operator that runs a Spark app and requires its receipt."""

    def tool(self, job: ToolJob, **task: Any) -> BaseOperator:
        """Returns the operator that runs a tool and requires its receipt."""

    def ray_job(self, job: RayJob, **task: Any) -> BaseOperator:
        """Returns the operator that runs a Ray app on the running Ray cluster and requires its receipt."""

    def flink_submit(self, stream: FlinkStream, **task: Any) -> BaseOperator:
        """Returns the operator that deploys the current definition of a stream."""

    def flink_health(self, stream: FlinkStream, **task: Any) -> BaseOperator:
        """Returns the operator that fails while a stream is not healthy."""
