"""Spark apps as clients of a Connect server."""

from urllib.parse import urlsplit

from airflow.providers.apache.spark.hooks.spark_connect import SparkConnectHook
from airflow.sdk import Connection

from clickstream.operators.command import CommandReceiptOperator
from clickstream_contracts.settings import Settings, read_secret


class ServerHook(SparkConnectHook):
    """The provider knows a server only as a connection of the metadata database; here it is a setting."""

    @classmethod
    def get_connection(cls, conn_id: str) -> Connection:
        settings = Settings.from_env()
        server = urlsplit(settings.spark_remote)
        password = read_secret(settings.spark_token_file)
        return Connection(conn_id=conn_id, conn_type="spark_connect", host=server.hostname, port=server.port, password=password)


class SparkReceiptOperator(CommandReceiptOperator):
    """Runs an app whose Spark is the server that SPARK_REMOTE names."""

    def environment(self) -> dict[str, str]:
        return {"SPARK_REMOTE": ServerHook().get_connection_url()}
