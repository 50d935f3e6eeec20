"""The Ray Serve configuration: sent by REST on the local stack, and equal to `serveConfigV2` of the RayService in Kubernetes."""

from typing import Any

from clickstream_contracts.settings import Settings

APP = "recommend"
# On a laptop all replicas and two trials of the tuning fit on two CPUs.
REPLICA_CPUS = 0.25


def autoscaling(settings: Settings) -> dict[str, Any]:
    """Returns how the number of replicas follows the requests in progress, waiting ones included."""
    return {
        "min_replicas": settings.serve_min_replicas,
        "max_replicas": settings.serve_max_replicas,
        "target_ongoing_requests": 8,
        "look_back_period_s": 5,
        "metrics_interval_s": 1,
        "upscale_delay_s": 3,
        "downscale_delay_s": 15,
    }


def serve_config(host: str, port: int) -> dict[str, Any]:
    """Returns the configuration of the Serve instance with its HTTP address."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": host, "port": port},
        "applications": [{"name": APP, "import_path": "ray_apps.serving.application:app", "route_prefix": "/"}],
    }
