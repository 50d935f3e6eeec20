"""The time zone in which the curated tables and the marts have their days, as a property of curated.events.

Days of two zones must never be mixed: the sums of neighbouring days would count an hour twice, or not at all.
"""

import argparse

from clickstream_contracts.receipt import Receipt
from spark_apps.common.cli import AppFailed
from spark_apps.common.lake import Lake

TABLE = "curated.events"
PROPERTY = "clickstream.time-zone"
# The zone of the days that releases without this property have written.
FORMER_ZONE = "UTC"


def published_zone(lake: Lake) -> str:
    """Returns the zone of the published days; without any, that of the setting."""
    return _zone(lake, lake.catalog.published(TABLE))


def require_same_zone(lake: Lake, args: argparse.Namespace, app: str) -> None:
    """Raises AppFailed if the days of the run's branch are those of another zone than that of the setting."""
    refuse_other_zone(lake, args, app, _zone(lake, lake.catalog.name(TABLE)))


def refuse_other_zone(lake: Lake, args: argparse.Namespace, app: str, zone: str) -> None:
    """Raises AppFailed if `zone` is not that of the setting."""
    if zone == lake.time_zone:
        return
    message = (
        f"the days of the lake are those of {zone}, and CLICKSTREAM_TIME_ZONE is {lake.time_zone}: set it back to {zone}, or trigger "
        "clickstream_nightly with change_time_zone, which recomputes all days"
    )
    # With a sample, the task is not tried again: it would see the same zone.
    failure = {"name": "time_zone", "meaning": message, "sample": [{"lake": zone, "setting": lake.time_zone}]}
    raise AppFailed(Receipt(app=app, run=args.run, inputs={"ref": args.ref}, facts={"failures": [failure]}, error=message))


def record_zone(lake: Lake) -> None:
    """Write the zone of the setting to the run's branch."""
    name = lake.catalog.name(TABLE)
    if lake.properties(name).get(PROPERTY) != lake.time_zone:
        lake.spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ('{PROPERTY}' = '{lake.time_zone}')")


def _zone(lake: Lake, name: str) -> str:
    zone = lake.properties(name).get(PROPERTY)
    if zone is None:
        zone = lake.time_zone if lake.spark.table(name).isEmpty() else FORMER_ZONE
    return zone
