"""The kinds of records that a sender declares in the ledger, and the table where each kind must end."""

import hashlib
from typing import Final

# Expected in raw.clicks. `delayed` arrives out of order, `late` behind the watermark, `duplicate` repeats the event_id of another one.
GOOD: Final = ("on_time", "delayed", "late", "duplicate")
# Expected in raw.quarantine, with this reason.
BROKEN: Final = {
    "truncated": "not_json",
    "no_object": "not_json",
    "bad_utf8": "not_json",
    "no_value": "not_json",
    "version_99": "unknown_version",
    "no_session": "missing_field",
    "no_type": "missing_field",
    "price_is_text": "bad_type",
    "time_is_text": "bad_type",
    "unknown_type": "bad_value",
    "negative_quantity": "bad_value",
    "year_1970": "time_out_of_range",
    "year_2100": "time_out_of_range",
    "huge": "too_large",
}
# From a user's own file: the stream validates it, so either table is right.
REPLAYED: Final = "replayed"

KINDS: Final = (*GOOD, *BROKEN, REPLAYED)
# Kinds that the shop makes at random; huge records are sent on request only.
RANDOM_FAULTS: Final = tuple(kind for kind in BROKEN if kind != "huge")


def kind_code(kind: str) -> int:
    """Returns the number of a kind in the shop's numpy rows."""
    return KINDS.index(kind)


def digest(value: bytes | None) -> bytes:
    """Returns 8 bytes that identify the value of a record."""
    return hashlib.blake2b(value or b"", digest_size=8).digest()
