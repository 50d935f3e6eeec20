"""What `ray start` has no option for, set by the hook that it calls with its parameters."""

from typing import Any


def without_client(parameters: Any, is_head: bool) -> None:
    """No Ray Client server: who may submit jobs does so through the Job REST, which asks for the token."""
    parameters.ray_client_server_port = None
