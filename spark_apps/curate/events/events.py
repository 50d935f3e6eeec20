"""Computes curated.events of some days from raw.clicks: deduplicated, with the user and product versions valid at that time."""

from datetime import date
from pathlib import Path

from pyspark.sql import functions as F

from spark_apps.common.lake import Lake

SQL = Path(__file__).parent
TABLE = "curated.events"


def register_new_clicks(lake: Lake, lowest_start: int) -> None:
    """Register the view `new_clicks`: the clicks in the run's offset ranges, which begin at offset `lowest_start` or later."""
    lake.view(SQL / "new_clicks.sql", lowest_start=lowest_start).cache()


def new_click_days(lake: Lake) -> list[date]:
    """Returns the event days of the new clicks."""
    return lake.column(SQL / "new_click_days.sql")


def outdated_version_days(lake: Lake) -> list[date]:
    """Returns the published days with an event whose user or product version has changed since."""
    first_changed_day = lake.column(SQL / "first_changed_version_day.sql")
    if not first_changed_day:
        return []
    return lake.column(SQL / "outdated_version_days.sql", since=first_changed_day[0])


def write_events(lake: Lake, days: list[date]) -> list[date]:
    """Recompute the events of the days.

    Returns the further days that it recomputed: those of published events that an earlier arrival of the same event_id
    supersedes.
    """
    lake.view(SQL / "published_duplicates.sql", days=days).cache()
    superseded_days = lake.column(SQL / "superseded_days.sql")
    if superseded_days:
        days = sorted({*days, *superseded_days})
        lake.view(SQL / "published_duplicates.sql", days=days)
    lake.replace(TABLE, lake.sql(SQL / "events.sql", days=days), F.col("event_day").isin(days))
    return superseded_days
