"""Each retriever gives what its formula, computed slowly, gives."""

from collections.abc import Callable

import numpy as np
import pytest

from ray_apps.recommender.covisitation import link
from ray_apps.recommender.retrieval import Index
from ray_apps.recommender.session_knn import Neighbours, vsknn, vstan
from ray_apps.recommender.sessions import LONGEST_QUERY, Found, Queries, Sessions, number, prefixes
from tests.ray_apps import oracles, shop

LISTS = shop.visits(150)
SESSIONS = shop.sessions(LISTS)
INDEX = Index(SESSIONS, shop.ITEMS + 1)
QUERIES = prefixes(shop.sessions(shop.visits(30, seed=2)))
ALL = shop.ITEMS + 1


def check(found: Found, queries: Queries, oracle: Callable[[list[int]], dict[int, float]]) -> None:
    """Same items, same scores, best first; equals in any order."""
    for row, (begin, end) in enumerate(zip(queries.begin, queries.end, strict=True)):
        wanted = oracle(queries.items[begin:end].tolist())
        count = int((found.items[row] >= 0).sum())
        got = dict(zip(found.items[row, :count].tolist(), found.scores[row, :count].tolist(), strict=True))
        assert got == pytest.approx({item: score for item, score in wanted.items() if score > 0})
        assert (np.diff(found.scores[row, :count]) <= 0).all()


@pytest.mark.parametrize("neighbours", [7, 500])
def test_vsknn_is_its_formula(neighbours: int) -> None:
    retriever = Neighbours.of(SESSIONS, INDEX.postings, vsknn()._replace(neighbours=neighbours))
    check(retriever.find(QUERIES, ALL), QUERIES, lambda query: oracles.vsknn(LISTS, query, neighbours))


@pytest.mark.parametrize("neighbours", [7, 500])
def test_vstan_is_its_formula(neighbours: int) -> None:
    weights = vstan(len(SESSIONS.items) / len(SESSIONS))._replace(neighbours=neighbours)
    retriever = Neighbours.of(SESSIONS, INDEX.postings, weights)
    check(retriever.find(QUERIES, ALL), QUERIES, lambda query: oracles.vstan(LISTS, query, neighbours))


@pytest.mark.parametrize("per_item", [4, 100])
def test_covisitation_is_its_formula(per_item: int) -> None:
    links = link(SESSIONS, ALL, per_item=per_item)
    check(links.find(QUERIES, ALL), QUERIES, lambda query: oracles.covisitation(LISTS, query, per_item))


def test_popularity_counts_views() -> None:
    views = np.bincount(SESSIONS.items)
    found = INDEX.find("popularity", QUERIES, 10)
    assert (found.scores == np.sort(views)[::-1][:10]).all()
    assert (views[found.items[0]] == found.scores[0]).all()


@pytest.mark.parametrize("retriever", ["covisitation", "vsknn", "vstan"])
def test_a_shorter_list_is_the_beginning_of_a_longer_one(retriever: str) -> None:
    assert (INDEX.find(retriever, QUERIES, 5).items == INDEX.find(retriever, QUERIES, 20).items[:, :5]).all()


@pytest.mark.parametrize("retriever", ["popularity", "covisitation", "vsknn", "vstan"])
def test_every_query_gets_a_whole_list_without_repeats(retriever: str) -> None:
    nobody_saw, nothing = np.array([shop.ITEMS], np.int32), np.zeros(1, np.int64)
    for end in (nothing, nothing + 1):
        ranked = INDEX.rank(retriever, Queries(nobody_saw, nothing, end, nobody_saw, nothing), 20)
        assert len(set(ranked[0].tolist()) - {-1}) == 20
        assert (ranked[0] == INDEX.rank("popularity", QUERIES, 20)[0]).all()


def test_only_the_newest_sessions_of_an_item_are_looked_at() -> None:
    lists = [[0, 1]] * 3 + [[0, 2]] * 2
    index = Index(shop.sessions(lists), 3)
    retriever = Neighbours.of(index.sessions, index.postings, vsknn()._replace(recent=2))
    query = Queries(np.zeros(1, np.int32), np.array([0]), np.array([1]), np.zeros(1, np.int32), np.array([0]))
    assert set(retriever.find(query, 3).items[0].tolist()) == {0, 2, -1}


def test_ages_follow_the_times_where_there_are_some() -> None:
    assert Sessions(np.arange(4), np.zeros(3, np.int32)).ages().tolist() == [1, 0.5, 0]
    assert Sessions(np.arange(4), np.zeros(3, np.int32), np.array([0.0, 30.0, 40.0])).ages().tolist() == [1, 0.25, 0]


def test_prefixes_are_all_views_but_the_first_and_look_back_a_while() -> None:
    long = list(range(LONGEST_QUERY + 3))
    queries = prefixes(shop.sessions([[4], [1, 2, 3], long]))
    asked = [queries.items[begin:end].tolist() for begin, end in zip(queries.begin, queries.end, strict=True)]
    assert asked[:2] == [[1], [1, 2]]
    assert queries.labels[:2].tolist() == [2, 3]
    assert asked[-1] == long[-1 - LONGEST_QUERY : -1]
    assert queries.groups.tolist() == [1, 1] + [2] * (len(long) - 1)


def test_long_sessions_keep_their_end() -> None:
    kept = shop.sessions([[1, 2, 3], [4]]).shortened(2)
    assert (kept.items.tolist(), kept.offsets.tolist()) == ([2, 3, 4], [0, 2, 3])


def test_numbers_of_unknown_ids() -> None:
    assert number(np.array([5, 7, 9]), np.array([9, 6, 5, 10])).tolist() == [2, -1, 0, -1]
