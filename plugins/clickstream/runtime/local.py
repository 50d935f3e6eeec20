"""Local runtime: apps run as processes of this machine, each in its own virtual environment."""

from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator

from clickstream.runtime.base import RayJob, SparkJob, ToolJob
from clickstream.runtime.flink import PROJECT, PYTHON_PATH, FlinkSession
from clickstream_contracts.settings import Settings

TOOLS_PYTHON = PROJECT / ".venvs/tools/bin/python"
RAY_PYTHON = PROJECT / ".venvs/ray/bin/python"
SPARK_PYTHON = PROJECT / ".venvs/spark/bin/python"


class Local(FlinkSession):
    """Runs Spark apps as clients of the Spark Connect server, Ray apps as jobs of the Ray head, and tools as processes."""

    def spark(self, job: SparkJob, **task: Any) -> BaseOperator:
        from clickstream.operators.spark import SparkReceiptOperator

        command = _command(SPARK_PYTHON, f"spark_apps.{job.app}", job.args)
        return SparkReceiptOperator(command=command, folder=str(PROJECT), **task)

    def tool(self, job: ToolJob, **task: Any) -> BaseOperator:
        from clickstream.operators.command import CommandReceiptOperator

        command = _command(TOOLS_PYTHON, f"tools.{job.tool}", job.args)
        return CommandReceiptOperator(command=command, folder=str(PROJECT), **task)

    def ray_job(self, job: RayJob, **task: Any) -> BaseOperator:
        from clickstream.operators.ray import RayReceiptOperator

        return RayReceiptOperator(command=[str(RAY_PYTHON), "-m", f"ray_apps.jobs.{job.app}", *job.args], **task)


def _command(python: Path, module: str, args: tuple[str, ...]) -> list[str]:
    return ["env", f"PYTHONPATH={PYTHON_PATH}", str(python), "-m", module, *args]


def build(settings: Settings) -> Local:
    """Returns the local runtime."""
    return Local()
