"""Here: apps are processes of this machine, in the environments that the set-up made."""

from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator

from clickstream.runtime.base import QUIET, SHORT_LIVED, RayJob, SparkJob, ToolJob
from clickstream.runtime.flink import FlinkSession
from clickstream_contracts.settings import Settings

REPO = Path(__file__).parents[3]
TOOLS_PYTHON = REPO / ".venvs/tools/bin/python"
RAY_PYTHON = REPO / ".venvs/ray/bin/python"
SPARK_BIN = REPO / ".venvs/spark/bin"
PYTHON_PATH = f"{REPO}:{REPO / 'contracts'}"
SPARK_CONF = QUIET | {
    "spark.executorEnv.PYTHONPATH": PYTHON_PATH,
    # All executors see the same disk: `--jars` would copy 110 MB to each of them, each time.
    "spark.driver.extraClassPath": f"{REPO}/.jars/spark/*",
    "spark.executor.extraClassPath": f"{REPO}/.jars/spark/*",
    "spark.driver.extraJavaOptions": SHORT_LIVED,
    "spark.executor.extraJavaOptions": SHORT_LIVED,
    # A small night is done by one executor; a second one, which has to warm up too, comes when tasks wait for long.
    "spark.executor.cores": "1",
    "spark.dynamicAllocation.enabled": "true",
    "spark.dynamicAllocation.minExecutors": "1",
    "spark.dynamicAllocation.maxExecutors": "2",
    "spark.dynamicAllocation.schedulerBacklogTimeout": "20s",
}


class Local(FlinkSession):
    """Spark by spark-submit to the standalone master, Ray by the Job REST of its head, tools as plain processes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def spark(self, job: SparkJob, **task: Any) -> BaseOperator:
        from clickstream.operators.spark import SparkReceiptOperator

        return SparkReceiptOperator(
            master=self._settings.spark_master,
            application=str(REPO / "spark_apps" / f"{job.app}.py"),
            application_args=list(job.args),
            name=job.app,
            conf=SPARK_CONF | dict(job.conf),
            driver_memory=self._settings.spark_driver_memory,
            executor_memory=self._settings.spark_executor_memory,
            spark_binary=str(SPARK_BIN / "spark-submit"),
            env_vars=_spark_environment(),
            **task,
        )

    def tool(self, job: ToolJob, **task: Any) -> BaseOperator:
        from clickstream.operators.tool import ToolReceiptOperator

        command = ["env", f"PYTHONPATH={PYTHON_PATH}", str(TOOLS_PYTHON), "-m", f"tools.{job.tool}", *job.args]
        return ToolReceiptOperator(command=command, folder=str(REPO), **task)

    def ray_job(self, job: RayJob, **task: Any) -> BaseOperator:
        from clickstream.operators.ray import RayReceiptOperator

        return RayReceiptOperator(command=[str(RAY_PYTHON), "-m", f"ray_apps.{job.app}", *job.args], **task)


def _spark_environment() -> dict[str, str]:
    home = next((REPO / ".venvs/spark/lib").glob("python*/site-packages/pyspark"), REPO / ".venvs/spark")
    return {
        "SPARK_HOME": str(home),
        "PYSPARK_PYTHON": str(SPARK_BIN / "python"),
        "PYSPARK_DRIVER_PYTHON": str(SPARK_BIN / "python"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYTHONPATH": PYTHON_PATH,
    }


def build(settings: Settings) -> Local:
    """The local runtime."""
    return Local(settings)
