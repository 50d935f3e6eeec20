"""Co-visitation: items that were viewed close to each other in the same session.

A view links its item to those viewed at most `window` views later with 1 / distance, to those before with
`backward` / distance, and to itself with `itself`, for a visitor often comes back to an item. The weight of a link is the
sum over all views divided by the views of the item it starts from.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array

from ray_apps.recommender.compiled import compiled
from ray_apps.recommender.kernels import answer
from ray_apps.recommender.sessions import Floats, Found, Ints, Longs, Queries, Sessions, offsets_of

WINDOW = 6
BACKWARD = 0.4
ITSELF = 1.0
PER_ITEM = 100
LOOK_BACK = 10
FADE = 0.7


class Links(NamedTuple):
    """Item i leads to `items[offsets[i]:offsets[i + 1]]`, the heaviest first, with these weights."""

    offsets: Longs
    items: Ints
    weights: Floats

    def find(self, queries: Queries, top: int) -> Found:
        """The `top` items for each query: a link of the view k steps before the last counts FADE^k, k < LOOK_BACK."""
        found = Found.nothing(queries, top)
        _find(self, queries.items, np.maximum(queries.begin, queries.end - LOOK_BACK), queries.end, found)
        return found


def link(
    sessions: Sessions,
    item_count: int,
    window: int = WINDOW,
    backward: float = BACKWARD,
    itself: float = ITSELF,
    per_item: int = PER_ITEM,
) -> Links:
    """Count the pairs of near views; each item keeps its `per_item` heaviest links."""
    owners, items = sessions.owners, sessions.items
    parts = [(items, items, np.full(len(items), itself))]
    for distance in range(1, min(window, len(items) - 1) + 1):
        near = owners[:-distance] == owners[distance:]
        earlier, later = items[:-distance][near], items[distance:][near]
        for source, target, weight in ((earlier, later, 1.0), (later, earlier, backward)):
            parts.append((source, target, np.full(len(source), weight / distance)))
    sources, targets, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    views = np.bincount(items, minlength=item_count)
    pairs = coo_array((weights / views[sources], (sources, targets)), shape=(item_count, item_count))
    return _heaviest(pairs.tocsr().tocoo(), item_count, per_item)


def _heaviest(pairs: coo_array, item_count: int, per_item: int) -> Links:
    """Each item's heaviest links; among equals those to items with lower numbers."""
    sources, targets = pairs.coords
    order = np.lexsort((targets, -pairs.data, sources))
    ranks = np.arange(len(order)) - offsets_of(np.bincount(sources, minlength=item_count))[sources[order]]
    kept = order[(ranks < per_item) & (pairs.data[order] > 0)]
    counts = np.bincount(sources[kept], minlength=item_count)
    return Links(offsets_of(counts), targets[kept].astype(np.int32), pairs.data[kept])


@compiled
def _find(links: Links, items: Ints, begin: Longs, end: Longs, found: Found) -> None:
    votes, candidates = np.zeros(len(links.offsets) - 1), np.empty(len(links.offsets) - 1, np.int32)
    for number in range(len(begin)):
        count, weight = 0, 1.0
        for place in range(end[number] - 1, begin[number] - 1, -1):
            for at in range(links.offsets[items[place]], links.offsets[items[place] + 1]):
                if votes[links.items[at]] == 0.0:
                    candidates[count] = links.items[at]
                    count += 1
                votes[links.items[at]] += weight * links.weights[at]
            weight *= FADE
        answer(candidates, votes, count, found.items[number], found.scores[number])
