"""A lake for tests: a pointer that is set by hand, and models that are there, broken or missing."""

from functools import cache
from typing import Any

import numpy as np

from ray_apps.common.progress import Progress
from ray_apps.recommender import ranker
from ray_apps.recommender.artefacts import Artefact, Manifest
from ray_apps.recommender.ranker import Recipe
from ray_apps.serving.arms import Arms
from ray_apps.serving.pointer import Pointer
from ray_apps.serving.recommender import Recommender
from ray_apps.serving.views import FreshLists, RecentViews
from tests.ray_apps import shop


@cache
def artefact(data: str = "tag-1") -> Artefact:
    """A small model; its name depends on `data`, its answers on its seed."""
    recipe = Recipe(rounds=5, seed=len(data))
    model, _ = ranker.train(shop.sessions(shop.visits(700, seed=len(data))), shop.ITEMS, recipe, Progress(silent=True))
    return Artefact(model, np.array([f"p-{number}" for number in range(shop.ITEMS)]), Manifest(data, recipe.seed, recipe.parameters, {}))


class FakeLake:
    """What is asked of it is counted; an exception among the models is raised."""

    def __init__(self) -> None:
        self.now = Pointer()
        self.models: dict[str, Any] = {}
        self.asked: list[str] = []
        self.away = False

    def add(self, found: Artefact) -> str:
        """Put a model in. Returns its name."""
        self.models[found.manifest.sha256] = found
        return found.manifest.sha256

    def state(self) -> str:
        if self.away:
            raise OSError("no route to the lake")
        return repr(self.now)

    def pointer(self) -> Pointer:
        self.asked.append("pointer")
        return self.now

    def model(self, sha256: str) -> Artefact:
        self.asked.append(sha256)
        found = self.models[sha256]
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]


def recommender(lake: FakeLake) -> Recommender:
    """A recommender that has seen nothing yet and stands where the lake points."""
    arms = Arms(lake)
    arms.follow()
    return Recommender(arms, RecentViews(), FreshLists())
