"""ASGI middleware that refuses a request before its body is read: without the token, or with a body that is too large."""

import hmac
import json
from typing import Any

# 1,000 product ids of 200 characters, which JSON may write as six bytes each.
MAX_BODY_BYTES = 2 << 20
OPEN_PATHS = ("/healthz", "/openapi.json")
UNAUTHORIZED = (
    "missing or wrong token: send the header `Authorization: Bearer TOKEN` "
    "with the token of the file that CLICKSTREAM_SERVE_TOKEN_FILE names"
)
TOO_LARGE = f"the body is larger than {MAX_BODY_BYTES} bytes"


class RequestGuard:
    """Wraps an ASGI application. All paths but OPEN_PATHS require the token."""

    def __init__(self, app: Any, token: str) -> None:
        self._app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer 401 or 413, or call the application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if scope["path"] not in OPEN_PATHS and not self._is_authorized(headers.get(b"authorization", b"")):
            await _refuse(send, 401, UNAUTHORIZED, (b"www-authenticate", b"Bearer"))
            return
        body = await _read_body(receive, headers.get(b"content-length", b""))
        if body is None:
            await _refuse(send, 413, TOO_LARGE, (b"connection", b"close"))
            return
        await self._app(scope, _once(body, receive), send)

    def _is_authorized(self, header: bytes) -> bool:
        scheme, _, token = header.partition(b" ")
        return hmac.compare_digest(scheme.title() + b" " + token, self._expected)


async def _read_body(receive: Any, content_length: bytes) -> bytes | None:
    """Returns the body; None as soon as it is known to be too large."""
    if content_length.isdigit() and int(content_length) > MAX_BODY_BYTES:
        return None
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        more = message.get("more_body", False)
    return body


def _once(body: bytes, receive: Any) -> Any:
    """Returns the application's `receive`: first the whole body, then what the server sends."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_body() -> Any:
        return messages.pop() if messages else await receive()

    return receive_body


async def _refuse(send: Any, status: int, detail: str, header: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json"), header]})
    await send({"type": "http.response.body", "body": json.dumps({"detail": detail}).encode()})
