"""Calls one model with item ids and returns item ids; the model itself knows items by their number."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ray_apps.recommender.artefacts import Artefact
from ray_apps.recommender.sessions import Ints, Queries
from ray_apps.serving.ranking_thread import RankingThread


@dataclass(frozen=True)
class Scorer:
    """A model that is loaded in this replica."""

    artefact: Artefact

    @property
    def sha256(self) -> str:
        """The sha256 that names the model."""
        return self.artefact.manifest.sha256

    def rank(self, views: Sequence[str], top: int, seen: bool = False) -> list[str]:
        """Returns the `top` items to recommend after these views (the newest last).

        Empty if the model knows none of the views. Viewed items are left out unless `seen` is true.
        """
        viewed = self._numbers_of(views)[-self.artefact.model.index.retrieval.longest_query :]
        if not len(viewed):
            return []
        if seen:
            return self._ids_of(self._ranked(viewed, top))
        ranked = self._ranked(viewed, top + len(viewed))
        return self._ids_of(ranked[~np.isin(ranked, viewed)][:top])

    def similar(self, item: str, top: int) -> list[tuple[str, float]]:
        """Returns the items most often viewed together with this one, and their co-visitation weights; empty if there are none."""
        if item not in self._number_by_id:
            return []
        items, weights = self.artefact.model.similar(self._number_by_id[item], top)
        return list(zip(self._ids_of(items), weights.round(6).tolist(), strict=True))

    def popular(self, top: int) -> list[str]:
        """Returns the `top` most viewed items of the training data."""
        return self._ids_of(self.artefact.model.popular(top))

    def warm_up(self) -> None:
        """Rank once, so that lazily built indexes and compiled kernels are ready before the first request."""
        self.rank([self.popular(1)[0]], 1)

    @cached_property
    def thread(self) -> RankingThread:
        """The thread that calls this model for requests."""
        return RankingThread()

    @cached_property
    def _number_by_id(self) -> dict[str, int]:
        return {item: number for number, item in enumerate(self.artefact.ids.tolist())}

    def _ranked(self, viewed: Ints, top: int) -> Ints:
        """Returns the numbers of the `top` items after these views; -1 where there are no more."""
        ranked: Ints = self.artefact.model.rank(Queries.single(viewed), top)[0]
        return ranked

    def _numbers_of(self, items: Sequence[str]) -> Ints:
        """Returns the numbers of the items that the model knows."""
        return np.array([self._number_by_id[item] for item in items if item in self._number_by_id], np.int32)

    def _ids_of(self, numbers: Ints) -> list[str]:
        """Returns the ids of these items without the padding (-1)."""
        return [str(item) for item in self.artefact.ids[numbers[numbers >= 0]]]
