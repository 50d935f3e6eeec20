"""The HTTP interface: who may ask, what is refused and in which words."""

import asyncio
import json
from typing import Any

import pytest

from ray_apps.serving import web
from tests.ray_apps import serving
from tests.ray_apps.serving import FakeLake

TOKEN = "secret"


async def _tallies() -> dict[str, Any]:
    return {"stable": {"requests": 1}}


APP = web.build(serving.recommender(FakeLake()), TOKEN, _tallies)


def call(path: str, body: Any = None, token: str | None = TOKEN) -> tuple[int, Any]:
    """One request, straight into the application."""
    path, _, query = path.partition("?")
    content = b"" if body is None else json.dumps(body).encode()
    headers = [(b"content-type", b"application/json")] + ([(b"authorization", f"Bearer {token}".encode())] if token else [])
    scope = {"type": "http", "method": "GET" if body is None else "POST", "path": path, "query_string": query.encode(), "headers": headers}
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(APP(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(part.get("body", b"") for part in sent))


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", "ünknown"])
@pytest.mark.parametrize("path", ["/recommend/u", "/similar/p", "/arms"])
def test_who_does_not_know_the_token_is_told_how_to_show_it(path: str, token: str | None) -> None:
    status, said = call(path, token=token)
    assert status == 401
    assert "CLICKSTREAM_SERVE_TOKEN_FILE" in said["detail"]


def test_health_is_open_and_the_interface_describes_itself() -> None:
    assert call("/healthz", token=None) == (200, {"status": "ok", "release": ""})
    assert call("/docs", token=None)[0] == call("/redoc", token=None)[0] == 404
    assert {"/recommend/{user_id}", "/recommend", "/similar/{product_id}", "/arms", "/healthz"} == set(call("/openapi.json")[1]["paths"])


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/recommend/u?k=0", None, "k='0': input should be greater than or equal to 1"),
        ("/recommend/u?k=101", None, "k='101': input should be less than or equal to 100"),
        ("/similar/p?k=ten", None, "k='ten': input should be a valid integer"),
        ("/recommend", {"items": ["a"], "k": -1}, "k=-1: input should be greater than or equal to 1"),
        ("/recommend", {"k": 3}, "items="),
        ("/recommend", {"items": [7]}, "items.0=7: input should be a valid string"),
    ],
)
def test_a_bad_request_is_refused_with_its_value(path: str, body: Any, said: str) -> None:
    status, answer = call(path, body)
    assert status == 422
    assert answer["detail"].startswith(said)


@pytest.mark.parametrize(("path", "body"), [("/recommend/u?k=3", None), ("/recommend", {"items": [], "k": 3}), ("/similar/p", None)])
def test_an_answer_names_its_source_even_if_there_is_none(path: str, body: Any) -> None:
    assert call(path, body) == (200, {"items": [], "release": "", "model": "", "arm": "none", "fallback": "no model yet"})


def test_the_arms_are_those_of_all_replicas() -> None:
    assert call("/arms") == (200, {"arms": {"stable": {"requests": 1}}})
