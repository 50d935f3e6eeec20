"""Tells on stderr what is being done and how far it is."""

import sys
import time
from collections.abc import Iterator

from ray_apps.recommender.sessions import Queries

BATCH = 2000
QUIET_SECONDS = 2.0


class Progress:
    """A clock that talks; a silent one only does the work in parts."""

    def __init__(self, silent: bool = False) -> None:
        self._silent = silent
        self._begin = self._last = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line with the seconds since the start."""
        self._last = time.monotonic()
        if not self._silent:
            print(f"{self._last - self._begin:6.1f} s  {text}", file=sys.stderr, flush=True)

    def now_and_then(self, text: str) -> None:
        """Print a line unless the last one is fresh."""
        if time.monotonic() - self._last > QUIET_SECONDS:
            self.say(text)

    def through(self, step: str, queries: Queries) -> Iterator[Queries]:
        """The queries in parts that fit into memory; tells now and then how many are done."""
        for begin in range(0, len(queries), BATCH):
            yield queries.between(begin, begin + BATCH)
            done = min(begin + BATCH, len(queries))
            tell = self.say if done == len(queries) else self.now_and_then
            tell(f"{step}: {done:,} of {len(queries):,} queries")
