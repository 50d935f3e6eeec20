"""A stored model as it serves: its own sessions and items rank the queries of another model's sessions.

The sessions that are held out from the other model are held out from this one too: those that began at `border` or later are left out.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ray_apps.recommender.artefacts import Artefact
from ray_apps.recommender.index import Index
from ray_apps.recommender.ranker import Model
from ray_apps.recommender.sessions import Ints, Queries, item_numbers


@dataclass(frozen=True)
class AsServed:
    """`own_numbers[i]` is this model's number of the item that the queries call i, and `query_numbers` the reverse; -1: unknown."""

    model: Model
    own_numbers: Ints
    query_numbers: Ints

    def rank(self, queries: Queries, top: int) -> Ints:
        """The `top` items for each query; views of unknown items are ignored, and without known ones it is the most viewed items."""
        own = self._translated(queries)
        known = own.end > own.begin
        lists = np.full((len(queries), top), -1, np.int32)
        if known.any():
            lists[known] = self.model.rank(own.where(known), top)
        lists = self.model.index.popularity.fill(lists)
        return np.where(lists >= 0, self.query_numbers[lists], -1).astype(np.int32)

    def _translated(self, queries: Queries) -> Queries:
        items = self.own_numbers[queries.items]
        known = items >= 0
        position = np.concatenate([[0], np.cumsum(known)])
        labels = np.full(len(queries), -1, np.int32)
        return replace(queries, items=items[known], begin=position[queries.begin], end=position[queries.end], labels=labels)


def as_served(artefact: Artefact, ids: NDArray[Any], border: float) -> AsServed | None:
    """Returns the model for queries whose items are numbered by `ids`; None if it has no session before `border` (seconds)."""
    index = artefact.model.index
    sessions = index.sessions
    if sessions.times is not None:
        sessions = sessions.between(0, int(np.searchsorted(sessions.times, border)))
    if not len(sessions):
        return None
    model = Model(Index(sessions, index.item_count, index.retrieval), artefact.model.booster)
    return AsServed(model, item_numbers(artefact.ids, ids), item_numbers(ids, artefact.ids))


def coverage(artefact: Artefact, ids: NDArray[Any], top: int = 1000) -> float:
    """Returns the share of the model's most viewed items that are among `ids`."""
    numbers = item_numbers(ids, artefact.ids[artefact.model.popular(top)])
    return float((numbers >= 0).mean())
