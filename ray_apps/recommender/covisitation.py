"""The co-visitation retriever: items that were viewed close to each other in the same session.

The formula and its parameters are those of `rules/covisitation.yaml` in the contracts package, where Spark and Flink read them too.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from scipy.sparse import coo_array

from clickstream_contracts.covisitation import CoVisitation
from ray_apps.recommender.compiled import compiled
from ray_apps.recommender.kernels import take_top
from ray_apps.recommender.retriever import Candidates, Retriever
from ray_apps.recommender.sessions import Floats, Ints, Longs, Queries, Sessions, offsets_of

# Links from an item to the items that were viewed right after it.
SUCCESSOR = CoVisitation(
    window=1, backward_weight=0.0, self_weight=0.0, repeats=True, per_item=100, normalise=True, look_back=10, decay=0.7
)


class Links(NamedTuple):
    """Links between items: item i is linked to `items[offsets[i]:offsets[i + 1]]`, in descending order of `weights`."""

    offsets: Longs
    items: Ints
    weights: Floats


@dataclass(frozen=True)
class CoVisitationRetriever(Retriever):
    """Candidates are the items linked to the last views of a query."""

    links: Links
    parameters: CoVisitation

    @classmethod
    def fit(cls, sessions: Sessions, item_count: int, parameters: CoVisitation) -> Self:
        """Sum the weights of all pairs of views at most `window` apart; each item keeps its `per_item` heaviest links."""
        sources, targets, weights = _weighted_pairs(sessions, parameters)
        if parameters.normalise:
            weights /= np.bincount(sessions.items, minlength=item_count)[sources]
        sums = coo_array((weights, (sources, targets)), shape=(item_count, item_count)).tocsr().tocoo()
        return cls(_heaviest(sums, item_count, parameters.per_item), parameters)

    def candidates(self, queries: Queries, top: int) -> Candidates:
        """The `top` items for each query; a link of the view k steps before the last counts decay^k, k < look_back."""
        candidates = Candidates.empty(queries, top)
        begin = np.maximum(queries.begin, queries.end - self.parameters.look_back)
        _sum_links(self.links, self.parameters.decay, queries.items, begin, queries.end, candidates)
        return candidates


def linked(links: Links, item: int) -> tuple[Ints, Floats]:
    """The items that this one is linked to, the heaviest link first, and the weights."""
    part = slice(links.offsets[item], links.offsets[item + 1])
    return links.items[part], links.weights[part]


def _weighted_pairs(sessions: Sessions, parameters: CoVisitation) -> tuple[Ints, Ints, Floats]:
    """Every pair of near views as source, target and weight; the same pair of items may come many times."""
    owners, items = sessions.owners, sessions.items
    pairs = [(items, items, np.full(len(items), parameters.self_weight))]
    for distance in range(1, min(parameters.window, len(items) - 1) + 1):
        earlier, later = items[:-distance], items[distance:]
        is_pair = owners[:-distance] == owners[distance:]
        if not parameters.repeats:
            is_pair &= earlier != later
        earlier, later = earlier[is_pair], later[is_pair]
        pairs.append((earlier, later, np.full(len(earlier), 1.0 / distance)))
        pairs.append((later, earlier, np.full(len(later), parameters.backward_weight / distance)))
    sources, targets, weights = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return sources, targets, weights


def _heaviest(sums: coo_array, item_count: int, per_item: int) -> Links:
    """The `per_item` heaviest links of each item; among equals the link to the lower item number first."""
    sources, targets = sums.coords
    order = np.lexsort((targets, -sums.data, sources))
    ranks = np.arange(len(order)) - offsets_of(np.bincount(sources, minlength=item_count))[sources[order]]
    kept = order[(ranks < per_item) & (sums.data[order] > 0)]
    counts = np.bincount(sources[kept], minlength=item_count)
    return Links(offsets_of(counts), targets[kept].astype(np.int32), sums.data[kept])


@compiled
def _sum_links(links: Links, decay: float, items: Ints, begin: Longs, end: Longs, candidates: Candidates) -> None:
    item_count = len(links.offsets) - 1
    scores, scored = np.zeros(item_count), np.empty(item_count, np.int32)
    for query in range(len(begin)):
        count, weight = 0, 1.0
        for position in range(end[query] - 1, begin[query] - 1, -1):
            for link in range(links.offsets[items[position]], links.offsets[items[position] + 1]):
                if scores[links.items[link]] == 0.0:
                    scored[count] = links.items[link]
                    count += 1
                scores[links.items[link]] += weight * links.weights[link]
            weight *= decay
        take_top(scored, scores, count, candidates.items[query], candidates.scores[query])
