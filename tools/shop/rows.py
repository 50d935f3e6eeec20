"""The compact form of an event while it is made: one numpy record; text appears only when it is encoded."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clickstream_contracts import schema

TYPES: Final = schema.event().field("event_type").choices

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Rows = NDArray[np.void]

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
    """The number of an event type; the contract knows which there are."""
    return TYPES.index(name)


def empty() -> Rows:
    """No rows."""
    return np.zeros(0, ROW)
