"""Computes curated.events of some days from the published events and the new clicks, without duplicates and with valid versions."""

from datetime import date
from pathlib import Path

from pyspark.sql import functions as F

from clickstream_contracts import names
from clickstream_contracts.schema import tables
from spark_apps.common import waiting_days
from spark_apps.common.days import time_ranges
from spark_apps.common.lake import Lake

SQL = Path(__file__).parent
TABLE = "curated.events"
# A day with few events or none is suspicious if it usually has this many.
ENOUGH_EVENTS = 100


def register_new_clicks(lake: Lake, lowest_start: int) -> None:
    """Register the view `new_clicks`: the clicks in the run's offset ranges, which begin at offset `lowest_start` or later."""
    lake.view(SQL / "new_clicks.sql", lowest_start=lowest_start).cache()


def register_arrived_clicks(lake: Lake, lowest_start: int, rebuilt_days: list[date]) -> None:
    """Register the view `arrived_clicks`: the new clicks with all their columns, and all clicks of the days to rebuild."""
    columns = click_columns()
    lake.view(
        SQL / "arrived_clicks.sql",
        click_columns=columns,
        lowest_start=lowest_start,
        rebuilt_ranges=time_ranges(rebuilt_days, lake.time_zone),
    )


def click_columns() -> list[str]:
    """Returns the columns of raw.clicks, all of which curated.events has too."""
    return [field.name for field in tables()["raw.clicks"].fields]


def new_click_days(lake: Lake) -> list[date]:
    """Returns the event days of the new clicks."""
    return lake.column(SQL / "new_click_days.sql")


def all_days(lake: Lake) -> list[date]:
    """Returns the days of all published events, in the time zone in which they were published and in that of the setting."""
    return lake.column(SQL / "all_days.sql")


def outdated_version_days(lake: Lake) -> list[date]:
    """Returns the published days with an event whose user or product version has changed since, or before and no run has done yet."""
    waiting = waiting_days.published(lake)
    first_changed_day = lake.column(SQL / "first_changed_version_day.sql")
    if not first_changed_day:
        return waiting
    [(since_time, _)] = time_ranges(first_changed_day, lake.time_zone)
    return sorted({*waiting, *lake.column(SQL / "outdated_version_days.sql", since=first_changed_day[0], since_time=since_time)})


def erased_days(lake: Lake) -> list[date]:
    """Returns the days of which rows were erased since the last published run: sessions, orders and marts still count these rows."""
    recorded = lake.properties(lake.catalog.published(TABLE)).get(names.ERASED_DAYS_PROPERTY, "")
    return [date.fromisoformat(text) for text in recorded.split(",") if text]


def clear_erased_days(lake: Lake) -> None:
    """Record on the run's branch that the erased days are computed again."""
    lake.spark.sql(f"ALTER TABLE {lake.catalog.name(TABLE)} SET TBLPROPERTIES ('{names.ERASED_DAYS_PROPERTY}' = '')")


def quiet_day(lake: Lake, day: date) -> dict[str, str]:
    """Returns the published `events` of the day and the `usual_events`, if these are far more (see quiet_day.sql); otherwise {}."""
    rows = lake.sql(SQL / "quiet_day.sql", day=day, enough_events=ENOUGH_EVENTS).collect()
    return {key: str(value) for row in rows for key, value in row.asDict().items()}


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
    rows = lake.sql(SQL / "events.sql", days=days, ranges=time_ranges(days, lake.time_zone), click_columns=click_columns())
    lake.replace(TABLE, rows, F.col("event_day").isin(days))
    return superseded_days
