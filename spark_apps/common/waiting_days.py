"""Days whose events carry outdated versions of users or products and wait for a later run, as a property of curated.events.

A correction of an old version can concern a year. A run recomputes a part of these days, the newest first.
"""

from datetime import date

from spark_apps.common.lake import Lake

TABLE = "curated.events"
PROPERTY = "clickstream.days-with-outdated-versions"
# How many of these days a run recomputes, if the argument names no other number.
DAYS_PER_RUN = 31


def published(lake: Lake) -> list[date]:
    """Returns the days that wait after the published runs, sorted."""
    return _days(lake, lake.catalog.published(TABLE))


def of_branch(lake: Lake) -> list[date]:
    """Returns the days that wait after this run, sorted."""
    return _days(lake, lake.catalog.name(TABLE))


def record(lake: Lake, days: list[date]) -> None:
    """Write the days that wait after this run to its branch."""
    if days != of_branch(lake):
        text = ",".join(map(str, days))
        lake.spark.sql(f"ALTER TABLE {lake.catalog.name(TABLE)} SET TBLPROPERTIES ('{PROPERTY}' = '{text}')")


def _days(lake: Lake, name: str) -> list[date]:
    text = lake.properties(name).get(PROPERTY, "")
    return sorted(date.fromisoformat(day) for day in text.split(",") if day)
