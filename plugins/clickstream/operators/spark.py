"""Spark apps by spark-submit."""

from typing import Any

from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import Connection

from clickstream.operators.receipt import ReceiptMixin


class MasterHook(SparkSubmitHook):
    """The provider knows a master only as a connection of the metadata database; here `conn_id` is the master itself."""

    @classmethod
    def get_connection(cls, conn_id: str) -> Connection:
        return Connection(conn_id="spark", conn_type="spark", host=conn_id)


class SparkReceiptOperator(ReceiptMixin, SparkSubmitOperator):
    """SparkSubmitOperator whose master is a setting and whose success is the app's receipt."""

    application_args: list[str]

    def __init__(self, *, master: str, **kwargs: Any) -> None:
        super().__init__(conn_id=master, **kwargs)

    def add_arguments(self, arguments: list[str]) -> None:
        self.application_args = [a for a in [*self.application_args, *arguments] if a]

    def _get_hook(self) -> SparkSubmitHook:
        return MasterHook(
            conn_id=self._conn_id,
            conf=self.conf,
            name=self.name,
            driver_memory=self._driver_memory,
            executor_memory=self._executor_memory,
            application_args=self.application_args,
            env_vars=self.env_vars,
            spark_binary=self._spark_binary,
        )
