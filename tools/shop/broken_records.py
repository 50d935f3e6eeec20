"""Makes a broken record out of a valid event, one way for each kind of `record_kinds.BROKEN`."""

from collections.abc import Callable
from typing import Any, Final

import orjson

Event = dict[str, Any]
HUGE_BYTES: Final = 5_000_000
YEAR_2100_MS: Final = 4_102_444_800_000


def _truncated(event: Event) -> bytes:
    return orjson.dumps(event)[:-7]


def _array(event: Event) -> bytes:
    return orjson.dumps([event["event_id"], event["event_type"]])


def _bad_utf8(event: Event) -> bytes:
    # The bad bytes are inside a string: a parser that replaces them would accept the record as valid JSON.
    return orjson.dumps(event | {"referrer": "@@"}).replace(b"@@", b"\xff\xfe")


def _no_value(event: Event) -> None:
    return None


def _year_1970(event: Event) -> bytes:
    return orjson.dumps(event | {"event_time": event["event_time"] % 1_000_000})


def _year_2100(event: Event) -> bytes:
    return orjson.dumps(event | {"event_time": event["event_time"] % 1_000_000 + YEAR_2100_MS})


def _with(**changes: Any) -> Callable[[Event], bytes]:
    return lambda event: orjson.dumps(event | changes)


def _without(name: str) -> Callable[[Event], bytes]:
    return lambda event: orjson.dumps({key: value for key, value in event.items() if key != name})


BREAKERS: Final[dict[str, Callable[[Event], bytes | None]]] = {
    "truncated": _truncated,
    "no_object": _array,
    "bad_utf8": _bad_utf8,
    "no_value": _no_value,
    "version_99": _with(schema_version=99),
    "no_session": _without("session_id"),
    "no_type": _without("event_type"),
    "price_is_text": _with(price="cheap"),
    "time_is_text": _with(event_time="yesterday"),
    "unknown_type": _with(event_type="teleport"),
    "negative_quantity": _with(quantity=-3),
    "year_1970": _year_1970,
    "year_2100": _year_2100,
    "huge": _with(search_query="x" * HUGE_BYTES),
}


def broken_value(kind: str, event: Event) -> bytes | None:
    """Returns the Kafka value of a broken record; None is a record without a value."""
    return BREAKERS[kind](event)
