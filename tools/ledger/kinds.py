"""The kinds of records that a sender declares, and where each one must end in the lake."""

import hashlib
from typing import Final

# In raw.clicks; `duplicate` repeats the event_id of one of the others.
GOOD: Final = ("prompt", "delayed", "late", "duplicate")
# In raw.quarantine, with this reason.
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
# From somebody's own file: the stream judges it, either table is right.
REPLAYED: Final = "replayed"

KINDS: Final = (*GOOD, *BROKEN, REPLAYED)
# The stream's random faults; a huge record is sent only on request.
RANDOM_FAULTS: Final = tuple(kind for kind in BROKEN if kind != "huge")


def code(kind: str) -> int:
    """The number of a kind in compact rows."""
    return KINDS.index(kind)


def digest(value: bytes | None) -> bytes:
    """A short fingerprint of a record's value."""
    return hashlib.blake2b(value or b"", digest_size=8).digest()
