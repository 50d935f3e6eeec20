"""Days as ranges of time."""

from datetime import UTC, date, datetime, time, timedelta

TimeRange = tuple[datetime, datetime]


def time_ranges(days: list[date]) -> list[TimeRange]:
    """Returns the UTC days as (start, end) with the end excluded; consecutive days become one range."""
    ranges: list[TimeRange] = []
    for day in sorted(days):
        start = datetime.combine(day, time(), UTC)
        end = start + timedelta(days=1)
        if ranges and ranges[-1][1] == start:
            start = ranges.pop()[0]
        ranges.append((start, end))
    return ranges
