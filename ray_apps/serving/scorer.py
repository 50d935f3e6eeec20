"""One model, asked in words: ids of items in, ids of items out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ray_apps.recommender.artefacts import Artefact
from ray_apps.recommender.sessions import LONGEST_QUERY, Ints, Queries, windows


@dataclass(frozen=True)
class Scorer:
    """A model that knows its items by their ids."""

    artefact: Artefact

    @property
    def sha256(self) -> str:
        """The model's name."""
        return self.artefact.manifest.sha256

    def rank(self, views: Sequence[str], top: int, seen: bool = False) -> list[str]:
        """What comes after these views, the newest last; nothing if the model knows none of them. `seen` keeps them in the list."""
        known = self._numbers(views)[-LONGEST_QUERY:]
        if not len(known):
            return []
        found = self.artefact.model.rank(_query(known), top + (0 if seen else len(known)))[0]
        return self._ids(found[seen | ~np.isin(found, known)][:top])

    def similar(self, item: str, top: int) -> list[tuple[str, float]]:
        """Items viewed near this one, the nearest first, and how near; nothing if there are none."""
        links = self.artefact.model.index.covisitation
        [number] = self._numbers([item]) if item in self._places else [-1]
        near = slice(links.offsets[number], links.offsets[number + 1]) if number >= 0 else slice(0)
        others = links.items[near] != number
        weights = links.weights[near][others][:top].round(6).tolist()
        return list(zip(self._ids(links.items[near][others][:top]), weights, strict=True))

    def popular(self, top: int) -> list[str]:
        """The most viewed items."""
        return self._ids(self.artefact.model.index.popularity.items[:top])

    def warm_up(self) -> None:
        """Make all that is made when it is first asked for, so that no visitor waits for it."""
        self.rank([self.popular(1)[0]], 1)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {item: number for number, item in enumerate(self.artefact.ids.tolist())}

    def _numbers(self, items: Sequence[str]) -> Ints:
        return np.array([self._places[item] for item in items if item in self._places], np.int32)

    def _ids(self, numbers: Ints) -> list[str]:
        return [str(item) for item in self.artefact.ids[numbers[numbers >= 0]]]


def _query(items: Ints) -> Queries:
    """One question, whose answer nobody knows."""
    one = np.zeros(1, np.int64)
    return windows(items, one, one + len(items), np.array([-1], np.int32), one)
