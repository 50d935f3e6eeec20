"""Features of the ranker: one row for each candidate of each query."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ray_apps.recommender.compiled import compiled
from ray_apps.recommender.covisitation import Links
from ray_apps.recommender.index import Index, ItemCounts
from ray_apps.recommender.kernels import clear_steps, mark_steps
from ray_apps.recommender.retrievers import RetrievalConfig
from ray_apps.recommender.sessions import Bools, Floats, Ints, Longs, Queries

# Link features are computed for the last view of the query and the one before it.
LINKED_VIEWS = ("last", "before")

FeatureTable = NDArray[np.float32]


class FeatureError(ValueError):
    """A ranker wants a feature that this code does not compute with this retrieval configuration."""


class Columns(NamedTuple):
    """The column number of each feature.

    `score`, `share` and `rank` have one entry per candidate retriever; `weight` and `cosine` have one row per link
    retriever and one column per entry of LINKED_VIEWS.
    """

    score: Longs
    share: Longs
    rank: Longs
    weight: Longs
    cosine: Longs
    times_seen: int
    steps_since_seen: int
    query_views: int
    query_items: int
    log_views: int
    recent_share: int


class CandidateRows(NamedTuple):
    """Candidates of query q are `items[offsets[q]:offsets[q + 1]]`; `features` has one row for each of them."""

    offsets: Longs
    items: Ints
    features: FeatureTable

    @property
    def owners(self) -> Longs:
        """The query number of each candidate."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def are_labels(self, labels: Ints) -> Bools:
        """True for candidates that are the label of their query."""
        return np.equal(self.items, labels[self.owners])


def feature_names(retrieval: RetrievalConfig) -> tuple[str, ...]:
    """Names of the features in the order of the table's columns."""
    names = [f"{retriever}_{kind}" for retriever in retrieval.candidates_from for kind in ("score", "share", "rank")]
    names += [f"{links}_{view}_{kind}" for links in retrieval.links_from for view in LINKED_VIEWS for kind in ("weight", "cosine")]
    return (*names, "times_seen", "steps_since_seen", "query_views", "query_items", "log_views", "recent_share")


def columns_of(retrieval: RetrievalConfig) -> Columns:
    """The column numbers by the features' names."""
    column = {name: number for number, name in enumerate(feature_names(retrieval))}

    def of_retrievers(kind: str) -> Longs:
        return np.array([column[f"{retriever}_{kind}"] for retriever in retrieval.candidates_from], np.int64)

    def of_links(kind: str) -> Longs:
        return np.array([[column[f"{links}_{view}_{kind}"] for view in LINKED_VIEWS] for links in retrieval.links_from], np.int64)

    return Columns(
        score=of_retrievers("score"),
        share=of_retrievers("share"),
        rank=of_retrievers("rank"),
        weight=of_links("weight"),
        cosine=of_links("cosine"),
        times_seen=column["times_seen"],
        steps_since_seen=column["steps_since_seen"],
        query_views=column["query_views"],
        query_items=column["query_items"],
        log_views=column["log_views"],
        recent_share=column["recent_share"],
    )


def select(features: FeatureTable, retrieval: RetrievalConfig, names: tuple[str, ...]) -> FeatureTable:
    """The columns with these names, in this order. Raises FeatureError if one of them is not in the table."""
    table = feature_names(retrieval)
    if names == table:
        return features
    if unknown := [name for name in names if name not in table]:
        raise FeatureError(f"unknown feature {', '.join(unknown)}: the retrieval configuration gives {', '.join(table)}")
    return features[:, [table.index(name) for name in names]]


def candidate_rows(index: Index, queries: Queries) -> CandidateRows:
    """The candidates of all retrievers and the items of the query itself, with the features of `feature_names`."""
    retrieval, queries = index.retrieval, queries.shortened(index.retrieval.longest_query)
    candidates = [index.candidates(name, queries, retrieval.candidates) for name in retrieval.candidates_from]
    candidate_items = np.stack([of_retriever.items for of_retriever in candidates])
    scores = np.stack([of_retriever.scores for of_retriever in candidates])

    most = len(queries) * (len(candidates) * retrieval.candidates + retrieval.longest_query)
    features = np.zeros((most, len(feature_names(retrieval))), np.float32)
    items, offsets = np.empty(most, np.int32), np.zeros(len(queries) + 1, np.int64)
    columns, views = columns_of(retrieval), (queries.items, queries.begin, queries.end)
    # Scratch array of the kernels: the row of each item within the rows of one query; -1 for items that are not a candidate.
    row_of = np.full(index.item_count, -1)
    _fill(index.counts, columns, *views, candidate_items, scores, row_of, offsets, items, features)
    for number, name in enumerate(retrieval.links_from):
        weight_columns, cosine_columns = columns.weight[number], columns.cosine[number]
        _fill_links(index.links(name), index.counts.views, *views, row_of, offsets, items, features, weight_columns, cosine_columns)
    return CandidateRows(offsets, items[: offsets[-1]].copy(), features[: offsets[-1]].copy())


@compiled
def _fill(
    counts: ItemCounts,
    columns: Columns,
    views: Ints,
    begin: Longs,
    end: Longs,
    candidates: Ints,
    scores: Floats,
    row_of: Longs,
    offsets: Longs,
    items: Ints,
    features: FeatureTable,
) -> None:
    """Write each query's candidates, where they end, and all features but those of links.

    `candidates[r, q]` are those of retriever r for query q, and `scores[r, q]` their scores.
    """
    steps = np.zeros(len(counts.views), np.int64)
    for number in range(len(begin)):
        query, first = views[begin[number] : end[number]], offsets[number]
        mark_steps(query, steps)
        count = _add_candidates(query, candidates[:, number], scores[:, number], columns, row_of, items[first:], features[first:])
        rows = slice(first, first + count)
        _add_counts(counts, query, steps, row_of, items[rows], columns, features[rows])
        clear_steps(query, steps)
        row_of[items[rows]] = -1
        offsets[number + 1] = first + count


@compiled
def _fill_links(
    links: Links,
    item_views: Floats,
    views: Ints,
    begin: Longs,
    end: Longs,
    row_of: Longs,
    offsets: Longs,
    items: Ints,
    features: FeatureTable,
    weight_columns: Longs,
    cosine_columns: Longs,
) -> None:
    """Write the link features of one retriever: from the last views of the query to each of its candidates."""
    for number in range(len(begin)):
        query = views[begin[number] : end[number]]
        for row in range(offsets[number], offsets[number + 1]):
            row_of[items[row]] = row
        for back in range(min(len(weight_columns), len(query))):
            _add_links(links, item_views, query[-1 - back], row_of, features, weight_columns[back], cosine_columns[back])
        for row in range(offsets[number], offsets[number + 1]):
            row_of[items[row]] = -1


@compiled
def _add_candidates(
    query: Ints, candidates: Ints, scores: Floats, columns: Columns, row_of: Longs, items: Ints, features: FeatureTable
) -> int:
    """Give each candidate a row and write the features of the retrievers. Returns the number of candidates."""
    count, top = 0, candidates.shape[1]
    for retriever in range(len(candidates)):
        for rank in range(top):
            item = candidates[retriever, rank]
            if item < 0:
                break
            count += _add_row(item, count, row_of, items)
            row = features[row_of[item]]
            row[columns.score[retriever]] = scores[retriever, rank]
            row[columns.share[retriever]] = scores[retriever, rank] / scores[retriever, 0]
            # Below zero, so that 0 means "not among the candidates of this retriever".
            row[columns.rank[retriever]] = rank - (top + 1)
    for item in query:
        count += _add_row(item, count, row_of, items)
    return count


@compiled
def _add_row(item: int, count: int, row_of: Longs, items: Ints) -> int:
    """Give the item the next row unless it has one. Returns 1 if it is new, else 0."""
    if row_of[item] >= 0:
        return 0
    row_of[item], items[count] = count, item
    return 1


@compiled
def _add_links(links: Links, views: Floats, source: int, row_of: Longs, features: FeatureTable, weight: int, cosine: int) -> None:
    """Write the weight of the link from `source` to each candidate into two columns: as it is, and as a cosine."""
    for link in range(links.offsets[source], links.offsets[source + 1]):
        row = row_of[links.items[link]]
        if row >= 0:
            features[row, weight] = links.weights[link]
            features[row, cosine] = links.weights[link] * np.sqrt(views[source] / views[links.items[link]])


@compiled
def _add_counts(
    counts: ItemCounts, query: Ints, steps: Longs, row_of: Longs, items: Ints, columns: Columns, features: FeatureTable
) -> None:
    """Write what the query and the counts per item say about each candidate."""
    distinct = 0
    for position in range(len(query)):
        features[row_of[query[position]], columns.times_seen] += 1
        if steps[query[position]] == len(query) - position:
            distinct += 1
    for row in range(len(items)):
        features[row, columns.steps_since_seen] = steps[items[row]]
        features[row, columns.query_views] = len(query)
        features[row, columns.query_items] = distinct
        features[row, columns.log_views] = counts.log_views[items[row]]
        features[row, columns.recent_share] = counts.recent_share[items[row]]
