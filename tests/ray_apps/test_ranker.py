"""The ranker learns nothing from its own future, is the same twice, and is worth its cost."""

from dataclasses import replace

import numpy as np
import pytest

from ray_apps.common.progress import Progress
from ray_apps.recommender import ranker
from ray_apps.recommender.features import FEATURES, candidates
from ray_apps.recommender.metrics import TOP, per_query, ranks
from ray_apps.recommender.ranker import Model, Part, Recipe, TooFewSessions
from ray_apps.recommender.retrieval import Index
from ray_apps.recommender.sessions import Queries, Sessions, prefixes
from tests.ray_apps import shop

QUIET = Progress(silent=True)
RECIPE = Recipe(rounds=15)
ITEMS = 240
LISTS = shop.visits(1500, items=ITEMS)
SESSIONS = shop.sessions(LISTS)


@pytest.fixture(scope="module")
def model() -> Model:
    return ranker.train(SESSIONS, ITEMS, RECIPE, QUIET)[0]


def same(one: Part, two: Part) -> bool:
    return np.array_equal(one.rows, two.rows) and np.array_equal(one.labels, two.labels) and np.array_equal(one.sizes, two.sizes)


def test_no_row_sees_a_session_that_is_not_older() -> None:
    past, learn, stop = ranker.split(SESSIONS, RECIPE)
    end = len(past)
    assert (past.items == SESSIONS.items[: len(past.items)]).all()
    newer = SESSIONS.between(end, len(SESSIONS))
    for queries in (learn, stop):
        starts = newer.offsets[queries.groups]
        # A query looks at its own session only, and not at its answer or beyond.
        assert (queries.begin >= starts).all()
        assert (queries.end > queries.begin).all()
        assert (newer.items[queries.end] == queries.labels).all()
    assert learn.groups.max() < stop.groups.min()
    assert len(learn) + len(stop) == len(prefixes(newer))


def test_the_future_changes_no_row() -> None:
    """Whatever happens after a query, its features stay as they are."""
    rows = ranker.rows(SESSIONS, ITEMS, RECIPE, QUIET)[0]
    past, learn, _ = ranker.split(SESSIONS, RECIPE)
    end = past.offsets[-1] + learn.end[-1] + 1
    later = SESSIONS.items.copy()
    later[end:] = np.random.default_rng(0).integers(0, ITEMS, len(later) - end)
    other = ranker.rows(replace(SESSIONS, items=later), ITEMS, RECIPE, QUIET)[0]
    assert same(rows, other)


def test_features_are_what_they_are_called() -> None:
    index = Index(shop.sessions([[0, 1, 2], [0, 1], [3, 1]]), 4)
    query = Queries(np.array([0, 1, 0], np.int32), np.array([0]), np.array([3]), np.array([2], np.int32), np.array([0]))
    found = candidates(index, query)
    rows = {item: dict(zip(FEATURES, row.tolist(), strict=True)) for item, row in zip(found.items.tolist(), found.rows, strict=True)}
    assert set(rows) == {0, 1, 2, 3}
    assert rows[0] | {"times_seen": 2, "steps_since_seen": 1, "query_views": 3, "query_items": 2} == rows[0]
    assert rows[1] | {"times_seen": 1, "steps_since_seen": 2} == rows[1]
    assert rows[2] | {"times_seen": 0, "steps_since_seen": 0, "log_views": pytest.approx(np.log(2))} == rows[2]
    # 0 was followed by 1 both times; 1 was viewed three times in all.
    assert rows[1]["successor_last_weight"] == pytest.approx(1)
    assert rows[1]["successor_last_cosine"] == pytest.approx(2 / np.sqrt(2 * 3))
    assert rows[2]["successor_before_weight"] == pytest.approx(1 / 3)
    for retriever in ("covisitation", "vsknn", "vstan"):
        items, scores = index.find(retriever, query, 4)
        for rank, (item, score) in enumerate(zip(items[0].tolist(), scores[0].tolist(), strict=True)):
            if item >= 0:
                assert rows[item][f"{retriever}_score"] == pytest.approx(score, rel=1e-6)
                assert rows[item][f"{retriever}_share"] == pytest.approx(score / scores[0, 0], rel=1e-6)
                assert rows[item][f"{retriever}_rank"] == rank - 81


def test_the_same_sessions_give_the_same_model(model: Model) -> None:
    again, _ = ranker.train(SESSIONS, ITEMS, RECIPE, QUIET)
    assert model.booster.model_to_string() == again.booster.model_to_string()
    queries = prefixes(shop.sessions(shop.visits(20, seed=2, items=ITEMS)))
    assert (model.rank(queries, TOP) == again.rank(queries, TOP)).all()


def test_ranking_beats_popularity_and_a_query_alone_is_answered_as_among_others(model: Model) -> None:
    queries = prefixes(shop.sessions(shop.visits(100, seed=2, items=ITEMS)))
    found = model.rank(queries, TOP)
    assert (found >= 0).all()
    popular = model.index.rank("popularity", queries, TOP)
    hits, popular_hits = (per_query(ranks(one, queries.labels))["hr20"].mean() for one in (found, popular))
    assert hits > 1.5 * popular_hits
    assert (model.rank(queries.between(5, 6), TOP) == found[5:6]).all()


def test_a_query_of_nothing_known_gets_the_popular_items(model: Model) -> None:
    nothing = Queries(np.zeros(0, np.int32), *(np.zeros(1, np.int64),) * 2, np.zeros(1, np.int32), np.zeros(1, np.int64))
    assert (model.rank(nothing, TOP) == model.index.rank("popularity", nothing, TOP)).all()


@pytest.mark.parametrize(("least", "share"), [(100, 0.93), (1200, None), (10**9, 0.7)])
def test_the_ranker_gets_enough_queries_where_there_are_enough(least: int, share: float | None) -> None:
    past, learn, stop = ranker.split(SESSIONS, replace(RECIPE, least_queries=least))
    if share:
        assert len(past) == int(len(SESSIONS) * share)
    else:
        assert least <= len(learn) + len(stop) < least + 8


@pytest.mark.parametrize("count", [1, 10])
def test_too_few_sessions_are_an_error_of_their_own(count: int) -> None:
    with pytest.raises(TooFewSessions, match=f"^{count} sessions"):
        ranker.train(shop.sessions(LISTS[:count]), ITEMS, RECIPE, QUIET)


def test_times_may_come_with_the_sessions() -> None:
    timed = Sessions(SESSIONS.offsets, SESSIONS.items, 60 * np.arange(len(SESSIONS), dtype=np.float64))
    assert same(ranker.rows(timed, ITEMS, RECIPE, QUIET)[0], ranker.rows(SESSIONS, ITEMS, RECIPE, QUIET)[0])


def test_a_sample_holds_whole_queries_in_their_order() -> None:
    sizes = np.array([1, 3, 2, 4], np.int64)
    owners = np.repeat(np.arange(4), sizes)
    part = Part(owners.astype(np.float32).reshape(-1, 1), owners.astype(np.int32), sizes)
    found = part.sample(2, seed=1)
    chosen = np.unique(found.labels)
    assert len(chosen) == 2
    assert found.sizes.tolist() == sizes[chosen].tolist()
    assert found.labels.tolist() == found.rows[:, 0].tolist() == np.repeat(chosen, found.sizes).tolist()
    assert [one.tolist() for one in part.sample(9, seed=1)] == [one.tolist() for one in part]
