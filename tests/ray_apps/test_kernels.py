"""Choosing the best is sorting and cutting."""

import numpy as np
import pytest

from ray_apps.recommender.kernels import answer, keep_best


@pytest.mark.parametrize("limit", [1, 7, 40, 60])
@pytest.mark.parametrize("values", [5, 1000])
def test_the_best_are_those_that_sorting_would_find(limit: int, values: int) -> None:
    generator = np.random.default_rng(limit)
    scores = np.zeros(200)
    ids = generator.permutation(200)[:50].astype(np.int32)
    # Few values: many are equal, and the first of them must stay.
    scores[ids] = generator.integers(1, values, 50)
    order = np.argsort(-scores[ids], kind="stable")[:limit]
    wanted, wanted_scores = ids[order], scores[ids][order]

    kept_ids, kept_values = ids.copy(), scores[ids]
    kept = keep_best(kept_ids, kept_values, 50, limit)
    assert kept_ids[:kept].tolist() == [one for place, one in enumerate(ids) if place in set(order)]

    found, found_scores = np.full(limit, -1, np.int32), np.zeros(limit)
    answer(ids.copy(), scores, 50, found, found_scores)
    assert found[: len(wanted)].tolist() == wanted.tolist()
    assert found_scores[: len(wanted)].tolist() == wanted_scores.tolist()
    assert (found[len(wanted) :] == -1).all()
    assert not scores.any()
