"""The HTTP API: authorization, validation errors, the OpenAPI paths and the response without a model."""

import asyncio
import json
import re
from collections.abc import Iterator
from itertools import repeat
from typing import Any
from urllib.parse import quote, unquote

import pytest

from ray_apps.serving import http_api
from ray_apps.serving.metrics import merge_replicas
from ray_apps.serving.recommender import Recommender
from ray_apps.serving.request_guard import MAX_BODY_BYTES
from tests.ray_apps import serving
from tests.ray_apps.serving import FakeRolloutStore

TOKEN = "secret"


async def _metrics() -> dict[str, Any]:
    return {"stable": {"requests": 1}}


APP = http_api.build(serving.recommender(FakeRolloutStore()), TOKEN, _metrics)


def call(path: str, body: Any = None, token: str | None = TOKEN, app: Any = None) -> tuple[int, Any]:
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

    asyncio.run((app or APP)(scope, receive, send))
    return messages[0]["status"], json.loads(b"".join(message.get("body", b"") for message in messages))


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", "ünknown"])
@pytest.mark.parametrize("path", ["/recommend/u", "/similar/p", "/variants"])
def test_a_request_without_the_token_gets_401_and_how_to_send_it(path: str, token: str | None) -> None:
    status, response = call(path, token=token)
    assert status == 401
    assert "CLICKSTREAM_SERVE_TOKEN_FILE" in response["detail"]


def test_health_and_openapi_need_no_token_and_there_are_no_documentation_pages() -> None:
    assert call("/healthz", token=None) == (200, {"status": "ok", "release": ""})
    assert call("/docs")[0] == call("/redoc")[0] == 404
    paths = set(call("/openapi.json", token=None)[1]["paths"])
    assert paths == {"/recommend/{user_id}", "/recommend", "/similar/{product_id}", "/variants", "/healthz"}


def send(headers: list[tuple[bytes, bytes]], body: Iterator[bytes]) -> tuple[int, int]:
    """POST a body in parts to /recommend. Returns the status, and how many parts were read."""
    parts, sent = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal parts
        parts += 1
        return {"type": "http.request", "body": next(body), "more_body": True}

    async def answer(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/recommend", "query_string": b"", "headers": headers}
    asyncio.run(APP(scope, receive, answer))
    return sent[0]["status"], parts


AUTHORIZATION = (b"authorization", f"Bearer {TOKEN}".encode())


@pytest.mark.parametrize("part", [b"x" * 65536, b"no JSON"])
def test_without_the_token_the_body_is_not_read(part: bytes) -> None:
    assert send([], repeat(part)) == (401, 0)
    assert send([(b"authorization", b"Bearer wrong")], repeat(part)) == (401, 0)


def test_a_body_is_bounded() -> None:
    announced = (b"content-length", str(MAX_BODY_BYTES + 1).encode())
    assert send([AUTHORIZATION, announced], repeat(b"x")) == (413, 0)
    assert send([AUTHORIZATION], repeat(b"x" * 65536)) == (413, MAX_BODY_BYTES // 65536 + 1)
    assert call("/recommend", {"items": ["\u00fc" * 200] * 1000})[0] == 200, "the largest valid session"


def test_a_list_says_how_long_it_took() -> None:
    messages: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def answer(message: dict[str, Any]) -> None:
        messages.append(message)

    scope = {"type": "http", "method": "GET", "path": "/recommend/u", "query_string": b"", "headers": [AUTHORIZATION]}
    asyncio.run(APP(scope, receive, answer))
    assert re.fullmatch(rb"rank;dur=[0-9.]+", dict(messages[0]["headers"])[b"server-timing"])


def test_variants_without_any_replica_is_no_internal_error() -> None:
    async def none() -> dict[str, Any]:
        return merge_replicas([])

    without = http_api.build(serving.recommender(FakeRolloutStore()), TOKEN, none)
    assert call("/variants", app=without)[0] == 503


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
