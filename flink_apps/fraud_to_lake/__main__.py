"""Command line of the stream fraud_to_lake: `python -m flink_apps.fraud_to_lake --help`."""

import sys

from flink_apps.fraud_to_lake.pipeline import STREAM

if __name__ == "__main__":
    sys.exit(STREAM.main(sys.argv[1:]))
