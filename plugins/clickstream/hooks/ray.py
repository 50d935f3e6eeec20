"""Jobs of a Ray head, by its Job REST."""

from typing import Any, Self

import httpx

from clickstream.hooks.rest import Rest
from clickstream_contracts.settings import Settings, read_secret

OVER = ("SUCCEEDED", "FAILED", "STOPPED")


class RayError(RuntimeError):
    """Ray refused; the text says what was asked and what it answered."""


class RayJobs:
    """Each method may be repeated after any failure: a job is known by the name that it was given."""

    def __init__(self, uri: str, token: str = "", attempts: int = 9, transport: httpx.BaseTransport | None = None) -> None:
        self._rest = Rest(f"{uri}/api/jobs/", _refused, attempts, token, transport)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(settings.ray_uri, read_secret(settings.ray_token_file) if settings.ray_token_file else "")

    def submit(self, name: str, command: str, metadata: dict[str, str]) -> None:
        """Start a job of this name, unless it was started already."""
        for attempt in self._rest.retrying:
            with attempt:
                # The answer of an earlier try may be lost although the job was taken.
                if self.find(name) is None:
                    self._rest.once("POST", "", json={"entrypoint": command, "submission_id": name, "metadata": metadata})

    def find(self, name: str) -> dict[str, Any] | None:
        """The job as it is now, or None."""
        answer = self._rest.ask("GET", name, allowed=(404,))
        return None if answer.status_code == 404 else dict(answer.json())

    def logs(self, name: str) -> str:
        """All that the job printed so far."""
        answer = self._rest.ask("GET", f"{name}/logs", allowed=(404,))
        return "" if answer.status_code == 404 else str(answer.json().get("logs") or "")

    def stop(self, name: str) -> None:
        """End the job, if it is there and runs."""
        found = self.find(name)
        if found is not None and found["status"] not in OVER:
            self._rest.ask("POST", f"{name}/stop", allowed=(404,))


def _refused(request: str, answer: httpx.Response) -> RayError:
    return RayError(f"Ray refused {request}: {answer.status_code} {answer.text.strip()[-300:]}")
