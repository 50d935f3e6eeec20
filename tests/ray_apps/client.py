"""HTTP clients of the serving API for tests and benchmarks: one that keeps its connection, and several in parallel threads."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlparse


class Client:
    """One keep-alive connection that sends the token."""

    def __init__(self, uri: str, token: str) -> None:
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection = http.client.HTTPConnection(urlparse(uri).netloc, timeout=60)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __call__(self, path: str, body: Any = None) -> tuple[int, Any]:
        """GET, or POST if there is a body. Returns the status and the JSON document (or the text if it is not JSON)."""
        try:
            status, text = self._request(path, body)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # A server may close an idle connection between two requests; the second attempt opens a new one.
            self._connection.close()
            status, text = self._request(path, body)
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode(errors="replace")

    def _request(self, path: str, body: Any) -> tuple[int, bytes]:
        if body is None:
            self._connection.request("GET", path, None, self._headers)
        else:
            self._connection.request("POST", path, json.dumps(body), self._headers)
        response = self._connection.getresponse()
        return response.status, response.read()


@dataclass
class Responses:
    """What the clients received.

    `statuses` counts HTTP statuses and names of connection errors, `sources` counts (variant, model, fallback) of the responses,
    `seconds` holds the response times.
    """

    statuses: dict[Any, int] = field(default_factory=dict)
    sources: dict[tuple[str, str, str], int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    @property
    def longest(self) -> float:
        """The longest response time in seconds; 0 if there were no responses."""
        return max(self.seconds, default=0.0)

    def add(self, status: Any, response: Any, seconds: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds.append(seconds)
        if isinstance(response, dict) and "variant" in response:
            source = (response["variant"], response["model"], response["fallback"])
            self.sources[source] = self.sources.get(source, 0) + 1


@contextmanager
def clients(count: int, uri: str, token: str, items: list[str], users: int = 1000) -> Iterator[Responses]:
    """Run `count` clients that send requests without a pause, for `users` users in turn, until the block ends."""
    responses, stop, lock = Responses(), threading.Event(), threading.Lock()

    def send_requests(first_user: int) -> None:
        client, user = Client(uri, token), first_user
        while not stop.is_set():
            start = time.monotonic()
            status: Any
            try:
                status, response = client("/recommend", {"items": items, "user_id": f"u-{user % users}"})
            except OSError as error:
                status, response = type(error).__name__, None
            with lock:
                responses.add(status, response, time.monotonic() - start)
            user += count
        client.close()

    threads = [threading.Thread(target=send_requests, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield responses
    finally:
        stop.set()
        for thread in threads:
            thread.join()
