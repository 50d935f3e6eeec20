"""Operator that runs a Spark app as a client of a Spark Connect server."""

from urllib.parse import urlsplit

from airflow.providers.apache.spark.hooks.spark_connect import SparkConnectHook
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from clickstream.hooks import connections
from clickstream.operators.command import CommandReceiptOperator
from clickstream_contracts.settings import Settings, read_secret


class SettingsSparkConnectHook(SparkConnectHook):
    """SparkConnectHook whose connection is clickstream_spark or, without it, is made from the settings."""

    @classmethod
    def get_connection(cls, conn_id: str) -> Connection:
        try:
            return Connection.get(connections.SPARK)
        except AirflowNotFoundException:
            return cls._from_settings(conn_id, Settings.from_env())

    @classmethod
    def _from_settings(cls, conn_id: str, settings: Settings) -> Connection:
        server = urlsplit(settings.spark_remote)
        token = read_secret(settings.spark_token_file)
        return Connection(conn_id=conn_id, conn_type="spark_connect", host=server.hostname, port=server.port, password=token)


class SparkReceiptOperator(CommandReceiptOperator):
    """Runs a Spark app with the address and token of its server in SPARK_REMOTE, and requires its receipt."""

    def extra_environment(self) -> dict[str, str]:
        return {"SPARK_REMOTE": SettingsSparkConnectHook().get_connection_url()}
