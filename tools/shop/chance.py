"""Chance that does not depend on who asked before: named streams, and numbers hashed from what they are about."""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tools.shop.rows import Floats, Ints


def stream(seed: int, *labels: int | str) -> Generator:
    """A random stream of its own for each seed and label, so that one new draw does not change all others."""
    return np.random.default_rng([seed, *(zlib.crc32(x.encode()) if isinstance(x, str) else x for x in labels)])


def draws(seed: int, label: str, count: int) -> Floats:
    """`count` numbers in [0, 1); a longer draw begins with the shorter one, so a bigger shop keeps its first customers."""
    return stream(seed, label).random(count)


def hashed(seed: int, *parts: Ints) -> Floats:
    """One number in [0, 1) for each combination of `parts`: the same at any time and in any order (splitmix64)."""
    state = np.full(np.broadcast(*parts).shape, seed, np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            state = (state ^ part.astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def pick(cumulative: Floats, at: Floats) -> Ints:
    """Indexes drawn by weight: `cumulative` are running sums of the weights, `at` numbers in [0, 1)."""
    found = np.searchsorted(cumulative, at * cumulative[-1], side="right")
    return np.asarray(np.minimum(found, len(cumulative) - 1), np.int64)


def choice(shares: Sequence[float] | NDArray[np.float64], at: Floats) -> Ints:
    """Indexes drawn by `shares`."""
    return pick(np.cumsum(np.asarray(shares, float)), at)
