"""A rollout store in memory for tests: the test sets the pointer, and adds models that load or raise."""

from functools import cache
from typing import Any

import numpy as np

from clickstream_contracts.rollout_pointer import Pointer
from ray_apps.common.progress import Progress
from ray_apps.recommender import ranker
from ray_apps.recommender.artefacts import Artefact, Manifest
from ray_apps.recommender.ranker import Recipe
from ray_apps.serving.recommender import Recommender
from ray_apps.serving.router import Router
from ray_apps.serving.user_history import RecentViews, StreamedLists
from tests.ray_apps import shop


@cache
def artefact(data: str = "tag-1") -> Artefact:
    """A small trained model. Its sha256 depends on `data`, its recommendations on the seed (the length of `data`)."""
    recipe = Recipe(rounds=5, seed=len(data))
    sessions = shop.sessions(shop.visits(700, seed=recipe.seed))
    model, _ = ranker.train(sessions, shop.ITEMS, recipe, Progress(silent=True))
    ids = np.array([f"p-{number}" for number in range(shop.ITEMS)])
    return Artefact(model, ids, Manifest(data, recipe.seed, recipe.parameters, {}))


class FakeRolloutStore:
    """Logs what is read from it. An exception in `models` is raised when that model is loaded."""

    def __init__(self) -> None:
        self.current = Pointer()
        self.models: dict[str, Any] = {}
        self.reads: list[str] = []
        self.unreachable = False
        self.stable_release = "r1"

    def add(self, model: Artefact) -> str:
        """Add a model. Returns its sha256."""
        sha256 = model.manifest.sha256
        self.models[sha256] = model
        return sha256

    def commit(self) -> str:
        if self.unreachable:
            raise OSError("no route to Nessie")
        return repr(self.current)

    def pointer(self) -> tuple[Pointer, str]:
        self.reads.append("pointer")
        return self.current, self.stable_release if self.current.candidate else self.current.release

    def load_model(self, sha256: str) -> Artefact:
        self.reads.append(sha256)
        model = self.models[sha256]
        if isinstance(model, Exception):
            raise model
        return model  # type: ignore[no-any-return]


def recommender(store: FakeRolloutStore) -> Recommender:
    """A recommender without user history that has read the store's pointer."""
    router = Router(store)
    router.refresh()
    return Recommender(router, RecentViews(), StreamedLists())
