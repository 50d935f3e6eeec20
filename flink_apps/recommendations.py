"""A user's list of recommendations, made anew with each product viewed. `python -m flink_apps.recommendations --help`."""

import sys

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from flink_apps.app import HERE, App, java
from flink_apps.recommendations_doors import Doors, kafka
from flink_apps.template import SQL, filled

VIEWS = 10  # how many of a user's last views count
DECAY = 0.7  # what a view counts beside the one after it
LENGTH = 20  # products in a list


def render(settings: Settings, doors: Doors | None = None) -> str:
    """The job's statements; addresses stay `${...}`, so the text can be kept and compared."""
    parts = {**(doors or kafka()), "before": str(VIEWS - 1), "decay": str(DECAY), "length": str(LENGTH)}
    return filled(SQL / "recommendations.sql", parts)


# Without state it reads an hour first, so that those who are in the shop keep what they viewed. A user who views nothing
# for a week is forgotten.
APP = App(
    names.RECOMMENDATIONS_JOB,
    render,
    reads={"startup": names.CLICKS_TOPIC},
    writes_lake=False,
    look_back_seconds=3600,
    pace=3,
    options={"table.exec.state.ttl": "7 d"},
    sources=(HERE / "engine.py", java("FreshList")),
)

if __name__ == "__main__":
    sys.exit(APP.main(sys.argv[1:]))
