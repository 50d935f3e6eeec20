"""Binds the gRPC server of a Serve replica to the node's address; Ray Serve binds it to all interfaces and has no option for it.

The server deserializes and runs code for calls between replicas. On the local stack the node's address is 127.0.0.1.
"""

from typing import Any

from ray._common.network_utils import build_address
from ray.serve._private import replica
from ray.util import get_node_ip_address


def bind_grpc_to_node() -> None:
    """Patch Ray Serve in this process. Call it in the deployment's constructor, before the replica's servers start."""
    add_port = replica.add_port_to_grpc_server

    def add_node_port(server: Any, address: str) -> Any:
        port = int(address.rpartition(":")[2])
        return add_port(server, build_address(get_node_ip_address(), port))

    replica.add_port_to_grpc_server = add_node_port
