"""The Ray Serve application `ray_apps.serving.application:app`; run as a module it deploys itself to the running head.

Deploying is idempotent: an unchanged application keeps its replicas, a changed one starts new replicas before old ones stop.
"""

import logging
import sys
from typing import Any
from urllib.error import HTTPError

from ray import serve
from ray.exceptions import RayError

from clickstream_contracts.settings import Settings, SettingsError, read_secret
from ray_apps.common.cli import Parser, one_line, whole_number
from ray_apps.serving import http_api, loopback, replica
from ray_apps.serving.config import APP, REPLICA_CPUS, autoscaling
from ray_apps.serving.deploy import HOST, deploy, rejection_text
from ray_apps.serving.metrics import MetricsByVariant, merge_replicas

DEPLOYMENT = "recommender"
METRICS_TIMEOUT_SECONDS = 10
log = logging.getLogger("ray.serve")


@serve.deployment(
    name=DEPLOYMENT,
    ray_actor_options={"num_cpus": REPLICA_CPUS},
    max_ongoing_requests=100,
    # New replicas are ready before old ones stop.
    max_surge_percent=100,
    logging_config={"enable_access_log": False},
)
@serve.ingress()
class Replica:
    """One replica. It holds the models of both variants, so that routing a user costs no second network hop."""

    def __init__(self) -> None:
        loopback.bind_grpc_to_node()
        settings = Settings.from_env()
        self._token = read_secret(settings.serve_token_file)
        self._replica = replica.start(settings, _others_serve)

    def __serve_build_asgi_app__(self) -> Any:
        return http_api.build(self._replica.recommender, self._token, _all_metrics, self._replica.health)

    def check_health(self) -> None:
        """Called by Ray Serve every few seconds; it replaces the replica if this raises."""
        self._replica.check()

    def variant_metrics(self) -> MetricsByVariant:
        """Returns the variant metrics of this replica."""
        return self._replica.recommender.router.metrics()


async def _all_metrics() -> MetricsByVariant:
    """Returns the variant metrics of all replicas together; none if no replica returned them."""
    handle = serve.get_deployment_handle(DEPLOYMENT, APP)
    responses = handle.broadcast("variant_metrics")
    results = await responses.results_async(timeout_s=METRICS_TIMEOUT_SECONDS, return_exceptions=True)
    # A replica that stopped during the call returns an exception; its counts are gone.
    return merge_replicas([result for result in results if not isinstance(result, BaseException)])


def _others_serve() -> bool:
    """Whether a replica of the application is running. This one is not until its constructor returns."""
    try:
        deployments = serve.status().applications[APP].deployments
    except (KeyError, RayError) as error:
        log.warning("cannot read the state of the other replicas: %s", one_line(error))
        return False
    return deployments[DEPLOYMENT].replica_states.get("RUNNING", 0) > 0 if DEPLOYMENT in deployments else False


def app(_: dict[str, str]) -> serve.Application:
    """Returns the application; Serve calls it when it deploys."""
    return Replica.options(autoscaling_config=autoscaling(Settings.from_env())).bind()  # type: ignore[attr-defined]


def main(argv: list[str]) -> int:
    """Deploy and wait until the application is RUNNING. Returns the exit code."""
    parser = Parser("serving.application", __doc__)
    parser.add_argument("--wait", type=whole_number, default=300, help="seconds until it must be RUNNING (default: %(default)s)")
    args = parser.parse_args(argv)
    try:
        settings = Settings.from_env()
        error_text = deploy(settings, args.wait)
    except SettingsError as error:
        return _fail(str(error), 2)
    except HTTPError as error:
        return _fail(rejection_text(error), 1)
    except OSError as error:
        error_text = (
            f"cannot reach the Ray head at {settings.ray_uri}: {one_line(error)}; start it with `make up` or set CLICKSTREAM_RAY_URI"
        )
    if error_text:
        return _fail(error_text, 1)
    print(f"deployed to http://{HOST}:{settings.serve_port}")
    return 0


def _fail(text: str, exit_code: int) -> int:
    print(f"ray_apps.serving.application: {text}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
