"""Compiled loops that the retrievers share: selecting the highest scores, and the positions of a query's items.

They replace `np.partition` and `np.argsort`, which take Numba several seconds to compile in each process.
"""

import numpy as np

from ray_apps.recommender.compiled import compiled
from ray_apps.recommender.sessions import Floats, Ints, Longs


@compiled
def keep_highest(ids: Ints, values: Floats, count: int, limit: int) -> int:
    """Move the `limit` highest of the first `count` values, with their ids, to the front; among equals the first ones stay.

    The order of the kept ones does not change. Returns how many were kept.
    """
    if count <= limit:
        return count
    threshold = _value_at_rank(values[:count].copy(), limit - 1)
    equals_left = limit - np.sum(values[:count] > threshold)
    kept = 0
    for position in range(count):
        if values[position] < threshold:
            continue
        if values[position] == threshold:
            if equals_left == 0:
                continue
            equals_left -= 1
        ids[kept], values[kept] = ids[position], values[position]
        kept += 1
    return kept


@compiled
def _value_at_rank(values: Floats, rank: int) -> float:
    """The value at `rank` (0 is the highest) of the values in descending order, by Hoare's quickselect; reorders `values`."""
    low, high = 0, len(values) - 1
    while low < high:
        pivot, left, right = values[(low + high) // 2], low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left, right = left + 1, right - 1
        if right < rank < left:
            break
        if rank <= right:
            high = right
        else:
            low = left
    return float(values[rank])


@compiled
def take_top(ids: Ints, scores: Floats, count: int, top_ids: Ints, top_scores: Floats) -> None:
    """Write the highest-scored of the first `count` ids into `top_ids`, best first, and reset the scores of all to zero.

    `scores` is indexed by id; `top_ids` and `top_scores` have as many places as ids are wanted and are filled from the front.
    """
    values = np.empty(count)
    for position in range(count):
        values[position] = scores[ids[position]]
        scores[ids[position]] = 0.0
    kept = keep_highest(ids, values, count, len(top_ids))
    for position in range(kept):
        rank = position
        while rank > 0 and top_scores[rank - 1] < values[position]:
            top_ids[rank], top_scores[rank] = top_ids[rank - 1], top_scores[rank - 1]
            rank -= 1
        top_ids[rank], top_scores[rank] = ids[position], values[position]


@compiled
def mark_steps(query: Ints, steps: Longs) -> None:
    """Write for each item of the query how many steps from the end it was viewed last: 1 for the last view.

    `steps` is indexed by item and holds zeros before.
    """
    for position in range(len(query)):
        steps[query[position]] = len(query) - position


@compiled
def clear_steps(query: Ints, steps: Longs) -> None:
    """Reset what `mark_steps` wrote to zero."""
    for position in range(len(query)):
        steps[query[position]] = 0
