"""Sessions and questions as plain arrays: item numbers in one row, and where each sequence begins and ends."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# What a visitor did longer ago says nothing about the next click, and a robot's session must not cost more than a visitor's.
LONGEST_QUERY = 30
LONGEST_SESSION = 60


@dataclass(frozen=True)
class Sessions:
    """Sessions from the oldest to the newest: session s viewed `items[offsets[s]:offsets[s + 1]]`, in that order.

    `times` are their starts in seconds. Without them a session's place in the order is its time.
    """

    offsets: Longs
    items: Ints
    times: Floats | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def owners(self) -> Longs:
        """The session of each view."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def between(self, begin: int, end: int) -> "Sessions":
        """The sessions from `begin` up to, but not including, `end`."""
        offsets = self.offsets[begin : end + 1]
        times = None if self.times is None else self.times[begin:end]
        return Sessions(offsets - offsets[0], self.items[offsets[0] : offsets[-1]], times)

    def shortened(self, longest: int = LONGEST_SESSION) -> "Sessions":
        """Each session's last `longest` views."""
        lengths = np.diff(self.offsets)
        kept = np.arange(len(self.items)) >= np.repeat(self.offsets[1:] - longest, lengths)
        return Sessions(offsets_of(np.minimum(lengths, longest)), self.items[kept], self.times)

    def ages(self) -> Floats:
        """Each session's age as a share of the whole span: 0 for the newest, 1 for the oldest."""
        times = np.arange(len(self), dtype=float) if self.times is None else self.times
        ages: Floats = (times[-1] - times) / max(times[-1] - times[0], 1e-9)
        return ages


@dataclass(frozen=True)
class Queries:
    """Questions "what comes after these views?": query q has seen `items[begin[q]:end[q]]` and the answer is `labels[q]`.

    A label of -1 is an item that the model does not know. `groups` tells queries of one session.
    """

    items: Ints
    begin: Longs
    end: Longs
    labels: Ints
    groups: Longs

    def __len__(self) -> int:
        return len(self.begin)

    def between(self, begin: int, end: int) -> "Queries":
        """The queries from `begin` up to, but not including, `end`."""
        part = slice(begin, end)
        return Queries(self.items, self.begin[part], self.end[part], self.labels[part], self.groups[part])

    def where(self, chosen: Bools) -> "Queries":
        """The queries for which `chosen` is true."""
        return Queries(self.items, self.begin[chosen], self.end[chosen], self.labels[chosen], self.groups[chosen])


class Found(NamedTuple):
    """Items for each query (one row each), best first, and their scores; -1 where there are no more."""

    items: Ints
    scores: Floats

    @classmethod
    def nothing(cls, queries: Queries, top: int) -> Self:
        """Room for `top` items for each query."""
        return cls(np.full((len(queries), top), -1, np.int32), np.zeros((len(queries), top)))


def offsets_of(lengths: NDArray[np.integer]) -> Longs:
    """Where sequences of these lengths begin in one row, and where the last ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def prefixes(sessions: Sessions) -> Queries:
    """Every view but a session's first as a question about the views before it."""
    starts = np.repeat(sessions.offsets[:-1], np.diff(sessions.offsets))
    ends = np.arange(len(sessions.items))
    later = ends > starts
    return windows(sessions.items, starts[later], ends[later], sessions.items[later], sessions.owners[later])


def windows(items: Ints, begin: Longs, end: Longs, labels: Ints, groups: Longs) -> Queries:
    """Queries that look back no further than LONGEST_QUERY views."""
    return Queries(items, np.maximum(begin, end - LONGEST_QUERY), end, labels, groups)


def number(known: NDArray[Any], ids: NDArray[Any]) -> Ints:
    """The place of each id in the sorted array `known`; -1 where it is not."""
    places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.where(known[places] == ids, places, -1).astype(np.int32)
