"""Services that Airflow calls: by an Airflow connection if it is defined, else by the settings; a token is sent to Nessie."""

import httpx
import pytest

from clickstream.hooks import connections
from clickstream.hooks.nessie import NessieHook
from clickstream.hooks.ray import RayJobHook
from clickstream.operators.spark import SettingsSparkConnectHook
from clickstream_contracts.settings import Settings


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        ("http://:t0ken@nessie.example.org:19120", connections.Endpoint("http://nessie.example.org:19120", "t0ken")),
        ("http://nessie.example.org:443/https", connections.Endpoint("https://nessie.example.org:443")),
        (
            '{"conn_type": "http", "host": "https://nessie.example.org/", "password": "t"}',
            connections.Endpoint("https://nessie.example.org", "t"),
        ),
    ],
)
def test_a_connection_replaces_the_settings(monkeypatch: pytest.MonkeyPatch, connection: str, expected: connections.Endpoint) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CLICKSTREAM_NESSIE", connection)
    assert connections.endpoint(connections.NESSIE, "http://127.0.0.1:19120", "old") == expected


def test_without_a_connection_the_settings_count() -> None:
    assert connections.endpoint(connections.NESSIE, "http://127.0.0.1:19120", "t") == connections.Endpoint("http://127.0.0.1:19120", "t")


def test_a_connection_without_a_host_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CLICKSTREAM_NESSIE", '{"conn_type": "http"}')
    with pytest.raises(ValueError, match="connection clickstream_nessie has no host"):
        connections.endpoint(connections.NESSIE, "http://127.0.0.1:19120")


def test_nessie_gets_the_token_of_its_connection() -> None:
    requests: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(404)

    assert NessieHook("http://nessie", token="t0ken", transport=httpx.MockTransport(handle)).ref("main") is None
    assert requests[0].headers["authorization"] == "Bearer t0ken"


def test_hooks_use_the_connections_of_their_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CLICKSTREAM_NESSIE", "http://nessie.example.org:19120")
    monkeypatch.setenv("AIRFLOW_CONN_CLICKSTREAM_RAY", "http://ray.example.org:8265")
    monkeypatch.setenv("AIRFLOW_CONN_CLICKSTREAM_SPARK", "spark-connect://:t@spark.example.org:15002")
    assert NessieHook.from_settings()._http._client.base_url.host == "nessie.example.org"
    assert RayJobHook.from_settings(Settings())._http._client.base_url.host == "ray.example.org"
    assert "spark.example.org:15002" in SettingsSparkConnectHook().get_connection_url()
