"""Sessions and queries as plain arrays: all item numbers in one array, and where each sequence begins and ends in it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Views before the last 30 do not help to predict the next one.
LONGEST_QUERY = 30
# Bounds the cost of a robot's session.
LONGEST_SESSION = 60


@dataclass(frozen=True, eq=False)
class Sessions:
    """Sessions from the oldest to the newest: session s viewed `items[offsets[s]:offsets[s + 1]]`, in that order.

    `times` holds the start of each session in seconds; without it the position of a session is its time.
    Two objects are equal only if they are the same object, so that an index can be cached by its sessions.
    """

    offsets: Longs
    items: Ints
    times: Floats | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def owners(self) -> Longs:
        """The session number of each view."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @property
    def mean_length(self) -> float:
        """Mean number of views per session."""
        return len(self.items) / len(self)

    def between(self, begin: int, end: int) -> "Sessions":
        """The sessions from `begin` up to, but not including, `end`."""
        offsets = self.offsets[begin : end + 1]
        times = None if self.times is None else self.times[begin:end]
        return Sessions(offsets - offsets[0], self.items[offsets[0] : offsets[-1]], times)

    def shortened(self, longest: int = LONGEST_SESSION) -> "Sessions":
        """The same sessions with at most their last `longest` views."""
        lengths = np.diff(self.offsets)
        kept = np.arange(len(self.items)) >= np.repeat(self.offsets[1:] - longest, lengths)
        return Sessions(offsets_of(np.minimum(lengths, longest)), self.items[kept], self.times)

    def ages(self) -> Floats:
        """Age of each session as a share of the whole time span: 0 for the newest, 1 for the oldest."""
        times = np.arange(len(self), dtype=float) if self.times is None else self.times
        ages: Floats = (times[-1] - times) / max(times[-1] - times[0], 1e-9)
        return ages


@dataclass(frozen=True)
class Queries:
    """Next-item queries: query q has viewed `items[begin[q]:end[q]]`, and the item viewed next is `labels[q]`.

    A label of -1 is an item that the model does not know. Queries of the same session have the same number in `groups`.
    """

    items: Ints
    begin: Longs
    end: Longs
    labels: Ints
    groups: Longs

    @classmethod
    def single(cls, views: Ints) -> "Queries":
        """One query of these views, whose label is not known."""
        zero = np.zeros(1, np.int64)
        return cls(views, zero, zero + len(views), np.array([-1], np.int32), zero)

    def __len__(self) -> int:
        return len(self.begin)

    def between(self, begin: int, end: int) -> "Queries":
        """The queries from `begin` up to, but not including, `end`."""
        part = slice(begin, end)
        return Queries(self.items, self.begin[part], self.end[part], self.labels[part], self.groups[part])

    def where(self, selected: Bools) -> "Queries":
        """The queries for which `selected` is true."""
        return Queries(self.items, self.begin[selected], self.end[selected], self.labels[selected], self.groups[selected])

    def shortened(self, longest: int = LONGEST_QUERY) -> "Queries":
        """The same queries with at most their last `longest` views."""
        return replace(self, begin=np.maximum(self.begin, self.end - longest))


def offsets_of(lengths: NDArray[np.integer]) -> Longs:
    """Where sequences of these lengths begin when they are stored one after the other, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def prefixes(sessions: Sessions) -> Queries:
    """One query for each view of a session but the first: the views before it, with that view as the label."""
    starts = np.repeat(sessions.offsets[:-1], np.diff(sessions.offsets))
    ends = np.arange(len(sessions.items))
    later = ends > starts
    return Queries(sessions.items, starts[later], ends[later], sessions.items[later], sessions.owners[later]).shortened()


def item_numbers(known_ids: NDArray[Any], ids: NDArray[Any]) -> Ints:
    """The position of each id in the sorted array `known_ids`; -1 for an id that is not in it."""
    positions = np.minimum(np.searchsorted(known_ids, ids), len(known_ids) - 1)
    return np.where(known_ids[positions] == ids, positions, -1).astype(np.int32)
