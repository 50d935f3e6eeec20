"""Deploys the application to a running Ray head through the REST API of Ray Serve; idempotent."""

import json
import time
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from clickstream_contracts.settings import Settings, read_secret
from ray_apps.serving.config import APP, serve_config

HOST = "127.0.0.1"
PATH = "/api/serve/applications/"
# The first request starts Serve's controller and proxy.
REQUEST_TIMEOUT_SECONDS = 120


def deploy(settings: Settings, timeout_seconds: int) -> str:
    """Deploy and wait until the application is RUNNING. Returns an error text; '' on success."""
    # A missing token file is reported here, not only in the log of a replica.
    read_secret(settings.serve_token_file)
    _request(settings, "PUT", serve_config(HOST, settings.serve_port))
    deadline = time.monotonic() + timeout_seconds
    while True:
        application = application_status(settings)
        status = application.get("status", "NOT_DEPLOYED")
        if status == "RUNNING":
            return ""
        if status == "DEPLOY_FAILED" or time.monotonic() > deadline:
            message = application.get("message", "").strip()[-500:]
            return f"Serve application {APP} is {status} (timeout {timeout_seconds} s): {message or 'see the logs of the Ray head'}"
        time.sleep(1)


def rejection_text(error: HTTPError) -> str:
    """Returns the address, the status and the end of the body of an error response."""
    return f"{error.url}: HTTP {error.code}: {error.read().decode(errors='replace').strip()[-500:]}"


def application_status(settings: Settings) -> dict[str, Any]:
    """Returns the application as the head describes it (`status`, `message`, ...); empty if it is not deployed."""
    applications = _request(settings, "GET")["applications"]
    application: dict[str, Any] = applications.get(APP, {})
    return application


def _request(settings: Settings, method: str, body: dict[str, Any] | None = None) -> Any:
    headers = {"Content-Type": "application/json"}
    if settings.ray_token_file:
        headers["Authorization"] = f"Bearer {read_secret(settings.ray_token_file)}"
    data = json.dumps(body).encode() if body is not None else None
    request = Request(settings.ray_uri + PATH, data, headers, method=method)
    with urlopen(request, timeout=REQUEST_TIMEOUT_SECONDS) as response:
        return json.loads(response.read() or b"{}")
