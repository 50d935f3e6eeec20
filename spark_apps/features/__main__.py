"""Runs the app: `python -m spark_apps.features --help` prints its arguments."""

import sys

from spark_apps.features.app import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
