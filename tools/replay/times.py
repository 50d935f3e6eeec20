"""Reads the times of a file: ISO 8601, compact dates, seconds to nanoseconds since 1970, or a strptime pattern."""

import re
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal
from typing import Any, Final

from tools.replay.numbers import exact

# How a time may be written in a file, beside a strptime pattern. `auto` decides for each value.
TIME_FORMATS: Final = ("auto", "iso", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns")
# How many milliseconds one unit is.
UNITS: Final = {"epoch_s": Decimal(1000), "epoch_ms": Decimal(1), "epoch_us": Decimal("1e-3"), "epoch_ns": Decimal("1e-6")}
# A number below the limit has the unit. In milliseconds all four limits are the same moment, in the year 5138.
UNIT_LIMITS: Final = (("epoch_s", Decimal(10) ** 11), ("epoch_ms", Decimal(10) ** 14), ("epoch_us", Decimal(10) ** 17))
NANOSECOND_LIMIT: Final = Decimal(10) ** 20
# A date written without separators; as seconds or milliseconds since 1970 each of these would be a time before 2000.
COMPACT: Final = re.compile(r"(19|20|21)[0-9]{6}([0-9]{4}|[0-9]{6}|[0-9]{9})?")
COMPACT_PATTERNS: Final = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
WHOLE_SECONDS: Final = 14  # digits; three more are milliseconds
# `09:00:00 UTC`, `09:00:00 -0500` and Java's `09:00:00Z[UTC]` are read like `09:00:00Z` and `09:00:00-0500`.
ZONE_NAME: Final = re.compile(r"\s*(UTC|GMT|Z)$")
ZONE_REGION: Final = re.compile(r"\[[A-Za-z_/+-]+\]$")
SPACED_OFFSET: Final = re.compile(r"\s+([+-][0-9]{2}:?[0-9]{2})$")


def milliseconds(value: Any, time_format: str = "auto", zone: tzinfo = UTC) -> int:
    """Returns a time in milliseconds since 1970; what is smaller is cut off.

    zone: of a time that names none; numbers since 1970 are always in UTC. Raises ValueError, TypeError or OverflowError for what is
    no time in this format.
    """
    if isinstance(value, datetime):
        return _epoch_ms(value, zone)
    if isinstance(value, date):
        return _epoch_ms(datetime.combine(value, time()), zone)
    if time_format == "auto":
        return _detect(value, zone)
    if time_format == "iso":
        return _epoch_ms(_iso(str(value).strip()), zone)
    if time_format in UNITS:
        return _from_epoch(exact(value), time_format)
    return _epoch_ms(datetime.strptime(str(value).strip(), time_format), zone)


def _detect(value: Any, zone: tzinfo) -> int:
    """Returns the time of a value whose format is not named: a date without separators, a number by its size, or ISO 8601."""
    digits = str(value).strip()
    if digits[4:5] == "-" and digits[:4].isdigit():
        return _epoch_ms(_iso(digits), zone)
    if not isinstance(value, float) and COMPACT.fullmatch(digits):
        seconds, thousandths = digits[:WHOLE_SECONDS], int(digits[WHOLE_SECONDS:] or 0)
        return _epoch_ms(datetime.strptime(seconds, COMPACT_PATTERNS[len(seconds)]), zone) + thousandths
    try:
        moment = exact(value)
    except ValueError:
        return _epoch_ms(_iso(digits), zone)
    return _from_epoch(moment, _unit(moment))


def _unit(moment: Decimal) -> str:
    """Returns the unit of a number since 1970 by its size. Raises ValueError if it is too large for all units."""
    if abs(moment) >= NANOSECOND_LIMIT:
        raise ValueError("too large for nanoseconds since 1970")
    return next((unit for unit, limit in UNIT_LIMITS if abs(moment) < limit), "epoch_ns")


def _from_epoch(moment: Decimal, unit: str) -> int:
    if abs(moment) >= NANOSECOND_LIMIT:
        raise ValueError("too large for a time")
    return int(moment * UNITS[unit] // 1)


def _iso(text: str) -> datetime:
    """Returns the time of a text in ISO 8601, also with a zone after a space."""
    text = ZONE_NAME.sub("+00:00", ZONE_REGION.sub("", text))
    try:
        return datetime.fromisoformat(SPACED_OFFSET.sub(r"\1", text))
    except ValueError:
        raise ValueError('name its pattern in the mapping, for example `time: "%d.%m.%Y %H:%M"`') from None


def _epoch_ms(moment: datetime, zone: tzinfo) -> int:
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    since_1970 = zoned - datetime(1970, 1, 1, tzinfo=UTC)
    return since_1970.days * 86_400_000 + since_1970.seconds * 1000 + since_1970.microseconds // 1000
