"""Where a replica listens: on its node's address. Ray lets the server for calls between replicas, which runs code, take every address."""

from typing import Any

from ray._common.network_utils import build_address
from ray.serve._private import replica
from ray.util import get_node_ip_address


def on_the_node_only() -> None:
    """Hold in this process; to be called before the replica's servers start. There is no option for it."""
    add = replica.add_port_to_grpc_server

    def add_to_the_node(server: Any, address: str) -> Any:
        return add(server, build_address(get_node_ip_address(), int(address.rpartition(":")[2])))

    replica.add_port_to_grpc_server = add_to_the_node
