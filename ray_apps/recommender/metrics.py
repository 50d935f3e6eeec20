"""How good a ranking is, per query, and how sure one can be of a difference between two."""

import numpy as np
from numpy.typing import NDArray

from ray_apps.recommender.sessions import Floats, Ints, Longs

TOP = 20
METRICS = ("hr20", "mrr20")


def ranks(found: Ints, labels: Ints) -> Longs:
    """The place of each query's label in its list, 1 being the first; 0 where it is missing or unknown (-1)."""
    hits = (found == labels[:, None]) & (labels[:, None] >= 0)
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0).astype(np.int64)


def per_query(places: NDArray[np.integer]) -> dict[str, Floats]:
    """Each query's share of HR@20 (0 or 1) and of MRR@20 (1 / place, 0 beyond the 20th)."""
    hit = (places > 0) & (places <= TOP)
    return {"hr20": hit.astype(float), "mrr20": np.where(hit, 1 / np.maximum(places, 1), 0.0)}


def summary(values: dict[str, Floats]) -> dict[str, float]:
    """The means over queries, in percent."""
    return {name: round(100 * float(np.mean(one)), 2) for name, one in values.items()}


def lower_bound(differences: Floats, groups: Longs, seed: int, draws: int = 1000, level: float = 0.95) -> float:
    """The value that the mean of paired differences exceeds with probability `level`, by the bootstrap.

    Queries of one session are alike, so sessions (`groups`) are drawn with replacement, each with all its queries
    (Field and Welsh, "Bootstrapping clustered data", 2007). NaN in, NaN out.
    """
    _, place = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(place, weights=differences), np.bincount(place)
    generator = np.random.default_rng(seed)
    drawn = (generator.integers(len(sums), size=len(sums)) for _ in range(draws))
    means = [sums[one].sum() / counts[one].sum() for one in drawn]
    return float(np.quantile(means, 1 - level))
