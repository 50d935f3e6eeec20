"""The days of a nightly run: that of a time, and those of a range, which is recomputed by several runs, one after the other."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from clickstream_contracts.time_zones import time_zone

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def shop_day(moment: datetime, days_before: int = 0) -> str:
    """Returns the day of a moment in the shop's time zone, or one so many days before it."""
    local = moment.astimezone(time_zone(Settings.from_env().time_zone))
    return (local.date() - timedelta(days=days_before)).isoformat()


def is_full_audit(params: Mapping[str, Any], day: str) -> bool:
    """Returns whether a run of a day audits all days: always, never or on a day of the week, as the parameter `full_audit` says."""
    return params["full_audit"] in ("always", WEEKDAYS[date.fromisoformat(day).weekday()])


def run_day(params: Mapping[str, Any], last_day: str) -> str:
    """Returns the last day of a run: `last_day`, an earlier one if the parameter `first_day` begins a range that is too long for one.

    A range is cut into runs of `days_per_run` days. Raises ValueError for what is not a day, and for a range that ends before it begins.
    """
    end = date.fromisoformat(names.checked_day(last_day))
    if not params.get("first_day"):
        return end.isoformat()
    first = date.fromisoformat(names.checked_day(params["first_day"]))
    if first > end:
        raise ValueError(f"first_day {first} is after day {end}, the last one of the range: exchange them, or set an earlier first_day")
    return min(end, first + timedelta(days=int(params["days_per_run"]) - 1)).isoformat()


def next_first_day(params: Mapping[str, Any], last_day: str) -> str:
    """Returns the first day that the next run of a range recomputes; '' if this run is the last one, or there is no range."""
    done = run_day(params, last_day)
    if not params.get("first_day") or done == names.checked_day(last_day):
        return ""
    return (date.fromisoformat(done) + timedelta(days=1)).isoformat()
