"""Computes curated.device_users: who was signed in on which device."""

from datetime import date
from pathlib import Path

from spark_apps.common.lake import Lake

SQL = Path(__file__).parent
TABLE = "curated.device_users"


def write_device_users(lake: Lake, days: list[date]) -> bool:
    """Apply the changed events of the days to the published pairs; returns whether a pair changed.

    Without published pairs, those of all events are computed: the first run of a release with this table.
    """
    is_first = not lake.column(SQL / "any_pair.sql")
    changed_pairs = lake.view(SQL / "changed_pairs.sql", days=[] if is_first else days).cache()
    if changed_pairs.isEmpty():
        return False
    withdrawn_days = lake.column(SQL / "withdrawn_days.sql")
    since, until = (min(*withdrawn_days, *days), max(*withdrawn_days, *days)) if withdrawn_days else (None, None)
    lake.replace(TABLE, lake.sql(SQL / "device_users.sql", since=since, until=until))
    return True
