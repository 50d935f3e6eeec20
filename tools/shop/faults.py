"""Faults of records: late, out of order, duplicated, broken. Each fault is a kind of `record_kinds`."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tools.ledger.record_kinds import RANDOM_FAULTS, kind_code
from tools.shop.rows import Ints, Rows

# Ranges of the delay in ms.
OUT_OF_ORDER_MS = (0, 60_000)
DUPLICATE_MS = (0, 300_000)
LATE_MS = (1_800_000, 129_600_000)


@dataclass(frozen=True)
class Faults:
    """Shares of the good events that are duplicated, broken, late or out of order; `huge` is a number of records for each window."""

    duplicates: float = 0.001
    broken: float = 0.001
    late: float = 0.002
    out_of_order: float = 0.05
    huge: int = 0


def apply(rows: Rows, faults: Faults, rng: Generator) -> Rows:
    """Returns `rows` with ids, arrival times and kinds, followed by duplicates and broken records."""
    rows["id"] = _ids(len(rows), rng)
    rows["arrival"] = rows["time"]
    _delay(rows, "delayed", faults.out_of_order, OUT_OF_ORDER_MS, rng)
    _delay(rows, "late", faults.late, LATE_MS, rng)
    duplicates = rows[_sample(len(rows), faults.duplicates, rng)].copy()
    duplicates["kind"] = kind_code("duplicate")
    duplicates["arrival"] += rng.integers(*DUPLICATE_MS, len(duplicates))
    return np.concatenate([rows, duplicates, _broken(rows, faults, rng)])


def _ids(count: int, rng: Generator) -> NDArray[np.uint64]:
    return np.frombuffer(rng.bytes(16 * count), "u8").reshape(count, 2)


def _sample(count: int, share: float, rng: Generator) -> Ints:
    return np.flatnonzero(rng.random(count) < share)


def _delay(rows: Rows, kind: str, share: float, range_ms: tuple[int, int], rng: Generator) -> None:
    """Give a share of the rows a kind and an arrival after their time."""
    chosen = _sample(len(rows), share, rng)
    rows["kind"][chosen] = kind_code(kind)
    rows["arrival"][chosen] = rows["time"][chosen] + rng.integers(*range_ms, len(chosen))


def _broken(rows: Rows, faults: Faults, rng: Generator) -> Rows:
    """Returns broken records: copies of good ones with ids of their own and a random kind of fault."""
    chosen = _sample(len(rows), faults.broken, rng)
    huge = rng.integers(0, len(rows), faults.huge) if len(rows) else chosen[:0]
    broken = rows[np.concatenate([chosen, huge])].copy()
    kinds = np.array([kind_code(kind) for kind in RANDOM_FAULTS])
    broken["kind"] = np.concatenate([rng.choice(kinds, len(chosen)), np.full(len(huge), kind_code("huge"))])
    broken["id"] = _ids(len(broken), rng)
    broken["arrival"] = broken["time"]
    return np.asarray(broken)
