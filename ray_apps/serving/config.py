"""What Ray Serve is told to run: the same words by REST on a laptop and by a RayService in Kubernetes."""

from typing import Any

APP = "recommend"
# All replicas fit beside two trials of the tuning on two cores.
REPLICA_CPUS, MOST_REPLICAS = 0.25, 2


def serve_config(host: str, port: int) -> dict[str, Any]:
    """The configuration of the whole Serve instance."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": host, "port": port},
        "applications": [{"name": APP, "import_path": "ray_apps.serving.application:app", "route_prefix": "/"}],
    }
