"""Computes curated.sessions: the events of a session_id, split after pauses, and at midnight if they never pause."""

from datetime import date
from pathlib import Path

from pyspark.sql import functions as F

from spark_apps.common.days import time_ranges
from spark_apps.common.lake import Lake

SQL = Path(__file__).parent
TABLE = "curated.sessions"


def write_sessions(lake: Lake, days: list[date]) -> list[date]:
    """Recompute the sessions with events on the days; returns the days of the sessions that changed."""
    lake.view(SQL / "affected_sessions.sql", ranges=time_ranges(days, lake.time_zone)).cache()
    affected_days = lake.column(SQL / "affected_session_days.sql")
    lake.view(SQL / "sessions.sql", days=days, read_days=sorted({*days, *affected_days})).cache()
    changed_days = lake.column(SQL / "changed_session_days.sql")
    if changed_days:
        lake.replace(TABLE, lake.sql(SQL / "sessions_of_changed_days.sql", days=changed_days), F.col("session_day").isin(changed_days))
    return changed_days
