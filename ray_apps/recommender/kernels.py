"""Loops that NumPy has no word for, compiled: choosing the best of many, and finding a query's items.

Numba takes seconds to compile its `np.partition` and `np.argsort`, in each process; these loops take a fraction of that.
"""

import numpy as np

from ray_apps.recommender.compiled import compiled
from ray_apps.recommender.sessions import Floats, Ints, Longs


@compiled
def keep_best(ids: Ints, values: Floats, count: int, limit: int) -> int:
    """Move the `limit` highest of the first `count` values and their ids to the front; among equals the first stay.

    The order of appearance remains. Returns how many were kept.
    """
    if count <= limit:
        return count
    bar = _place(values[:count].copy(), limit - 1)
    equals = limit - np.sum(values[:count] > bar)
    kept = 0
    for at in range(count):
        if values[at] < bar or (values[at] == bar and equals == 0):
            continue
        equals -= values[at] == bar
        ids[kept], values[kept] = ids[at], values[at]
        kept += 1
    return kept


@compiled
def _place(values: Floats, place: int) -> float:
    """The value that would stand at `place` if they were sorted, the highest first; by Hoare's quickselect, which reorders them."""
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
        if right < place < left:
            break
        low, high = (low, right) if place <= right else (left, high)
    return float(values[place])


@compiled
def answer(ids: Ints, scores: Floats, count: int, found: Ints, found_scores: Floats) -> None:
    """Write the best of the first `count` ids into `found`, highest first, and set their scores back to zero."""
    values = np.empty(count)
    for at in range(count):
        values[at] = scores[ids[at]]
        scores[ids[at]] = 0.0
    kept = keep_best(ids, values, count, len(found))
    for at in range(kept):
        place = at
        while place > 0 and found_scores[place - 1] < values[at]:
            found[place], found_scores[place] = found[place - 1], found_scores[place - 1]
            place -= 1
        found[place], found_scores[place] = ids[at], values[at]


@compiled
def mark_steps(query: Ints, steps: Longs) -> None:
    """Write how many steps from the end each item was seen last: 1 for the last view, 2 for the one before."""
    for place in range(len(query)):
        steps[query[place]] = len(query) - place


@compiled
def unmark_steps(query: Ints, steps: Longs) -> None:
    """Undo `mark_steps`."""
    for place in range(len(query)):
        steps[query[place]] = 0
