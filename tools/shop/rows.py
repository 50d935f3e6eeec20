"""The compact form of events in the simulator: numpy records. They become JSON only when they are sent."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clickstream_contracts import schema

TYPES: Final = schema.event().field("event_type").choices

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.void]

# time, arrival: ms since 1970. kind: tools.ledger.record_kinds. type: event type. place: index of calibration.PLACES.
# person, device, address, payment: numbers that the encoder turns into ids. label: a packed attack label, 0 for none.
# product, coupon, query, referrer: -1 for none. order: 0 for none.
ROW = np.dtype(
    [
        ("id", "u8", 2),
        ("time", "i8"),
        ("arrival", "i8"),
        ("kind", "u1"),
        ("type", "u1"),
        ("product", "i4"),
        ("quantity", "i2"),
        ("cents", "i8"),
        ("person", "i4"),
        ("signed_in", "?"),
        ("session", "u8"),
        ("device", "i4"),
        ("address", "i4"),
        ("place", "u1"),
        ("order", "u8"),
        ("payment", "u4"),
        ("coupon", "i1"),
        ("query", "i2"),
        ("referrer", "i1"),
        ("label", "u8"),
    ]
)


def type_code(name: str) -> int:
    """Returns the number of an event type: its position in the contract's list."""
    return TYPES.index(name)


def empty() -> Rows:
    """Returns an array without rows."""
    return np.zeros(0, ROW)
