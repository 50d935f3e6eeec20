"""A small shop: visitors stay within a taste, look again at what they have seen, and favour some items."""

import numpy as np

from ray_apps.recommender.sessions import Sessions, offsets_of

ITEMS = 60


def visits(count: int, seed: int = 1, items: int = ITEMS, tastes: int = 6) -> list[list[int]]:
    """Sessions of 2 to 8 views, oldest first."""
    generator = np.random.default_rng(seed)
    each = items // tastes
    weights = 1 / np.arange(1, each + 1)
    found = []
    for _ in range(count):
        taste, length = generator.integers(tastes), generator.integers(2, 9)
        found.append((taste * each + generator.choice(each, length, p=weights / weights.sum())).tolist())
    return found


def sessions(lists: list[list[int]]) -> Sessions:
    """Lists of item numbers as arrays."""
    return Sessions(offsets_of(np.array([len(one) for one in lists])), np.array([item for one in lists for item in one], np.int32))
