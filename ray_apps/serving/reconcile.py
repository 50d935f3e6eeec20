"""Reconciles the Serve application in a loop: deploys it to a Ray head that does not have it, such as a restarted one."""

import sys
import time
from urllib.error import HTTPError

from clickstream_contracts.settings import Settings, SettingsError
from ray_apps.common.cli import Parser, one_line, whole_number
from ray_apps.serving.deploy import application_status, deploy, rejection_text

DEPLOY_TIMEOUT_SECONDS = 300


def main(argv: list[str]) -> int:
    """Run until the process is stopped. Returns 2 if a setting is invalid."""
    parser = Parser("serving.reconcile", __doc__)
    parser.add_argument("--every", type=whole_number, default=5, help="seconds between two checks (default: %(default)s)")
    args = parser.parse_args(argv)
    try:
        settings = Settings.from_env()
        while True:
            _reconcile(settings)
            time.sleep(args.every)
    except SettingsError as error:
        print(f"ray_apps.serving.reconcile: {error}", file=sys.stderr)
        return 2


def _reconcile(settings: Settings) -> None:
    """Deploy the application unless the head has it; what fails is printed, and the next check tries again."""
    try:
        if application_status(settings):
            return
        error_text = deploy(settings, DEPLOY_TIMEOUT_SECONDS)
        print(error_text or f"deployed to {settings.serve_uri}", flush=True)
    except HTTPError as error:
        print(f"the Ray head rejected the request: {rejection_text(error)}", flush=True)
    except OSError as error:
        # A starting head refuses connections; the next check tries again.
        print(f"cannot reach the Ray head at {settings.ray_uri}: {one_line(error)}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
