"""Progress messages on stderr."""

import sys
import time
from collections.abc import Iterator
from typing import Protocol, Self, TypeVar

BATCH = 2000
SECONDS_BETWEEN_MESSAGES = 2.0


class Batched(Protocol):
    """A sequence that can be divided."""

    def __len__(self) -> int: ...

    def between(self, begin: int, end: int) -> Self:
        """The part from `begin` up to, but not including, `end`."""


Queries = TypeVar("Queries", bound=Batched)


class Progress:
    """Prints messages with the seconds since it was made; a silent one prints nothing."""

    def __init__(self, silent: bool = False) -> None:
        self._silent = silent
        self._begin = self._last = time.monotonic()

    def log(self, text: str) -> None:
        """Print a message."""
        self._last = time.monotonic()
        if not self._silent:
            print(f"{self._last - self._begin:6.1f} s  {text}", file=sys.stderr, flush=True)

    def log_sometimes(self, text: str) -> None:
        """Print a message unless the last one is less than SECONDS_BETWEEN_MESSAGES old."""
        if time.monotonic() - self._last > SECONDS_BETWEEN_MESSAGES:
            self.log(text)

    def batches(self, step: str, queries: Queries) -> Iterator[Queries]:
        """The queries in batches of BATCH; prints sometimes, and at the end, how many are done."""
        for begin in range(0, len(queries), BATCH):
            yield queries.between(begin, begin + BATCH)
            done = min(begin + BATCH, len(queries))
            message = f"{step}: {done:,} of {len(queries):,} queries"
            if done == len(queries):
                self.log(message)
            else:
                self.log_sometimes(message)
