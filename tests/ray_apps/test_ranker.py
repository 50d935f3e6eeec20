"""Training: no row depends on later views, the same sessions give the same model, and ranking is better than popularity."""

from dataclasses import replace

import numpy as np
import pytest

from ray_apps.common.progress import Progress
from ray_apps.recommender import ranker
from ray_apps.recommender.features import FeatureError, candidate_rows, feature_names, select
from ray_apps.recommender.index import Index
from ray_apps.recommender.metrics import TOP, label_ranks, per_query
from ray_apps.recommender.ranker import Model, Recipe, TooFewSessions, TrainingRows
from ray_apps.recommender.retrievers import RetrievalConfig
from ray_apps.recommender.sessions import Queries, Sessions, prefixes
from tests.ray_apps import shop

QUIET = Progress(silent=True)
RECIPE = Recipe(rounds=15)
RETRIEVAL = RetrievalConfig()
ITEMS = 240
LISTS = shop.visits(1500, items=ITEMS)
SESSIONS = shop.sessions(LISTS)


@pytest.fixture(scope="module")
def model() -> Model:
    return ranker.train(SESSIONS, ITEMS, RECIPE, QUIET)[0]


def equal(left: TrainingRows, right: TrainingRows) -> bool:
    if left.names != right.names:
        return False
    pairs = ((left.features, right.features), (left.labels, right.labels), (left.sizes, right.sizes))
    return all(np.array_equal(left_part, right_part) for left_part, right_part in pairs)


def test_training_rows_use_only_older_sessions() -> None:
    past, learn, stop = ranker.split(SESSIONS, RECIPE)
    end = len(past)
    assert (past.items == SESSIONS.items[: len(past.items)]).all()
    newer = SESSIONS.between(end, len(SESSIONS))
    for queries in (learn, stop):
        starts = newer.offsets[queries.groups]
        # A query sees its own session only, and neither its label nor what follows.
        assert (queries.begin >= starts).all()
        assert (queries.end > queries.begin).all()
        assert (newer.items[queries.end] == queries.labels).all()
    assert learn.groups.max() < stop.groups.min()
    assert len(learn) + len(stop) == len(prefixes(newer))


def test_views_after_a_query_do_not_change_its_features() -> None:
    rows = ranker.training_rows(SESSIONS, ITEMS, RECIPE, QUIET)[0]
    past, learn, _ = ranker.split(SESSIONS, RECIPE)
    end = past.offsets[-1] + learn.end[-1] + 1
    changed = SESSIONS.items.copy()
    changed[end:] = np.random.default_rng(0).integers(0, ITEMS, len(changed) - end)
    rows_of_changed = ranker.training_rows(replace(SESSIONS, items=changed), ITEMS, RECIPE, QUIET)[0]
    assert equal(rows, rows_of_changed)


def test_features_have_the_values_that_their_names_say() -> None:
    index = Index(shop.sessions([[0, 1, 2], [0, 1], [3, 1]]), 4)
    query = Queries.single(np.array([0, 1, 0], np.int32))
    rows = candidate_rows(index, query)
    names = feature_names(RETRIEVAL)
    features = {item: dict(zip(names, row.tolist(), strict=True)) for item, row in zip(rows.items.tolist(), rows.features, strict=True)}
    assert set(features) == {0, 1, 2, 3}
    assert features[0] | {"times_seen": 2, "steps_since_seen": 1, "query_views": 3, "query_items": 2} == features[0]
    assert features[1] | {"times_seen": 1, "steps_since_seen": 2} == features[1]
    assert features[2] | {"times_seen": 0, "steps_since_seen": 0, "log_views": pytest.approx(np.log(2))} == features[2]
    # 0 was followed by 1 both times; 1 was viewed three times in all.
    assert features[1]["successor_last_weight"] == pytest.approx(1)
    assert features[1]["successor_last_cosine"] == pytest.approx(2 / np.sqrt(2 * 3))
    assert features[2]["successor_before_weight"] == pytest.approx(1 / 3)
    for retriever in ("covisitation", "vsknn", "vstan"):
        items, scores = index.candidates(retriever, query, 4)
        for rank, (item, score) in enumerate(zip(items[0].tolist(), scores[0].tolist(), strict=True)):
            if item >= 0:
                assert features[item][f"{retriever}_score"] == pytest.approx(score, rel=1e-6)
                assert features[item][f"{retriever}_share"] == pytest.approx(score / scores[0, 0], rel=1e-6)
                assert features[item][f"{retriever}_rank"] == rank - 81


def test_features_are_selected_by_name_in_the_order_of_the_trees() -> None:
    names = feature_names(RETRIEVAL)
    table = np.arange(2 * len(names), dtype=np.float32).reshape(2, -1)
    assert select(table, RETRIEVAL, names) is table
    assert select(table, RETRIEVAL, (names[3], names[0])).tolist() == table[:, [3, 0]].tolist()
    with pytest.raises(FeatureError, match="unknown feature price"):
        select(table, RETRIEVAL, ("price",))


def test_the_same_sessions_give_the_same_model(model: Model) -> None:
    repeated, _ = ranker.train(SESSIONS, ITEMS, RECIPE, QUIET)
    assert model.booster.model_to_string() == repeated.booster.model_to_string()
    queries = prefixes(shop.sessions(shop.visits(20, seed=2, items=ITEMS)))
    assert (model.rank(queries, TOP) == repeated.rank(queries, TOP)).all()


def test_ranking_is_better_than_popularity_and_the_same_for_a_query_alone(model: Model) -> None:
    queries = prefixes(shop.sessions(shop.visits(100, seed=2, items=ITEMS)))
    lists = model.rank(queries, TOP)
    assert (lists >= 0).all()
    popular_lists = model.index.rank("popularity", queries, TOP)
    hits = per_query(label_ranks(lists, queries.labels))["hr20"].mean()
    popular_hits = per_query(label_ranks(popular_lists, queries.labels))["hr20"].mean()
    assert hits > 1.5 * popular_hits
    assert (model.rank(queries.between(5, 6), TOP) == lists[5:6]).all()


def test_a_query_without_known_items_gets_the_most_viewed_items(model: Model) -> None:
    query = Queries.single(np.zeros(0, np.int32))
    assert (model.rank(query, TOP) == model.index.rank("popularity", query, TOP)).all()
    assert (model.rank(query, TOP)[0] == model.popular(TOP)).all()


def test_similar_items_are_the_heaviest_links_without_the_item_itself(model: Model) -> None:
    items, weights = model.similar(7, 5)
    assert len(items) == 5
    assert 7 not in items
    assert (np.diff(weights) <= 0).all()
    assert items.tolist() == [item for item in model.similar(7, 100)[0].tolist() if item != 7][:5]


@pytest.mark.parametrize(("least", "share"), [(100, 0.93), (1200, None), (10**9, 0.7)])
def test_the_first_index_leaves_enough_queries_to_the_ranker(least: int, share: float | None) -> None:
    past, learn, stop = ranker.split(SESSIONS, replace(RECIPE, least_queries=least))
    if share:
        assert len(past) == int(len(SESSIONS) * share)
    else:
        assert least <= len(learn) + len(stop) < least + 8


@pytest.mark.parametrize("count", [1, 10])
def test_too_few_sessions_raise_an_error(count: int) -> None:
    with pytest.raises(TooFewSessions, match=f"^{count} sessions"):
        ranker.train(shop.sessions(LISTS[:count]), ITEMS, RECIPE, QUIET)


def test_sessions_with_even_times_give_the_same_rows_as_sessions_without_times() -> None:
    timed = Sessions(SESSIONS.offsets, SESSIONS.items, 60 * np.arange(len(SESSIONS), dtype=np.float64))
    assert equal(ranker.training_rows(timed, ITEMS, RECIPE, QUIET)[0], ranker.training_rows(SESSIONS, ITEMS, RECIPE, QUIET)[0])


def test_a_sample_has_whole_queries_in_their_order() -> None:
    sizes = np.array([1, 3, 2, 4], np.int64)
    owners = np.repeat(np.arange(4), sizes)
    rows = TrainingRows(owners.astype(np.float32).reshape(-1, 1), owners.astype(np.int32), sizes, ("owner",))
    sample = rows.sample(2, seed=1)
    selected = np.unique(sample.labels)
    assert len(selected) == 2
    assert sample.sizes.tolist() == sizes[selected].tolist()
    assert sample.labels.tolist() == sample.features[:, 0].tolist() == np.repeat(selected, sample.sizes).tolist()
    assert equal(rows.sample(9, seed=1), rows)
