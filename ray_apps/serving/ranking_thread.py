"""Calls a model in a thread of its own, with a deadline: a slow model delays neither the event loop nor the other variant."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

# Seconds from a request to its list, waiting for earlier requests included; then the visitor gets a fallback list.
DEADLINE_SECONDS = 1.0


class TooSlow(RuntimeError):
    """The model did not make the list before the deadline."""


class RankingThread:
    """One call at a time. While a call that missed its deadline still runs, further ones fail at once."""

    def __init__(self, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._deadline_seconds = deadline_seconds
        self._executor = ThreadPoolExecutor(1, "ranking")
        self._late: Future[Any] | None = None

    def call(self, function: Callable[[], list[Any]]) -> list[Any]:
        """Returns the function's result. Raises TooSlow, or what the function raises."""
        if self._late and not self._late.done():
            raise TooSlow(f"an earlier list still takes longer than {self._deadline_seconds} s")
        future = self._executor.submit(function)
        try:
            return future.result(self._deadline_seconds)
        except TimeoutError:
            if not future.done() and not future.cancel():
                self._late = future
            raise TooSlow(f"the list takes longer than {self._deadline_seconds} s") from None
