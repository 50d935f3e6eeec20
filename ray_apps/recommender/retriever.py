"""The interface of a retriever: fitted to sessions, it finds candidates for queries.

To add a retriever, write a class with these methods in a file of its own and one line in `retrievers.py`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ray_apps.recommender.sessions import Floats, Ints, Queries, Sessions

Arrays = Mapping[str, NDArray[Any]]


class Candidates(NamedTuple):
    """Item numbers for each query (one row each), best first, and their scores; -1 where a row has no more items."""

    items: Ints
    scores: Floats

    @classmethod
    def empty(cls, queries: Queries, top: int) -> Self:
        """Rows without items, with `top` places for each query."""
        return cls(np.full((len(queries), top), -1, np.int32), np.zeros((len(queries), top)))


class Retriever(Protocol):
    """A retriever. Its parameters are a frozen dataclass of plain values, because a model's manifest stores them as JSON."""

    @classmethod
    def fit(cls, sessions: Sessions, item_count: int, parameters: Any) -> Self:
        """Learn from sessions of the items 0 .. item_count - 1; the same input gives the same retriever."""
        ...

    def save(self) -> Arrays:
        """Returns what the artefact stores of it, without objects; empty if `load` can fit it again from the stored sessions."""
        return {}

    @classmethod
    def load(cls, arrays: Arrays, sessions: Sessions, item_count: int, parameters: Any) -> Self:
        """Restore it from the stored arrays and the artefact's sessions."""
        return cls.fit(sessions, item_count, parameters)

    def candidates(self, queries: Queries, top: int) -> Candidates:
        """The `top` best items for each query, in descending order of their scores."""
        ...
