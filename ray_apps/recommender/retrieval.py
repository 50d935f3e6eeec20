"""The first stage: what four retrievers know about a shop's sessions, and their candidates for a query."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ray_apps.recommender.covisitation import Links, link
from ray_apps.recommender.session_knn import Neighbours, Postings, post, vsknn, vstan
from ray_apps.recommender.sessions import Floats, Found, Ints, Queries, Sessions

RETRIEVERS = ("popularity", "covisitation", "vsknn", "vstan")
RECENT_SHARE = 0.05


class Facts(NamedTuple):
    """What is known about items whatever the query."""

    covisitation: Links
    successors: Links
    views: Floats
    log_views: Floats
    recent_share: Floats


@dataclass(frozen=True)
class Index:
    """All that is read off sessions of items 0 .. item_count - 1; each part is made when it is first asked for."""

    sessions: Sessions
    item_count: int

    @cached_property
    def views(self) -> Ints:
        """Views of each item."""
        return _views(self.sessions, self.item_count)

    @cached_property
    def recent_views(self) -> Ints:
        """Views of each item in the newest sessions."""
        count = len(self.sessions)
        return _views(self.sessions.between(int(count * (1 - RECENT_SHARE)), count), self.item_count)

    @cached_property
    def popularity(self) -> "Popularity":
        """The most viewed items, whatever the query."""
        order = np.argsort(-self.views, kind="stable").astype(np.int32)
        return Popularity(order, self.views[order].astype(float))

    @cached_property
    def covisitation(self) -> Links:
        """Items viewed near each other."""
        return link(self.sessions, self.item_count)

    @cached_property
    def successors(self) -> Links:
        """Items viewed right after each other."""
        return link(self.sessions, self.item_count, window=1, backward=0.0, itself=0.0)

    @cached_property
    def postings(self) -> Postings:
        """The sessions of each item."""
        return post(self.sessions, self.item_count)

    @cached_property
    def vsknn(self) -> Neighbours:
        """Nearest sessions, weighted by place."""
        return Neighbours.of(self.sessions, self.postings, vsknn())

    @cached_property
    def vstan(self) -> Neighbours:
        """Nearest sessions, weighted by place, age, length and distance."""
        return Neighbours.of(self.sessions, self.postings, vstan(len(self.sessions.items) / len(self.sessions)))

    @cached_property
    def facts(self) -> Facts:
        """The counts as a ranker sees them; the share of recent views is pulled to that of all items by what one view weighs."""
        views = self.views.astype(float)
        recent = (self.recent_views + 1) / (views + len(self.sessions.items) / max(self.recent_views.sum(), 1))
        return Facts(self.covisitation, self.successors, np.maximum(views, 1), np.log1p(views), recent)

    def find(self, retriever: str, queries: Queries, top: int) -> Found:
        """The `top` candidates of one of RETRIEVERS for each query."""
        finder: Callable[[Queries, int], Found] = getattr(self, retriever).find
        return finder(queries, top)

    def rank(self, retriever: str, queries: Queries, top: int) -> Ints:
        """The `top` items of one of RETRIEVERS for each query, popular ones where it knows no more."""
        return self.popularity.fill(self.find(retriever, queries, top).items)


@dataclass(frozen=True)
class Popularity:
    """Items from the most to the least viewed; among equals those with lower numbers first."""

    items: Ints
    views: Floats

    def find(self, queries: Queries, top: int) -> Found:
        """The same for each query."""
        shape = (len(queries), 1)
        return Found(np.tile(self.items[:top], shape), np.tile(self.views[:top], shape))

    def fill(self, found: Ints) -> Ints:
        """Put the most viewed items that are not there yet at the end of lists that end early."""
        popular = self.items[: 2 * found.shape[1]]
        for number in np.flatnonzero(found[:, -1] < 0):
            own = found[number][found[number] >= 0]
            more = popular[~np.isin(popular, own)][: found.shape[1] - len(own)]
            found[number, len(own) : len(own) + len(more)] = more
        return found


def _views(sessions: Sessions, item_count: int) -> Ints:
    return np.bincount(sessions.items, minlength=item_count).astype(np.int32)
