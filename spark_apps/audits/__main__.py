"""Runs the app: `python -m spark_apps.audits --help` prints its arguments."""

import sys

from spark_apps.audits.app import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
