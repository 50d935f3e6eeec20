"""Hands the application to a running head, by the REST of its Serve; safe to repeat."""

import json
import time
from typing import Any
from urllib.request import Request, urlopen

from clickstream_contracts.settings import Settings, read_secret
from ray_apps.serving.config import APP, serve_config

HOST = "127.0.0.1"
PATH = "/api/serve/applications/"


def deploy(settings: Settings, wait: int) -> str:
    """Hand the application over and wait until it runs. Returns what is wrong, or ''."""
    # Better told here than in a replica's log.
    read_secret(settings.serve_token_file)
    _call(settings, "PUT", serve_config(HOST, settings.serve_port))
    until = time.monotonic() + wait
    while (found := application(settings)).get("status") != "RUNNING":
        if found.get("status") == "DEPLOY_FAILED" or time.monotonic() > until:
            return f"the application is {found.get('status', 'not there')} after {wait} s: {found.get('message', '').strip()[-500:]}"
        time.sleep(1)
    return ""


def application(settings: Settings) -> dict[str, Any]:
    """What the head says of the application; nothing if it does not have it."""
    found: dict[str, Any] = _call(settings, "GET")["applications"].get(APP, {})
    return found


def _call(settings: Settings, method: str, body: dict[str, Any] | None = None) -> Any:
    headers = {"Content-Type": "application/json"}
    if settings.ray_token_file:
        headers["Authorization"] = f"Bearer {read_secret(settings.ray_token_file)}"
    data = json.dumps(body).encode() if body is not None else None
    # The first one starts Serve itself.
    with urlopen(Request(settings.ray_uri + PATH, data, headers, method=method), timeout=120) as answer:
        return json.loads(answer.read() or b"{}")
