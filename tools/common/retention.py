"""Which dated items are kept: the newest one of each of the newest days, ISO weeks and months that have one."""

from collections.abc import Mapping
from datetime import date


def newest_of_periods(days: Mapping[str, date], daily: int, weekly: int, monthly: int = 0) -> set[str]:
    """Returns the names to keep. `days`: the day of each name, in ascending order; of one period the last name is the newest."""
    kept: set[str] = set()
    for pattern, number in (("%Y%m%d", daily), ("%G%V", weekly), ("%Y%m", monthly)):
        newest = {day.strftime(pattern): name for name, day in days.items()}
        kept |= {newest[period] for period in sorted(newest, reverse=True)[:number]}
    return kept
