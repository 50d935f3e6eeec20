"""Random numbers that do not depend on the order of the calls: named random streams, and hashes of what a number is about."""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tools.shop.rows import Floats, Ints


def stream(seed: int, *labels: int | str) -> Generator:
    """Returns a random stream for a seed and labels; a new stream does not change the numbers of the others."""
    label_numbers = [zlib.crc32(label.encode()) if isinstance(label, str) else label for label in labels]
    return np.random.default_rng([seed, *label_numbers])


def draws(seed: int, label: str, count: int) -> Floats:
    """Returns `count` numbers in [0, 1). A longer result begins with the shorter one: a larger shop keeps its first customers."""
    return stream(seed, label).random(count)


def hashed(seed: int, *parts: Ints) -> Floats:
    """Returns one number in [0, 1) for each combination of `parts`, the same in every call (splitmix64)."""
    state = np.full(np.broadcast(*parts).shape, seed, np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            state = (state ^ part.astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def pick(cumulative: Floats, uniform: Floats) -> Ints:
    """Returns indexes drawn by weight: `cumulative` holds running sums of the weights, `uniform` numbers in [0, 1)."""
    indexes = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    return np.asarray(np.minimum(indexes, len(cumulative) - 1), np.int64)


def choice(weights: Sequence[float] | NDArray[np.float64], uniform: Floats) -> Ints:
    """Returns indexes drawn by `weights` from numbers in [0, 1)."""
    return pick(np.cumsum(np.asarray(weights, float)), uniform)
