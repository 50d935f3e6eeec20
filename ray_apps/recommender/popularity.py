"""The popularity retriever: the most viewed items, whatever the query. It also fills up lists that are too short."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ray_apps.recommender.retriever import Candidates, Retriever
from ray_apps.recommender.sessions import Floats, Ints, Queries, Sessions


@dataclass(frozen=True)
class PopularityParameters:
    """The retriever has no parameters."""


@dataclass(frozen=True)
class PopularityRetriever(Retriever):
    """Items in descending order of their views; among equals the lower number first."""

    items: Ints
    views: Floats

    @classmethod
    def fit(cls, sessions: Sessions, item_count: int, parameters: PopularityParameters) -> Self:
        """Count the views of each item."""
        views = np.bincount(sessions.items, minlength=item_count)
        order = np.argsort(-views, kind="stable").astype(np.int32)
        return cls(order, views[order].astype(float))

    def candidates(self, queries: Queries, top: int) -> Candidates:
        """The same items for each query; the score is the number of views."""
        shape = (len(queries), 1)
        return Candidates(np.tile(self.items[:top], shape), np.tile(self.views[:top], shape))

    def fill(self, lists: Ints) -> Ints:
        """Replace the -1 at the end of short lists by the most viewed items that are not in the list. Changes and returns `lists`."""
        length = lists.shape[1]
        popular = self.items[: 2 * length]
        for row in np.flatnonzero(lists[:, -1] < 0):
            own = lists[row][lists[row] >= 0]
            added = popular[~np.isin(popular, own)][: length - len(own)]
            lists[row, len(own) : len(own) + len(added)] = added
        return lists
