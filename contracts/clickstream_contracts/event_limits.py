"""Checks an event against the limits of its contract before it is sent: what breaks one would only go to quarantine."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any, Final

from clickstream_contracts import schema
from clickstream_contracts.schema import Field
from clickstream_contracts.settings import Settings

MAX_TIMESTAMP_MS: Final = 253_402_300_799_999  # end of 9999-12-31, the last day that every reader of the lake can show
MAX_SHOWN: Final = 80
# Senders that compute with doubles write 19.990000000000002 for 19.99: what so many further decimals do not show is no part of a number.
NOISE_DECIMALS: Final = 4
DECIMAL: Final = re.compile(r"decimal\(([0-9]+),([0-9]+)\)")


@cache
def _fields() -> dict[str, Field]:
    return {field.name: field for field in schema.event().fields}


@dataclass(frozen=True)
class Problem:
    """A limit that an event breaks: `reason` has the field and the limit, `value` what the event has."""

    reason: str
    value: str


def earliest_ms(settings: Settings) -> int:
    """Returns the first valid event_time, in milliseconds since 1970."""
    return int(datetime.combine(date.fromisoformat(settings.event_earliest), time(), UTC).timestamp() * 1000)


@dataclass(frozen=True)
class EventLimits:
    """The contract's limits of each field, and the limits of event_time in milliseconds since 1970."""

    earliest: int
    latest: int

    @classmethod
    def at(cls, arrival_ms: int, settings: Settings) -> "EventLimits":
        """Returns the limits of events that arrive at a time (ms since 1970)."""
        return cls(earliest_ms(settings), min(arrival_ms + settings.event_future_minutes * 60_000, MAX_TIMESTAMP_MS))

    def problem(self, event: Mapping[str, Any]) -> Problem | None:
        """Returns the first limit that a field of the event breaks, None if the event is valid. Missing fields are no problem here."""
        fields = _fields()
        for name, value in event.items():
            if value is None:
                continue
            reason = broken_limit(fields[name], value)
            if reason is None and name == "event_time":
                reason = self._time_reason(value)
            if reason is not None:
                return Problem(f"{name}: {reason}", repr(value)[:MAX_SHOWN])
        return None

    def _time_reason(self, milliseconds: int) -> str | None:
        if milliseconds < self.earliest:
            return f"is before {datetime.fromtimestamp(self.earliest / 1000, UTC):%Y-%m-%d} (CLICKSTREAM_EVENT_EARLIEST)"
        if milliseconds > self.latest:
            return "is too far in the future (CLICKSTREAM_EVENT_FUTURE_MINUTES)"
        return None


def broken_limit(field: Field, value: Any) -> str | None:
    """Returns why a value is none of a field of an event or table, in the words of the quarantine; None if it is valid."""
    if field.type == "string":
        return _text_reason(field, value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    is_fraction = isinstance(value, float | Decimal) and math.isfinite(value)
    if not is_whole and (not is_fraction or field.type in ("int", "long", "timestamptz")):
        return f"is no {field.type}"
    return _range_reason(field, value) or _decimal_reason(field, value)


def _text_reason(field: Field, value: Any) -> str | None:
    if not isinstance(value, str):
        return "is no text"
    if not value and field.required:
        return "is empty"
    if field.choices and value not in field.choices:
        return "is none of its choices"
    if field.max_length is not None and len(value) > field.max_length:
        return f"is longer than {field.max_length}"
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        return "has half a character: an unpaired surrogate"
    return None


def _range_reason(field: Field, value: float | Decimal) -> str | None:
    """Returns why a number is outside the field's limits, in the words of the quarantine."""
    is_below = field.minimum is not None and value < field.minimum
    is_above = field.maximum is not None and value > field.maximum
    if not is_below and not is_above:
        return None
    return f"is below {field.minimum}" if field.maximum is None else f"is not from {field.minimum} to {field.maximum}"


def _decimal_reason(field: Field, value: float | Decimal) -> str | None:
    size = decimal_size(field.type)
    if size is None:
        return None
    digits, decimals = size
    if abs(value) >= 10**digits:
        return f"has more than {digits} digits"
    return more_decimals(decimals) if has_more_decimals(value, decimals) else None


def more_decimals(decimals: int) -> str:
    """Returns the reason of a number with more decimals than its column, in the words of the quarantine."""
    return f"has more than {decimals} decimals"


def has_more_decimals(value: float | Decimal, decimals: int) -> bool:
    """Returns whether a number would lose something but floating-point noise when it is rounded to so many decimals."""
    if value == round(value, decimals):
        return False
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return _rounded(exact, decimals + NOISE_DECIMALS) != _rounded(exact, decimals)


def _rounded(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


@cache
def decimal_size(type_: str) -> tuple[int, int] | None:
    """Returns the digits of a decimal before and after its point, None for other types."""
    match = DECIMAL.fullmatch(type_)
    return (int(match[1]) - int(match[2]), int(match[2])) if match else None
