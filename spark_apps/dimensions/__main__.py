"""Runs the app: `python -m spark_apps.dimensions --help` prints its arguments."""

import sys

from spark_apps.dimensions.app import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
