"""Sets of Kafka offsets as sorted ranges that do not overlap."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

# First offset, and the offset after the last one.
Range = tuple[int, int]
# By partition.
Ranges = dict[int, list[Range]]


def ranges_of(offsets: NDArray[np.int64]) -> list[Range]:
    """Returns the ranges of offsets in any order; an offset that occurs several times counts once."""
    if not len(offsets):
        return []
    distinct = np.unique(offsets)
    ends = np.flatnonzero(np.diff(distinct) != 1) + 1
    bounds = [0, *ends.tolist(), len(distinct)]
    return [(int(distinct[first]), int(distinct[end - 1]) + 1) for first, end in pairwise(bounds)]


def union(ranges: Iterable[Range]) -> list[Range]:
    """Returns ranges that may overlap as ranges that do not."""
    merged: list[Range] = []
    for first, end in sorted(ranges):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((first, end))
    return merged


def of_partitions(partitions: NDArray[np.int64], offsets: NDArray[np.int64]) -> Ranges:
    """Returns the ranges of offsets by the partition of each."""
    return {int(partition): ranges_of(offsets[partitions == partition]) for partition in np.unique(partitions)}


def union_of_partitions(parts: Iterable[Ranges]) -> Ranges:
    """Returns the offsets that are in any of the parts."""
    ranges = list(parts)
    partitions = sorted({partition for each in ranges for partition in each})
    return {partition: union(found for each in ranges for found in each.get(partition, [])) for partition in partitions}


def missing(ranges: Iterable[Range], first: int, end: int) -> list[Range]:
    """Returns the ranges from `first` to before `end` that are not in `ranges`."""
    gaps, position = [], first
    for range_first, range_end in union(ranges):
        if range_first > position:
            gaps.append((position, min(range_first, end)))
        position = max(position, range_end)
        if position >= end:
            break
    if position < end:
        gaps.append((position, end))
    return [(gap_first, gap_end) for gap_first, gap_end in gaps if gap_first < gap_end]


def count(ranges: Iterable[Range]) -> int:
    """Returns the number of offsets in ranges that do not overlap."""
    return sum(end - first for first, end in ranges)
