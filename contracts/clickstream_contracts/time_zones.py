"""Time zones by their names in the IANA database."""

from datetime import UTC, date, datetime, time, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def time_zone(name: str) -> tzinfo:
    """Returns the zone of a name like Europe/Berlin. Raises ValueError for any other text."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ValueError(f"unknown time zone {name!r}: use a name like Europe/Berlin, or UTC") from None


def day_start(day: date, zone: tzinfo) -> datetime:
    """Returns the first instant of a day in a zone, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
