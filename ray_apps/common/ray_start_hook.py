"""A hook for `ray start`, named in RAY_START_HOOK: Ray calls it with the parameters of the head before it starts."""

from typing import Any


def without_client(parameters: Any, is_head: bool) -> None:
    """Start no Ray Client server: jobs are submitted through the Job REST API, which checks the token."""
    parameters.ray_client_server_port = None
