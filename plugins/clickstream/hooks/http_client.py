"""HTTP client of one service: retries with exponential backoff while the service is unreachable or overloaded."""

from collections.abc import Callable
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

RejectionError = Callable[[str, httpx.Response], Exception]


def is_transient(error: BaseException) -> bool:
    """Returns whether a request may succeed when it is sent again: a lost connection, or a status of 500 or more."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500
    return isinstance(error, httpx.TransportError)


class HttpClient:
    """Requests to one service.

    `rejection_error` makes the exception for a 4xx response, from `METHOD path` and the response. `timeout` is in seconds.
    """

    def __init__(
        self,
        base_url: str,
        rejection_error: RejectionError,
        attempts: int,
        token: str = "",
        timeout: float = 60,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        # A task sends few requests with long pauses between them: a kept-alive connection would be stale by then.
        headers = {"Connection": "close"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx.Client(base_url=base_url, timeout=timeout, headers=headers, transport=transport, trust_env=False)
        self._rejection_error = rejection_error
        self.retrying = Retrying(
            retry=retry_if_exception(is_transient),
            stop=stop_after_attempt(attempts),
            wait=wait_exponential(multiplier=0.5, max=15),
            reraise=True,
        )

    def request(self, method: str, path: str, accepted: tuple[int, ...] = (), **options: Any) -> httpx.Response:
        """Sends an idempotent request until it gets a response. Of the 4xx statuses, those `accepted` raise no error."""
        return self.retrying(self.request_once, method, path, accepted, **options)

    def request_once(self, method: str, path: str, accepted: tuple[int, ...] = (), **options: Any) -> httpx.Response:
        """Sends a request once, for callers that must not repeat it or that repeat more than it inside `retrying`."""
        response = self._client.request(method, path, **options)
        if response.status_code >= 500:
            response.raise_for_status()
        if response.is_error and response.status_code not in accepted:
            raise self._rejection_error(f"{method} {response.request.url.path}", response)
        return response
