"""Every record of clicks.v1 into raw.clicks or raw.quarantine, exactly once. `python -m flink_apps.clicks_to_lake --help`."""

import sys

from clickstream_contracts import names
from flink_apps import clicks_sql
from flink_apps.app import HERE, App, java

SOURCES = (HERE / "engine.py", java("JsonFields"))
APP = App(names.CLICKS_TO_LAKE_JOB, clicks_sql.render, reads={"startup": names.CLICKS_TOPIC}, sources=SOURCES)

if __name__ == "__main__":
    sys.exit(APP.main(sys.argv[1:]))
