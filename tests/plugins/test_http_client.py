"""The retry rule of the HTTP client: lost connections and server errors are retried, rejected requests are not."""

import httpx
import pytest
from tenacity import wait_none

from clickstream.hooks.http_client import HttpClient


class Rejected(Exception):
    """The service rejected a request."""


class FakeService:
    """Responds with the given statuses, one after the other; 0 is a lost connection."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)

    def handle(self, request: httpx.Request) -> httpx.Response:
        status = self.statuses.pop(0)
        if status == 0:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(status, text="busy")

    def client(self, attempts: int = 3) -> HttpClient:
        client = HttpClient(
            "http://service/api",
            lambda request, response: Rejected(f"{request}: {response.status_code}"),
            attempts,
            transport=httpx.MockTransport(self.handle),
        )
        client.retrying.wait = wait_none()
        return client


def test_lost_connections_and_server_errors_are_retried() -> None:
    service = FakeService(0, 503, 200)
    assert service.client().request("GET", "jobs").status_code == 200
    assert service.statuses == []


def test_a_rejected_request_is_not_retried() -> None:
    service = FakeService(400, 200)
    with pytest.raises(Rejected, match="GET /api/jobs: 400"):
        service.client().request("GET", "jobs")
    assert service.statuses == [200]


def test_an_accepted_status_is_a_response() -> None:
    assert FakeService(404).client().request("GET", "jobs", accepted=(404,)).status_code == 404


def test_after_the_last_attempt_the_error_is_raised() -> None:
    with pytest.raises(httpx.HTTPStatusError):
        FakeService(500, 503).client(attempts=2).request("GET", "jobs")
    with pytest.raises(httpx.ConnectError):
        FakeService(0, 0).client(attempts=2).request("GET", "jobs")


def test_a_request_that_must_not_be_repeated_is_sent_once() -> None:
    service = FakeService(503, 200)
    with pytest.raises(httpx.HTTPStatusError):
        service.client().request_once("POST", "jobs")
    assert service.statuses == [200]
