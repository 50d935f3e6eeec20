"""Days as ranges of time."""

from datetime import date, datetime, timedelta

from clickstream_contracts.time_zones import day_start, time_zone

TimeRange = tuple[datetime, datetime]


def time_ranges(days: list[date], zone: str) -> list[TimeRange]:
    """Returns the days in a time zone as (start, end) with the end excluded; consecutive days become one range."""
    ranges: list[TimeRange] = []
    for day in sorted(days):
        # Not the start + 24 hours: a day on which clocks change has 23 or 25.
        start, end = (day_start(each, time_zone(zone)) for each in (day, day + timedelta(days=1)))
        if ranges and ranges[-1][1] == start:
            start = ranges.pop()[0]
        ranges.append((start, end))
    return ranges
