"""Keeps the recommendations deployed: a head that lacks the application, as one that was started anew does, gets it again."""

import sys
import time

from clickstream_contracts.settings import Settings, SettingsError
from ray_apps.common.cli import Parser, one_line, whole_number
from ray_apps.serving.deploy import application, deploy

WAIT_SECONDS = 300


def main(argv: list[str]) -> int:
    """Look for ever. Returns the exit code if a setting cannot be used."""
    parser = Parser("serving.reconcile", __doc__)
    parser.add_argument("--every", type=whole_number, default=5, help="seconds between two looks (default: %(default)s)")
    args = parser.parse_args(argv)
    try:
        settings = Settings.from_env()
        while True:
            _look(settings)
            time.sleep(args.every)
    except SettingsError as error:
        print(f"ray_apps.serving.reconcile: {error}", file=sys.stderr)
        return 2


def _look(settings: Settings) -> None:
    try:
        if not application(settings):
            print(deploy(settings, WAIT_SECONDS) or f"serving at {settings.serve_uri}", flush=True)
    except OSError as error:
        # A head that comes up refuses for a while; the next look tells more.
        print(one_line(error), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
