"""Command line of the stream recommendations: `python -m flink_apps.recommendations --help`."""

import sys

from flink_apps.recommendations.pipeline import STREAM

if __name__ == "__main__":
    sys.exit(STREAM.main(sys.argv[1:]))
