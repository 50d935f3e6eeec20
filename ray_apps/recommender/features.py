"""The second stage's rows: each query's candidates and what is known about each of them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ray_apps.recommender.compiled import compiled
from ray_apps.recommender.covisitation import Links
from ray_apps.recommender.kernels import mark_steps, unmark_steps
from ray_apps.recommender.retrieval import Facts, Index
from ray_apps.recommender.sessions import LONGEST_QUERY, Bools, Floats, Ints, Longs, Queries

# Candidates of each retriever; where they end, the ranker's recall ends.
CANDIDATES = 80
RANKED = ("covisitation", "vsknn", "vstan")
FEATURES = (
    *(f"{retriever}_{kind}" for retriever in RANKED for kind in ("score", "share", "rank")),
    *(f"{links}_{view}_{kind}" for links in ("covisitation", "successor") for view in ("last", "before") for kind in ("weight", "cosine")),
    *("times_seen", "steps_since_seen", "query_views", "query_items", "log_views", "recent_share"),
)

Rows = NDArray[np.float32]


class Candidates(NamedTuple):
    """Query q's candidates are `items[offsets[q]:offsets[q + 1]]`; `rows` holds FEATURES of each."""

    offsets: Longs
    items: Ints
    rows: Rows

    @property
    def owners(self) -> Longs:
        """The query of each candidate."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def are_labels(self, labels: Ints) -> Bools:
        """Which candidates are their query's answer."""
        return np.equal(self.items, labels[self.owners])


def candidates(index: Index, queries: Queries) -> Candidates:
    """The union of what the retrievers find and the query's own items, with their features."""
    found = [index.find(retriever, queries, CANDIDATES) for retriever in RANKED]
    most = len(queries) * (len(RANKED) * CANDIDATES + LONGEST_QUERY)
    rows, items, offsets = np.zeros((most, len(FEATURES)), np.float32), np.empty(most, np.int32), np.zeros(len(queries) + 1, np.int64)
    _describe(
        index.facts,
        *(queries.items, queries.begin, queries.end),
        *(np.stack([one.items for one in found]), np.stack([one.scores for one in found])),
        *(offsets, items, rows),
    )
    return Candidates(offsets, items[: offsets[-1]].copy(), rows[: offsets[-1]].copy())


@compiled
def _describe(
    about: Facts, views: Ints, begin: Longs, end: Longs, found: Ints, scores: Floats, offsets: Longs, items: Ints, rows: Rows
) -> None:
    steps, place_of = np.zeros(len(about.views), np.int64), np.full(len(about.views), -1)
    for number in range(len(begin)):
        query, first = views[begin[number] : end[number]], offsets[number]
        mark_steps(query, steps)
        count = _gather(query, found[:, number], scores[:, number], place_of, items[first:], rows[first:])
        mine, described = items[first : first + count], rows[first : first + count]
        column = 3 * len(found)
        for links in (about.covisitation, about.successors):
            for back in range(1, 3):
                if back <= len(query):
                    _follow(links, about.views, query[-back], place_of, described[:, column : column + 2])
                column += 2
        _count(about, query, steps, place_of, mine, described[:, column:])
        unmark_steps(query, steps)
        place_of[mine] = -1
        offsets[number + 1] = first + count


@compiled
def _gather(query: Ints, found: Ints, scores: Floats, place_of: Longs, items: Ints, rows: Rows) -> int:
    """Number the candidates and write the retrievers' columns. Returns how many candidates there are."""
    count, last_rank = 0, found.shape[1] + 1
    for retriever in range(len(found)):
        for rank in range(found.shape[1]):
            item = found[retriever, rank]
            if item < 0:
                break
            count += _number(item, count, place_of, items)
            row = rows[place_of[item]]
            row[3 * retriever] = scores[retriever, rank]
            row[3 * retriever + 1] = scores[retriever, rank] / scores[retriever, 0]
            row[3 * retriever + 2] = rank - last_rank
    for item in query:
        count += _number(item, count, place_of, items)
    return count


@compiled
def _number(item: int, count: int, place_of: Longs, items: Ints) -> int:
    """Give the item the next place unless it has one. Returns 1 if it is new."""
    if place_of[item] >= 0:
        return 0
    place_of[item], items[count] = count, item
    return 1


@compiled
def _follow(links: Links, views: Floats, source: int, place_of: Longs, columns: Rows) -> None:
    """Write the weight of the link from `source` to each candidate: per view of the source, and as a cosine."""
    for at in range(links.offsets[source], links.offsets[source + 1]):
        place = place_of[links.items[at]]
        if place >= 0:
            columns[place, 0] = links.weights[at]
            columns[place, 1] = links.weights[at] * np.sqrt(views[source] / views[links.items[at]])


@compiled
def _count(about: Facts, query: Ints, steps: Longs, place_of: Longs, items: Ints, columns: Rows) -> None:
    """Write what the query and the shop say about each candidate."""
    distinct = 0
    for place in range(len(query)):
        columns[place_of[query[place]], 0] += 1
        distinct += steps[query[place]] == len(query) - place
    for row in range(len(items)):
        columns[row, 1] = steps[items[row]]
        columns[row, 2], columns[row, 3] = len(query), distinct
        columns[row, 4], columns[row, 5] = about.log_views[items[row]], about.recent_share[items[row]]
