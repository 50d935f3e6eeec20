"""A score for each payment and sign-in, and alerts, seconds after it happened. `python -m flink_apps.fraud_scores --help`."""

import sys

from clickstream_contracts import names
from clickstream_contracts.fraud_rules import rules
from flink_apps import fraud_sql
from flink_apps.app import App

# Without state it reads its longest window first: what it judges then, it judges as if it had always run.
APP = App(
    names.FRAUD_SCORES_JOB,
    fraud_sql.render,
    reads={"startup": names.CLICKS_TOPIC},
    writes_lake=False,
    look_back_seconds=rules().longest_seconds,
    pace=3,
    # An event goes through an exchange for each pattern; with Flink's 100 ms it would wait half a second in their buffers.
    options={"execution.buffer-timeout.interval": "10ms", "pipeline.auto-watermark-interval": "100ms"},
)

if __name__ == "__main__":
    sys.exit(APP.main(sys.argv[1:]))
