"""Health probes, each in the protocol of its component. A probe returns what is wrong, or '' when the component is healthy."""

import socket
from collections.abc import Callable
from typing import Any

import httpx

from tools.common import http
from tools.localstack.units import Health

TIMEOUT_SECONDS = 5.0


def http_json(url: str, problem: Callable[[Any], str], headers: dict[str, str] | None = None) -> Health:
    """Returns a probe that fetches JSON from `url`; `problem` returns what is wrong with it, or ''."""

    def probe(since: float) -> str:
        try:
            response = http.get(url, TIMEOUT_SECONDS, headers)
        except httpx.HTTPError as error:
            return f"{url}: {error or type(error).__name__}"
        if response.status_code != 200:
            return f"{url}: HTTP {response.status_code}"
        return problem(response.json())

    return probe


def tcp(port: int) -> Health:
    """Returns a probe that connects to a port of 127.0.0.1."""

    def probe(since: float) -> str:
        try:
            socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS).close()
        except OSError as error:
            return f"port {port}: {error.strerror or error}"
        return ""

    return probe
