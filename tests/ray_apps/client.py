"""A client of the served recommendations that keeps its connection, and several of them at once."""

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
    """One connection."""

    def __init__(self, uri: str, token: str) -> None:
        self._where = urlparse(uri).netloc
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection = http.client.HTTPConnection(self._where, timeout=60)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def __call__(self, path: str, body: Any = None) -> tuple[int, Any]:
        """GET, or POST if there is a body. A server may close a connection between two requests, never instead of an answer."""
        content = None if body is None else json.dumps(body)
        try:
            self._connection.request("POST" if content else "GET", path, content, self._headers)
            answer = self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self._connection.close()
            self._connection.request("POST" if content else "GET", path, content, self._headers)
            answer = self._connection.getresponse()
        text = answer.read()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text.decode(errors="replace")


@dataclass
class Seen:
    """What clients got: how often each status, the longest wait, and each answer's model and fallback."""

    statuses: dict[Any, int] = field(default_factory=dict)
    longest: float = 0.0
    kinds: dict[tuple[str, str, str], int] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)

    def add(self, status: Any, answer: Any, seconds: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.longest = max(self.longest, seconds)
        self.times.append(seconds)
        if isinstance(answer, dict) and "arm" in answer:
            kind = (answer["arm"], answer["model"], answer["fallback"])
            self.kinds[kind] = self.kinds.get(kind, 0) + 1


@contextmanager
def clients(count: int, uri: str, token: str, items: list[str], users: int = 1000) -> Iterator[Seen]:
    """This many clients ask without a pause, as users in turn, until the block ends."""
    seen, stop, lock = Seen(), threading.Event(), threading.Lock()

    def ask(number: int) -> None:
        client, turn = Client(uri, token), number
        while not stop.is_set():
            begin = time.monotonic()
            status: Any
            try:
                status, answer = client("/recommend", {"items": items, "user_id": f"u-{turn % users}"})
            except OSError as error:
                status, answer = type(error).__name__, None
            with lock:
                seen.add(status, answer, time.monotonic() - begin)
            turn += count
        client.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()
