"""Sessions of a small synthetic shop: each visitor views items of one group, popular ones more often, and some of them again."""

import numpy as np

from ray_apps.recommender.sessions import Sessions, offsets_of

ITEMS = 60


def visits(count: int, seed: int = 1, items: int = ITEMS, tastes: int = 6) -> list[list[int]]:
    """Sessions of 2 to 8 views, oldest first. The items are divided into `tastes` groups of equal size."""
    generator = np.random.default_rng(seed)
    group_size = items // tastes
    weights = 1 / np.arange(1, group_size + 1)
    sessions = []
    for _ in range(count):
        taste, length = generator.integers(tastes), generator.integers(2, 9)
        sessions.append((taste * group_size + generator.choice(group_size, length, p=weights / weights.sum())).tolist())
    return sessions


def sessions(lists: list[list[int]]) -> Sessions:
    """Lists of item numbers as arrays."""
    lengths = np.array([len(session) for session in lists])
    return Sessions(offsets_of(lengths), np.array([item for session in lists for item in session], np.int32))
