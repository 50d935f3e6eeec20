"""Each retriever gives the candidates of its formula, compared with a slow implementation in plain Python."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from clickstream_contracts import covisitation as rules
from ray_apps.recommender.covisitation import CoVisitationRetriever, linked
from ray_apps.recommender.index import Index
from ray_apps.recommender.retriever import Candidates
from ray_apps.recommender.session_knn import VSKNN, VSTAN, SessionKnnRetriever
from ray_apps.recommender.sessions import LONGEST_QUERY, Queries, Sessions, item_numbers, prefixes
from tests import covisitation_example as example
from tests.ray_apps import oracles, shop

LISTS = shop.visits(150)
SESSIONS = shop.sessions(LISTS)
INDEX = Index(SESSIONS, shop.ITEMS + 1)
QUERIES = prefixes(shop.sessions(shop.visits(30, seed=2)))
ALL = shop.ITEMS + 1


def check(candidates: Candidates, queries: Queries, oracle: Callable[[list[int]], dict[int, float]]) -> None:
    """Same items and scores as the oracle's, in descending order; equal scores in any order."""
    for row, (begin, end) in enumerate(zip(queries.begin, queries.end, strict=True)):
        expected = oracle(queries.items[begin:end].tolist())
        count = int((candidates.items[row] >= 0).sum())
        scores = dict(zip(candidates.items[row, :count].tolist(), candidates.scores[row, :count].tolist(), strict=True))
        assert scores == pytest.approx({item: score for item, score in expected.items() if score > 0})
        assert (np.diff(candidates.scores[row, :count]) <= 0).all()


@pytest.mark.parametrize("neighbours", [7, 500])
def test_vsknn_equals_its_formula(neighbours: int) -> None:
    retriever = SessionKnnRetriever.fit(SESSIONS, ALL, replace(VSKNN, neighbours=neighbours))
    check(retriever.candidates(QUERIES, ALL), QUERIES, lambda query: oracles.vsknn(LISTS, query, neighbours))


@pytest.mark.parametrize("neighbours", [7, 500])
def test_vstan_equals_its_formula(neighbours: int) -> None:
    retriever = SessionKnnRetriever.fit(SESSIONS, ALL, replace(VSTAN, neighbours=neighbours))
    check(retriever.candidates(QUERIES, ALL), QUERIES, lambda query: oracles.vstan(LISTS, query, neighbours))


@pytest.mark.parametrize("per_item", [4, 100])
def test_covisitation_equals_its_formula(per_item: int) -> None:
    retriever = CoVisitationRetriever.fit(SESSIONS, ALL, replace(rules.retriever(), per_item=per_item))
    check(retriever.candidates(QUERIES, ALL), QUERIES, lambda query: oracles.covisitation(LISTS, query, per_item))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [(example.PLAIN, example.PLAIN_LINKS), (example.NORMALISED, example.NORMALISED_LINKS)],
    ids=["plain", "normalised"],
)
def test_covisitation_links_equal_the_example_shared_with_spark(parameters: rules.CoVisitation, expected: example.Links) -> None:
    products = sorted({product for session in example.SESSIONS for product in session})
    lists = [[products.index(product) for product in session] for session in example.SESSIONS]
    links = CoVisitationRetriever.fit(shop.sessions(lists), len(products), parameters).links
    for number, product in enumerate(products):
        items, weights = linked(links, number)
        neighbours = expected.get(product, {})
        assert [products[item] for item in items] == sorted(neighbours, key=lambda name: (-neighbours[name], name))
        assert weights.tolist() == pytest.approx(sorted(map(float, neighbours.values()), reverse=True), rel=1e-12)


def test_the_retriever_has_the_parameters_of_the_example() -> None:
    assert rules.retriever() == example.NORMALISED


def test_popularity_counts_views() -> None:
    views = np.bincount(SESSIONS.items)
    candidates = INDEX.candidates("popularity", QUERIES, 10)
    assert (candidates.scores == np.sort(views)[::-1][:10]).all()
    assert (views[candidates.items[0]] == candidates.scores[0]).all()


@pytest.mark.parametrize("retriever", ["covisitation", "vsknn", "vstan"])
def test_a_shorter_list_is_the_start_of_a_longer_one(retriever: str) -> None:
    longer = INDEX.candidates(retriever, QUERIES, 20)
    assert (INDEX.candidates(retriever, QUERIES, 5).items == longer.items[:, :5]).all()


@pytest.mark.parametrize("retriever", ["popularity", "covisitation", "vsknn", "vstan"])
def test_every_query_gets_a_full_list_without_duplicates(retriever: str) -> None:
    never_viewed = np.array([shop.ITEMS], np.int32)
    for views in (never_viewed[:0], never_viewed):
        ranked = INDEX.rank(retriever, Queries.single(views), 20)
        assert len(set(ranked[0].tolist()) - {-1}) == 20
        assert (ranked[0] == INDEX.rank("popularity", QUERIES, 20)[0]).all()


def test_only_the_newest_sessions_of_an_item_are_searched() -> None:
    sessions = shop.sessions([[0, 1], [0, 1], [0, 1], [0, 2], [0, 2]])
    retriever = SessionKnnRetriever.fit(sessions, 3, replace(VSKNN, recent=2))
    query = Queries.single(np.zeros(1, np.int32))
    assert set(retriever.candidates(query, 3).items[0].tolist()) == {0, 2, -1}


def test_ages_are_computed_from_session_times_if_given() -> None:
    assert Sessions(np.arange(4), np.zeros(3, np.int32)).ages().tolist() == [1, 0.5, 0]
    assert Sessions(np.arange(4), np.zeros(3, np.int32), np.array([0.0, 30.0, 40.0])).ages().tolist() == [1, 0.25, 0]


def test_prefixes_are_all_views_but_the_first_and_are_cut_to_the_longest_query() -> None:
    long = list(range(LONGEST_QUERY + 3))
    queries = prefixes(shop.sessions([[4], [1, 2, 3], long]))
    views = [queries.items[begin:end].tolist() for begin, end in zip(queries.begin, queries.end, strict=True)]
    assert views[:2] == [[1], [1, 2]]
    assert queries.labels[:2].tolist() == [2, 3]
    assert views[-1] == long[-1 - LONGEST_QUERY : -1]
    assert queries.groups.tolist() == [1, 1] + [2] * (len(long) - 1)


def test_long_sessions_keep_their_last_views() -> None:
    kept = shop.sessions([[1, 2, 3], [4]]).shortened(2)
    assert (kept.items.tolist(), kept.offsets.tolist()) == ([2, 3, 4], [0, 2, 3])


def test_unknown_ids_have_the_number_minus_one() -> None:
    assert item_numbers(np.array([5, 7, 9]), np.array([9, 6, 5, 10])).tolist() == [2, -1, 0, -1]
