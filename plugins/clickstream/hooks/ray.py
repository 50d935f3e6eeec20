"""Ray Jobs REST API: submit, follow and stop jobs of a Ray head."""

from typing import Any, Self

import httpx

from clickstream.hooks import connections
from clickstream.hooks.http_client import HttpClient
from clickstream_contracts.settings import Settings, read_secret

TERMINAL_STATES = ("SUCCEEDED", "FAILED", "STOPPED")


class RayError(RuntimeError):
    """Ray rejected a request; the text holds the request and Ray's response."""


class RayJobHook:
    """Jobs of one Ray head. Each method may be repeated after a failure, because a job is known by its submission id."""

    def __init__(self, uri: str, token: str = "", attempts: int = 9, transport: httpx.BaseTransport | None = None) -> None:
        self._http = HttpClient(f"{uri}/api/jobs/", _rejection_error, attempts, token=token, transport=transport)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Returns the hook of the connection clickstream_ray or, without it, of the settings."""
        token = read_secret(settings.ray_token_file) if settings.ray_token_file else ""
        ray = connections.endpoint(connections.RAY, settings.ray_uri, token)
        return cls(ray.uri, ray.token)

    def submit(self, job_id: str, command: str, metadata: dict[str, str]) -> None:
        """Starts a job with this submission id, unless it exists already."""
        for attempt in self._http.retrying:
            with attempt:
                # The response of an earlier attempt may be lost although Ray accepted the job.
                if self.find(job_id) is None:
                    body = {"entrypoint": command, "submission_id": job_id, "metadata": metadata}
                    self._http.request_once("POST", "", json=body)

    def find(self, job_id: str) -> dict[str, Any] | None:
        """Returns the job's details, or None if Ray has no such job."""
        response = self._http.request("GET", job_id, accepted=(404,))
        return None if response.status_code == 404 else dict(response.json())

    def logs(self, job_id: str) -> str:
        """Returns everything that the job printed so far."""
        response = self._http.request("GET", f"{job_id}/logs", accepted=(404,))
        return "" if response.status_code == 404 else str(response.json().get("logs") or "")

    def stop(self, job_id: str) -> None:
        """Stops the job if it exists and still runs."""
        job = self.find(job_id)
        if job is not None and job["status"] not in TERMINAL_STATES:
            self._http.request("POST", f"{job_id}/stop", accepted=(404,))


def _rejection_error(request: str, response: httpx.Response) -> RayError:
    return RayError(f"Ray rejected {request}: {response.status_code} {response.text.strip()[-300:]}")
