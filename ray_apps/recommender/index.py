"""The index of a shop: all retrievers of a model fitted to its sessions, and counts per item."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ray_apps.recommender.covisitation import CoVisitationRetriever, Links
from ray_apps.recommender.popularity import PopularityRetriever
from ray_apps.recommender.retriever import Arrays, Candidates, Retriever
from ray_apps.recommender.retrievers import POPULARITY, RetrievalConfig, parameters_from, registered
from ray_apps.recommender.sessions import Floats, Ints, Queries, Sessions


class ItemCounts(NamedTuple):
    """Counts per item for the ranker: views (at least 1), their logarithm, and the share of recent ones."""

    views: Floats
    log_views: Floats
    recent_share: Floats


@dataclass(frozen=True, eq=False)
class Index:
    """Sessions of items 0 .. item_count - 1 and the retrievers on them; each one is made when it is first used.

    A retriever with arrays in `stored` is loaded from them, any other is fitted to the sessions.
    """

    sessions: Sessions
    item_count: int
    retrieval: RetrievalConfig = field(default_factory=RetrievalConfig)
    stored: Mapping[str, Arrays] = field(default_factory=dict)
    _made: dict[str, Retriever] = field(default_factory=dict, init=False, repr=False)

    def retriever(self, name: str) -> Retriever:
        """The retriever of this name. Raises RetrieverError if the retrieval configuration does not have it."""
        if name not in self._made:
            parameters = parameters_from(name, self.retrieval.parameters.get(name, {}))
            retriever = registered(name).retriever
            if name in self.stored:
                self._made[name] = retriever.load(self.stored[name], self.sessions, self.item_count, parameters)
            else:
                self._made[name] = retriever.fit(self.sessions, self.item_count, parameters)
        return self._made[name]

    @property
    def popularity(self) -> PopularityRetriever:
        """The retriever that fills up short lists."""
        retriever = self.retriever(POPULARITY)
        assert isinstance(retriever, PopularityRetriever)
        return retriever

    def links(self, name: str) -> Links:
        """The links between items of a co-visitation retriever."""
        retriever = self.retriever(name)
        assert isinstance(retriever, CoVisitationRetriever)
        return retriever.links

    @cached_property
    def counts(self) -> ItemCounts:
        """Counts per item. The share of recent views is smoothed: one view is added to the recent ones of each item."""
        views = _views(self.sessions, self.item_count)
        count = len(self.sessions)
        newest = self.sessions.between(int(count * (1 - self.retrieval.recent_share)), count)
        recent = _views(newest, self.item_count)
        recent_share = (recent + 1) / (views + len(self.sessions.items) / max(recent.sum(), 1))
        return ItemCounts(np.maximum(views, 1), np.log1p(views), recent_share)

    def candidates(self, name: str, queries: Queries, top: int) -> Candidates:
        """The `top` candidates of one retriever for each query."""
        return self.retriever(name).candidates(queries.shortened(self.retrieval.longest_query), top)

    def rank(self, name: str, queries: Queries, top: int) -> Ints:
        """The `top` items of one retriever for each query, filled up with the most viewed ones."""
        return self.popularity.fill(self.candidates(name, queries, top).items)

    def save(self) -> dict[str, Arrays]:
        """Returns what the artefact stores of each retriever; without those that are fitted again from the sessions."""
        stored = {name: self.retriever(name).save() for name in self.retrieval.parameters}
        return {name: arrays for name, arrays in stored.items() if arrays}


def _views(sessions: Sessions, item_count: int) -> Floats:
    return np.bincount(sessions.items, minlength=item_count).astype(float)
