"""Health probes that speak each part's own protocol. Each says what is wrong, or '' when nothing is."""

import socket
from collections.abc import Callable
from typing import Any

import httpx

from tools.localstack.part import Health

TIMEOUT = 5.0


def http_json(url: str, problem: Callable[[Any], str], headers: dict[str, str] | None = None) -> Health:
    """Asks `url` for JSON and lets `problem` judge it."""

    def probe(since: float) -> str:
        try:
            answer = httpx.get(url, timeout=TIMEOUT, trust_env=False, headers=headers)
        except httpx.HTTPError as error:
            return f"{url}: {error or type(error).__name__}"
        if answer.status_code != 200:
            return f"{url}: HTTP {answer.status_code}"
        return problem(answer.json())

    return probe


def tcp(port: int) -> Health:
    """Opens a connection to a port of this machine."""

    def probe(since: float) -> str:
        try:
            socket.create_connection(("127.0.0.1", port), TIMEOUT).close()
        except OSError as error:
            return f"port {port}: {error.strerror or error}"
        return ""

    return probe
