"""Ranking metrics per query, and a lower bound for the difference of two methods."""

import numpy as np
from numpy.typing import NDArray

from ray_apps.recommender.sessions import Floats, Ints, Longs

TOP = 20
METRICS = ("hr20", "mrr20")


def label_ranks(lists: Ints, labels: Ints) -> Longs:
    """The rank of each query's label in its list, 1 being the best; 0 where it is not in the list or unknown (-1)."""
    hits = (lists == labels[:, None]) & (labels[:, None] >= 0)
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0).astype(np.int64)


def per_query(ranks: NDArray[np.integer]) -> dict[str, Floats]:
    """HR@20 (0 or 1) and the reciprocal rank (1 / rank, 0 beyond the 20th) of each query."""
    hit = (ranks > 0) & (ranks <= TOP)
    return {"hr20": hit.astype(float), "mrr20": np.where(hit, 1 / np.maximum(ranks, 1), 0.0)}


def summary(values: dict[str, Floats]) -> dict[str, float]:
    """The means over all queries, in percent."""
    return {metric: round(100 * float(np.mean(per_query)), 2) for metric, per_query in values.items()}


def lower_bound(differences: Floats, groups: Longs, seed: int, draws: int = 1000, level: float = 0.95) -> float:
    """The value that the mean of paired differences exceeds with probability `level`, by the bootstrap.

    The queries of one session depend on each other, so sessions (`groups`) are drawn with replacement, each with all its
    queries (Field and Welsh, "Bootstrapping clustered data", 2007). A NaN among the differences gives NaN.
    """
    _, group_numbers = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(group_numbers, weights=differences), np.bincount(group_numbers)
    generator = np.random.default_rng(seed)
    samples = (generator.integers(len(sums), size=len(sums)) for _ in range(draws))
    means = [sums[sample].sum() / counts[sample].sum() for sample in samples]
    return float(np.quantile(means, 1 - level))
