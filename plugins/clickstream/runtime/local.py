"""Here: apps are processes of this machine, in the environments that the set-up made."""

from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator

from clickstream.runtime.base import RayJob, SparkJob, ToolJob
from clickstream.runtime.flink import FlinkSession
from clickstream_contracts.settings import Settings

REPO = Path(__file__).parents[3]
TOOLS_PYTHON = REPO / ".venvs/tools/bin/python"
RAY_PYTHON = REPO / ".venvs/ray/bin/python"
SPARK_PYTHON = REPO / ".venvs/spark/bin/python"
PYTHON_PATH = f"{REPO}:{REPO / 'contracts'}"


class Local(FlinkSession):
    """Spark apps as clients of the stack's Connect server, Ray by the Job REST of its head, tools as plain processes."""

    def spark(self, job: SparkJob, **task: Any) -> BaseOperator:
        from clickstream.operators.spark import SparkReceiptOperator

        return SparkReceiptOperator(command=_command(SPARK_PYTHON, f"spark_apps.{job.app}", job.args), folder=str(REPO), **task)

    def tool(self, job: ToolJob, **task: Any) -> BaseOperator:
        from clickstream.operators.command import CommandReceiptOperator

        return CommandReceiptOperator(command=_command(TOOLS_PYTHON, f"tools.{job.tool}", job.args), folder=str(REPO), **task)

    def ray_job(self, job: RayJob, **task: Any) -> BaseOperator:
        from clickstream.operators.ray import RayReceiptOperator

        return RayReceiptOperator(command=[str(RAY_PYTHON), "-m", f"ray_apps.jobs.{job.app}", *job.args], **task)


def _command(python: Path, module: str, args: tuple[str, ...]) -> list[str]:
    return ["env", f"PYTHONPATH={PYTHON_PATH}", str(python), "-m", module, *args]


def build(settings: Settings) -> Local:
    """The local runtime."""
    return Local()
