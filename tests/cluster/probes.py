"""One small pod for each component, with its labels and namespace: it listens on all ports of the deployment and tries connections."""

import json
from typing import Any

from tests.cluster.cluster import Cluster
from tests.manifests.connections import NAME, Connection, nodes
from tests.shop_day import eventually

PREFIX = "connection-probe-"
SERVER = """
import select, socket, sys
sockets = []
for port in map(int, sys.argv[1:]):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("", port))
    server.listen(200)
    sockets.append(server)
while True:
    for server in select.select(sockets, [], [])[0]:
        server.accept()[0].close()
"""
# Prints the open ones of the given address:port pairs. A closed connection is dropped, so it takes the whole time-out.
CLIENT = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def is_open(target):
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        return True
    except OSError:
        return False
targets = sys.stdin.read().split()
with ThreadPoolExecutor(100) as pool:
    print("\\n".join(target for target, opened in zip(targets, pool.map(is_open, targets)) if opened))
"""


def components(resources: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Namespace and name label of each of our components, by its short name."""
    return {short: (ns, labels[NAME]) for ns, labels, short in nodes(resources) if ns.startswith("clickstream-")}


def ports(expected: set[Connection]) -> list[int]:
    """Returns every port that some component may reach, and one that nobody may."""
    return sorted({int(connection.port) for connection in expected if connection.port.isdigit() and int(connection.port) > 1023} | {9999})


def create(cluster: Cluster, resources: list[dict[str, Any]], image: str, listening: list[int]) -> dict[str, str]:
    """Create the probe pods and wait for them; returns the address of each component's pod."""
    for namespace, name in components(resources).values():
        cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(pod(name, image, listening)))
    addresses: dict[str, str] = {}

    def running() -> bool:
        for short, (namespace, name) in components(resources).items():
            status = json.loads(cluster.kubectl("-n", namespace, "get", "pod", PREFIX + name, "-o", "json"))["status"]
            if status["phase"] == "Running":
                addresses[short] = status["podIP"]
        return len(addresses) == len(components(resources))

    eventually(running, "all probe pods run", 300)
    return addresses


def delete(cluster: Cluster, resources: list[dict[str, Any]]) -> None:
    """Delete the probe pods."""
    for namespace, name in components(resources).values():
        cluster.kubectl(
            "-n", namespace, "delete", "pod", PREFIX + name, "--ignore-not-found", "--grace-period=0", "--force", "--wait=false"
        )


def pod(name: str, image: str, listening: list[int]) -> dict[str, Any]:
    """A restricted pod with a component's label. It is never ready, so no Service sends it a request."""
    container = {
        "name": "probe",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", SERVER, *map(str, listening)],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "96Mi"}},
        "readinessProbe": {"exec": {"command": ["false"]}, "periodSeconds": 600},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "containers": [container],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": PREFIX + name, "labels": {NAME: name}}, "spec": spec}


def open_connections(cluster: Cluster, namespace: str, name: str, targets: list[str]) -> set[str]:
    """Returns those of the address:port targets that a component's pod can connect to."""
    command = ("-n", namespace, "exec", "-i", PREFIX + name, "--", "python", "-c", CLIENT)
    return set(cluster.kubectl(*command, stdin="\n".join(targets)).split())
