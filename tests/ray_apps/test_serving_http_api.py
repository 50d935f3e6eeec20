"""The HTTP API: authorization, validation errors, the OpenAPI paths and the response without a model."""

import asyncio
import json
from typing import Any
from urllib.parse import quote, unquote

import pytest

from ray_apps.serving import http_api
from ray_apps.serving.recommender import Recommender
from tests.ray_apps import serving
from tests.ray_apps.serving import FakeRolloutStore

TOKEN = "secret"


async def _metrics() -> dict[str, Any]:
    return {"stable": {"requests": 1}}


APP = http_api.build(serving.recommender(FakeRolloutStore()), TOKEN, _metrics)


def call(path: str, body: Any = None, token: str | None = TOKEN) -> tuple[int, Any]:
    """Send one request to the ASGI application. Returns the status and the JSON document."""
    path, _, query = path.partition("?")
    headers = [(b"content-type", b"application/json")]
    if token:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    method, content = "GET", b""
    if body is not None:
        method, content = "POST", json.dumps(body).encode()
    scope = {"type": "http", "method": method, "path": unquote(path), "query_string": query.encode(), "headers": headers}
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    asyncio.run(APP(scope, receive, send))
    return messages[0]["status"], json.loads(b"".join(message.get("body", b"") for message in messages))


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", "ünknown"])
@pytest.mark.parametrize("path", ["/recommend/u", "/similar/p", "/variants"])
def test_a_request_without_the_token_gets_401_and_how_to_send_it(path: str, token: str | None) -> None:
    status, response = call(path, token=token)
    assert status == 401
    assert "CLICKSTREAM_SERVE_TOKEN_FILE" in response["detail"]


def test_health_and_openapi_need_no_token_and_there_are_no_documentation_pages() -> None:
    assert call("/healthz", token=None) == (200, {"status": "ok", "release": ""})
    assert call("/docs", token=None)[0] == call("/redoc", token=None)[0] == 404
    paths = set(call("/openapi.json", token=None)[1]["paths"])
    assert paths == {"/recommend/{user_id}", "/recommend", "/similar/{product_id}", "/variants", "/healthz"}


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("/recommend/u?k=0", None, "k='0': input should be greater than or equal to 1"),
        ("/recommend/u?k=101", None, "k='101': input should be less than or equal to 100"),
        ("/similar/p?k=ten", None, "k='ten': input should be a valid integer"),
        ("/recommend", {"items": ["a"], "k": -1}, "k=-1: input should be greater than or equal to 1"),
        ("/recommend", {"k": 3}, "items="),
        ("/recommend", {"items": [7]}, "items.0=7: input should be a valid string"),
    ],
)
def test_an_invalid_request_gets_422_with_the_invalid_value(path: str, body: Any, detail: str) -> None:
    status, response = call(path, body)
    assert status == 422
    assert response["detail"].startswith(detail)


@pytest.mark.parametrize(("path", "body"), [("/recommend/u?k=3", None), ("/recommend", {"items": [], "k": 3}), ("/similar/p", None)])
def test_without_a_model_the_response_says_so(path: str, body: Any) -> None:
    assert call(path, body) == (200, {"items": [], "release": "", "model": "", "variant": "none", "fallback": "no model yet"})


@pytest.mark.parametrize("id_", ["sso/acme:5512", "SKU 12/34", "müller@example.org", 'a"b', "/", "50%", "a?b#c", "variants"])
@pytest.mark.parametrize("path", ["/recommend/", "/similar/"])
def test_an_id_may_have_any_characters(monkeypatch: pytest.MonkeyPatch, path: str, id_: str) -> None:
    for method in ("for_user", "similar"):
        monkeypatch.setattr(Recommender, method, lambda self, given, *options: {"id": given})
    assert call(path + quote(id_, safe="")) == (200, {"id": id_})
    assert call(path)[0] == 422, "no id"


def test_variants_returns_the_metrics_of_all_replicas() -> None:
    assert call("/variants") == (200, {"variants": {"stable": {"requests": 1}}})
