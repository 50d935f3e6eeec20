"""The Ray Serve configuration: sent by REST on the local stack, and equal to `serveConfigV2` of the RayService in Kubernetes."""

from typing import Any

APP = "recommend"
# All replicas and two trials of the tuning fit on two CPUs.
REPLICA_CPUS = 0.25
MAX_REPLICAS = 2


def serve_config(host: str, port: int) -> dict[str, Any]:
    """Returns the configuration of the Serve instance with its HTTP address."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": host, "port": port},
        "applications": [{"name": APP, "import_path": "ray_apps.serving.application:app", "route_prefix": "/"}],
    }
