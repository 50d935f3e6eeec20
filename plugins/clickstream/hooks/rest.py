"""Requests to a service of which each may be repeated: they are, while it is busy or coming up again."""

from collections.abc import Callable
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

Refused = Callable[[str, httpx.Response], Exception]


def _passes_by_itself(error: BaseException) -> bool:
    """A lost connection or an overloaded server."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500
    return isinstance(error, httpx.TransportError)


class Rest:
    """One service. `refused` makes the error of an answer that no repetition would change, from `METHOD path` and that answer."""

    def __init__(
        self,
        base: str,
        refused: Refused,
        attempts: int,
        token: str = "",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        # A task asks a handful of questions with long work between them: kept connections would only go stale.
        headers = {"Connection": "close"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._http = httpx.Client(base_url=base, timeout=60, headers=headers, transport=transport, trust_env=False)
        self._refused = refused
        self.retrying = Retrying(
            retry=retry_if_exception(_passes_by_itself),
            stop=stop_after_attempt(attempts),
            wait=wait_exponential(multiplier=0.5, max=15),
            reraise=True,
        )

    def ask(self, method: str, path: str, allowed: tuple[int, ...] = (), **request: Any) -> httpx.Response:
        """The answer; of the refusals, those `allowed` are answers too."""
        return self.retrying(self.once, method, path, allowed, **request)

    def once(self, method: str, path: str, allowed: tuple[int, ...] = (), **request: Any) -> httpx.Response:
        """The same, for a caller who repeats more than the request: inside `retrying`."""
        answer = self._http.request(method, path, **request)
        if answer.status_code >= 500:
            answer.raise_for_status()
        if answer.is_error and answer.status_code not in allowed:
            raise self._refused(f"{method} {answer.request.url.path}", answer)
        return answer
