"""What goes wrong on the way: late, out of order, twice, broken. Each fault is a kind that the ledger knows."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tools.ledger.record_kinds import RANDOM_FAULTS, kind_code
from tools.shop.rows import Ints, Rows

OUT_OF_ORDER_MS = 60_000
REPEATED_WITHIN_MS = 300_000
LATE_HOURS = (0.5, 36.0)


@dataclass(frozen=True)
class Faults:
    """Shares of the good events; `huge` is a number of records for each window."""

    duplicates: float = 0.001
    broken: float = 0.001
    late: float = 0.002
    out_of_order: float = 0.05
    huge: int = 0


def apply(rows: Rows, faults: Faults, rng: Generator) -> Rows:
    """`rows` with ids, arrival times and kinds, plus repeated and broken records."""
    rows["id"] = _ids(len(rows), rng)
    rows["arrival"] = rows["time"]
    _delay(rows, "delayed", faults.out_of_order, (0, OUT_OF_ORDER_MS), rng)
    _delay(rows, "late", faults.late, tuple(int(h * 3_600_000) for h in LATE_HOURS), rng)
    repeated = rows[_some(len(rows), faults.duplicates, rng)].copy()
    repeated["kind"] = kind_code("duplicate")
    repeated["arrival"] += rng.integers(0, REPEATED_WITHIN_MS, len(repeated))
    return np.concatenate([rows, repeated, _broken(rows, faults, rng)])


def _ids(count: int, rng: Generator) -> NDArray[np.uint64]:
    return np.frombuffer(rng.bytes(16 * count), "u8").reshape(count, 2)


def _some(count: int, share: float, rng: Generator) -> Ints:
    return np.flatnonzero(rng.random(count) < share)


def _delay(rows: Rows, kind: str, share: float, between: tuple[int, ...], rng: Generator) -> None:
    chosen = _some(len(rows), share, rng)
    rows["kind"][chosen] = kind_code(kind)
    rows["arrival"][chosen] = rows["time"][chosen] + rng.integers(between[0], between[1], len(chosen))


def _broken(rows: Rows, faults: Faults, rng: Generator) -> Rows:
    """Records that were never good: shaped like a good one, with an id of their own."""
    chosen = _some(len(rows), faults.broken, rng)
    huge = rng.integers(0, len(rows), faults.huge) if len(rows) else chosen[:0]
    broken = rows[np.concatenate([chosen, huge])].copy()
    kinds = np.array([kind_code(kind) for kind in RANDOM_FAULTS])
    broken["kind"] = np.concatenate([rng.choice(kinds, len(chosen)), np.full(len(huge), kind_code("huge"))])
    broken["id"] = _ids(len(broken), rng)
    broken["arrival"] = broken["time"]
    return np.asarray(broken)
