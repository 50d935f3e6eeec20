"""The selection kernels give what sorting gives."""

import numpy as np
import pytest

from ray_apps.recommender.kernels import keep_highest, take_top


@pytest.mark.parametrize("limit", [1, 7, 40, 60])
@pytest.mark.parametrize("values", [5, 1000])
def test_selected_ids_are_the_highest_of_a_stable_sort(limit: int, values: int) -> None:
    generator = np.random.default_rng(limit)
    scores = np.zeros(200)
    ids = generator.permutation(200)[:50].astype(np.int32)
    # With few distinct values many scores are equal, and the first ids among equals must stay.
    scores[ids] = generator.integers(1, values, 50)
    order = np.argsort(-scores[ids], kind="stable")[:limit]
    expected_ids, expected_scores = ids[order], scores[ids][order]

    kept_ids, kept_values = ids.copy(), scores[ids]
    kept = keep_highest(kept_ids, kept_values, 50, limit)
    assert kept_ids[:kept].tolist() == [item for position, item in enumerate(ids) if position in set(order)]

    top_ids, top_scores = np.full(limit, -1, np.int32), np.zeros(limit)
    take_top(ids.copy(), scores, 50, top_ids, top_scores)
    assert top_ids[: len(expected_ids)].tolist() == expected_ids.tolist()
    assert top_scores[: len(expected_ids)].tolist() == expected_scores.tolist()
    assert (top_ids[len(expected_ids) :] == -1).all()
    assert not scores.any()
