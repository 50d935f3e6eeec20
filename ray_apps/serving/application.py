"""The Ray Serve application, `ray_apps.serving.application:app`; run as a program it deploys itself to the running head.

Deploying is safe to repeat: what is there already stays, and a changed application takes over when its replica is ready.
"""

import sys
from typing import Any
from urllib.error import HTTPError

from ray import serve

from clickstream_contracts.settings import Settings, SettingsError, read_secret
from ray_apps.common.cli import Parser, one_line, whole_number
from ray_apps.serving import listening, replica, web
from ray_apps.serving.config import APP, MOST_REPLICAS, REPLICA_CPUS
from ray_apps.serving.deploy import HOST, deploy
from ray_apps.serving.tally import together

NAME = "recommender"


@serve.deployment(
    name=NAME,
    ray_actor_options={"num_cpus": REPLICA_CPUS},
    max_ongoing_requests=100,
    # A new version is ready before the old one goes.
    max_surge_percent=100,
    autoscaling_config={
        "min_replicas": 1,
        "max_replicas": MOST_REPLICAS,
        "target_ongoing_requests": 8,
        "look_back_period_s": 5,
        "metrics_interval_s": 1,
        "upscale_delay_s": 3,
        "downscale_delay_s": 15,
    },
    logging_config={"enable_access_log": False},
)
@serve.ingress()
class Replica:
    """One replica: it holds both arms, so a split costs no second hop."""

    def __init__(self) -> None:
        listening.on_the_node_only()
        settings = Settings.from_env()
        self._token = read_secret(settings.serve_token_file)
        self._recommender = replica.start(settings)

    def __serve_build_asgi_app__(self) -> Any:
        return web.build(self._recommender, self._token, _tallies)

    def tallies(self) -> dict[str, Any]:
        """This replica's counts."""
        return self._recommender.arms.tallies()


async def _tallies() -> dict[str, Any]:
    """The counts of all replicas."""
    answers = await serve.get_deployment_handle(NAME, APP).broadcast("tallies").results_async(timeout_s=10, return_exceptions=True)
    # A replica that has just died has nothing to say.
    return together([one for one in answers if not isinstance(one, BaseException)])


app = Replica.bind()  # type: ignore[attr-defined]


def main(argv: list[str]) -> int:
    """Deploy and wait until it answers. Returns the exit code."""
    parser = Parser("serving.application", __doc__)
    parser.add_argument("--wait", type=whole_number, default=300, help="seconds until it must run (default: %(default)s)")
    args = parser.parse_args(argv)
    try:
        settings = Settings.from_env()
        said = deploy(settings, args.wait)
    except SettingsError as error:
        return _refuse(str(error), 2)
    except HTTPError as error:
        return _refuse(f"{error.url}: {error.code} {error.read().decode(errors='replace').strip()[-500:]}", 1)
    except OSError as error:
        said = f"no Ray head answers at {settings.ray_uri}: {one_line(error)}; start it with `make up` or set CLICKSTREAM_RAY_URI"
    if said:
        return _refuse(said, 1)
    print(f"serving at http://{HOST}:{settings.serve_port}")
    return 0


def _refuse(text: str, code: int) -> int:
    print(f"ray_apps.serving.application: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
