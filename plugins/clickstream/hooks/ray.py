"""Jobs of a Ray head, by its Job REST."""

from typing import Any, Self

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from clickstream_contracts.settings import Settings, read_secret

OVER = ("SUCCEEDED", "FAILED", "STOPPED")


class RayError(RuntimeError):
    """Ray refused; the text says what was asked and what it answered."""


def _passes_by_itself(error: BaseException) -> bool:
    """A head that is busy or coming up again: every call here is safe to repeat."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500
    return isinstance(error, httpx.TransportError)


class RayJobs:
    """Each method may be repeated after any failure: a job is known by the name that it was given."""

    def __init__(self, uri: str, token: str = "", attempts: int = 9, transport: httpx.BaseTransport | None = None) -> None:
        headers = {"Connection": "close"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._http = httpx.Client(base_url=f"{uri}/api/jobs/", timeout=60, headers=headers, transport=transport, trust_env=False)
        self._retrying = Retrying(
            retry=retry_if_exception(_passes_by_itself),
            stop=stop_after_attempt(attempts),
            wait=wait_exponential(multiplier=0.5, max=15),
            reraise=True,
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(settings.ray_uri, read_secret(settings.ray_token_file) if settings.ray_token_file else "")

    def submit(self, name: str, command: str, metadata: dict[str, str]) -> None:
        """Start a job of this name, unless it was started already."""
        for attempt in self._retrying:
            with attempt:
                # The answer of an earlier try may be lost although the job was taken.
                if self.find(name) is None:
                    self._send("POST", "", json={"entrypoint": command, "submission_id": name, "metadata": metadata})

    def find(self, name: str) -> dict[str, Any] | None:
        """The job as it is now, or None."""
        answer = self._ask("GET", name, allowed=(404,))
        return None if answer.status_code == 404 else dict(answer.json())

    def logs(self, name: str) -> str:
        """All that the job printed so far."""
        answer = self._ask("GET", f"{name}/logs", allowed=(404,))
        return "" if answer.status_code == 404 else str(answer.json().get("logs") or "")

    def stop(self, name: str) -> None:
        """End the job, if it is there and runs."""
        found = self.find(name)
        if found is not None and found["status"] not in OVER:
            self._ask("POST", f"{name}/stop", allowed=(404,))

    def _ask(self, method: str, path: str, allowed: tuple[int, ...] = (), **request: Any) -> httpx.Response:
        return self._retrying(self._send, method, path, allowed, **request)

    def _send(self, method: str, path: str, allowed: tuple[int, ...] = (), **request: Any) -> httpx.Response:
        answer = self._http.request(method, path, **request)
        if answer.status_code >= 500:
            answer.raise_for_status()
        if answer.is_error and answer.status_code not in allowed:
            raise RayError(f"Ray refused {method} {answer.request.url.path}: {answer.status_code} {answer.text.strip()[-300:]}")
        return answer
