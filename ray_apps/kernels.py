"""Loops that NumPy has no word for, compiled: choosing the best of many, and finding a query's items."""

import numpy as np
from numba import njit

from ray_apps.sessions import Floats, Ints, Longs


@njit(nogil=True)
def keep_best(ids: Ints, values: Floats, count: int, limit: int) -> int:
    """Move the `limit` highest of the first `count` values and their ids to the front; among equals the first stay.

    The order of appearance remains. Returns how many were kept.
    """
    if count <= limit:
        return count
    bar = np.partition(values[:count], count - limit)[count - limit]
    equals = limit - np.sum(values[:count] > bar)
    kept = 0
    for at in range(count):
        if values[at] < bar or (values[at] == bar and equals == 0):
            continue
        equals -= values[at] == bar
        ids[kept], values[kept] = ids[at], values[at]
        kept += 1
    return kept


@njit(nogil=True)
def answer(ids: Ints, scores: Floats, count: int, found: Ints, found_scores: Floats) -> None:
    """Write the best of the first `count` ids into `found`, highest first, and set their scores back to zero."""
    values = np.empty(count)
    for at in range(count):
        values[at] = scores[ids[at]]
        scores[ids[at]] = 0.0
    kept = keep_best(ids, values, count, len(found))
    order = np.argsort(-values[:kept], kind="mergesort")
    for place in range(kept):
        found[place], found_scores[place] = ids[order[place]], values[order[place]]


@njit(nogil=True)
def mark_steps(query: Ints, steps: Longs) -> None:
    """Write how many steps from the end each item was seen last: 1 for the last view, 2 for the one before."""
    for place in range(len(query)):
        steps[query[place]] = len(query) - place


@njit(nogil=True)
def unmark_steps(query: Ints, steps: Longs) -> None:
    """Undo `mark_steps`."""
    for place in range(len(query)):
        steps[query[place]] = 0
