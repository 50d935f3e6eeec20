"""Command line of the stream fraud_scores: `python -m flink_apps.fraud_scores --help`."""

import sys

from flink_apps.fraud_scores.pipeline import STREAM

if __name__ == "__main__":
    sys.exit(STREAM.main(sys.argv[1:]))
