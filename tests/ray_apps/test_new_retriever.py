"""A new retriever needs one class and one line in the registry: models then train, save, load and rank with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from pyarrow import fs

from clickstream_contracts.model_artefact import ArtefactError
from ray_apps.common.progress import Progress
from ray_apps.recommender import artefacts, ranker
from ray_apps.recommender.artefacts import Artefact, Manifest
from ray_apps.recommender.metrics import TOP
from ray_apps.recommender.ranker import Recipe
from ray_apps.recommender.retriever import Arrays, Candidates, Retriever
from ray_apps.recommender.retrievers import RETRIEVERS, Registered
from ray_apps.recommender.sessions import Ints, Queries, Sessions, prefixes
from tests.ray_apps import shop

DISK = fs.LocalFileSystem()
QUIET = Progress(silent=True)
QUERIES = prefixes(shop.sessions(shop.visits(120, seed=2)))


@dataclass(frozen=True)
class NextItemsParameters:
    """How many items after the last viewed one are its candidates."""

    count: int


class NextItemsRetriever(Retriever):
    """A toy: the candidates after item i are the items with the next numbers. It stores the table of its candidates."""

    fitted = 0

    def __init__(self, table: Ints) -> None:
        self._table = table

    @classmethod
    def fit(cls, sessions: Sessions, item_count: int, parameters: NextItemsParameters) -> Self:
        cls.fitted += 1
        steps = np.arange(1, parameters.count + 1)
        return cls(((np.arange(item_count)[:, None] + steps) % item_count).astype(np.int32))

    def save(self) -> Arrays:
        return {"table": self._table}

    @classmethod
    def load(cls, arrays: Arrays, sessions: Sessions, item_count: int, parameters: Any) -> Self:
        return cls(arrays["table"])

    def candidates(self, queries: Queries, top: int) -> Candidates:
        candidates = Candidates.empty(queries, top)
        for query in np.flatnonzero(queries.end > queries.begin):
            items = self._table[queries.items[queries.end[query] - 1]][:top]
            candidates.items[query, : len(items)] = items
            candidates.scores[query, : len(items)] = 1 / np.arange(1, len(items) + 1)
        return candidates


def test_a_registered_retriever_is_trained_stored_loaded_and_ranked_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RETRIEVERS, "next_items", Registered(NextItemsRetriever, NextItemsParameters(count=9)))
    recipe = Recipe(rounds=5)
    assert recipe.retrieval.candidates_from == ("covisitation", "vsknn", "vstan", "next_items")
    model, _ = ranker.train(shop.sessions(shop.visits(700)), shop.ITEMS, recipe, QUIET)
    assert {"next_items_score", "next_items_share", "next_items_rank"} < set(model.features)

    folder, ids = str(tmp_path / "model"), np.array([f"p-{number}" for number in range(shop.ITEMS)])
    manifest = artefacts.write(Artefact(model, ids, Manifest("tag-1", recipe.seed, recipe.parameters, {})), DISK, folder)
    assert "retriever_next_items.npz" in manifest.files
    assert manifest.retrieval["parameters"]["next_items"] == {"count": 9}

    fitted = NextItemsRetriever.fitted
    stored = artefacts.read(DISK, folder, manifest.sha256).model
    assert (stored.rank(QUERIES, TOP) == model.rank(QUERIES, TOP)).all()
    assert NextItemsRetriever.fitted == fitted, "the stored arrays are loaded, not computed again"
    candidates = stored.index.candidates("next_items", QUERIES, 3).items
    assert (candidates[0] == (QUERIES.items[QUERIES.end[0] - 1] + np.arange(1, 4)) % shop.ITEMS).all()

    content = bytearray((tmp_path / "model" / "retriever_next_items.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "model" / "retriever_next_items.npz").write_bytes(content)
    with pytest.raises(ArtefactError, match=r"retriever_next_items.npz: is not what was written"):
        artefacts.read(DISK, folder)
    monkeypatch.delitem(RETRIEVERS, "next_items")
    with pytest.raises(ArtefactError, match="unknown retriever 'next_items'"):
        artefacts.read(DISK, folder)


def test_trees_of_an_older_model_rank_a_table_with_more_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """A champion without the new retriever can be compared with a candidate that has it."""
    sessions = shop.sessions(shop.visits(700))
    older, _ = ranker.train(sessions, shop.ITEMS, Recipe(rounds=5), QUIET)
    monkeypatch.setitem(RETRIEVERS, "next_items", Registered(NextItemsRetriever, NextItemsParameters(count=9)))
    newer, _ = ranker.train(sessions, shop.ITEMS, Recipe(rounds=5), QUIET)
    assert older.features != newer.features
    lists = ranker.Model(newer.index, older.booster).rank(QUERIES, TOP)
    assert (lists >= 0).all()
