"""Addresses and tokens of the services that Airflow calls: those of an Airflow connection if it is defined, else of the settings."""

from dataclasses import dataclass
from typing import Any

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

NESSIE, FLINK, RAY, SPARK = "clickstream_nessie", "clickstream_flink", "clickstream_ray", "clickstream_spark"


@dataclass(frozen=True)
class Endpoint:
    """The base address of a service, and the bearer token that its requests send; '' for none."""

    uri: str
    token: str = ""


def endpoint(conn_id: str, uri: str, token: str = "") -> Endpoint:
    """Returns the endpoint of the Airflow connection `conn_id`, or `uri` and `token` if Airflow has no such connection.

    The connection has the form of Airflow's HTTP connections: host, port, schema (http or https), and the token as its password.
    """
    try:
        connection = Connection.get(conn_id)
    except AirflowNotFoundException:
        return Endpoint(uri, token)
    return Endpoint(_address(connection), connection.password or "")


def _address(connection: Any) -> str:
    host = str(connection.host or "")
    if not host:
        raise ValueError(f"connection {connection.conn_id} has no host: set it, or delete the connection to use the settings")
    base = host.rstrip("/") if "://" in host else f"{connection.schema or 'http'}://{host}"
    return f"{base}:{connection.port}" if connection.port else base
