"""The node is drained after the shop has sent events: none is lost or doubled, and everything runs again after uncordon.

With several nodes the pods move to the others; with one they wait until it takes pods again. Each node with pods of the project is drained.
"""

import time
from typing import Any

from tests.cluster import client
from tests.cluster.cluster import CLIENT, NAMESPACES, TOOLS, Cluster, is_ready
from tests.cluster.test_50_kills import ledger_balances, live_shop, recommends, streams_run
from tests.shop_day import eventually

RATE, SECONDS = 20, 20
DRAIN = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=600s")


# The client's pod is drained too, and with it the folder that names the events that were acknowledged.
READ_FOLDER = """
import base64, io, sys, tarfile
buffer = io.BytesIO()
with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
    archive.add("/tmp/stack", "stack")
sys.stdout.write(base64.b64encode(buffer.getvalue()).decode())
"""
WRITE_FOLDER = """
import base64, io, sys, tarfile
with tarfile.open(fileobj=io.BytesIO(base64.b64decode(sys.stdin.read()))) as archive:
    archive.extractall("/tmp")
"""


def nodes_with_pods(cluster: Cluster) -> list[str]:
    """Returns the names of the nodes that run pods of the project."""
    return sorted({pod["spec"]["nodeName"] for name in NAMESPACES for pod in cluster.objects(name, "pods") if "nodeName" in pod["spec"]})


def workloads_are_ready(cluster: Cluster) -> bool:
    """Whether each pod that a Deployment, a StatefulSet or Ray keeps running is ready."""
    pods = [pod for name in NAMESPACES for pod in cluster.objects(name, "pods")]
    kept = [pod for pod in pods if {owner["kind"] for owner in pod["metadata"].get("ownerReferences", [])} - {"Job", "SparkApplication"}]
    return bool(kept) and all(is_ready(pod) for pod in kept)


def test_a_drained_node_loses_no_event(deployed: Cluster, measured: dict[str, Any]) -> None:
    run = f"drain-{int(time.time())}"
    deployed.tool(*live_shop(run, RATE, SECONDS))
    folder = deployed.python(READ_FOLDER)
    for node in nodes_with_pods(deployed):
        start = time.monotonic()
        try:
            deployed.kubectl("drain", node, *DRAIN, timeout=700)
            measured[f"{node}_drained_after"] = round(time.monotonic() - start, 1)
        finally:
            deployed.kubectl("uncordon", node)
        eventually(lambda: workloads_are_ready(deployed), "all workloads are ready", 900, 10)
        measured[f"{node}_ready_after"] = round(time.monotonic() - start, 1)
    client.create(deployed)
    deployed.kubectl("-n", TOOLS, "exec", "-i", CLIENT, "--", "python", "-c", WRITE_FOLDER, stdin=folder)
    eventually(lambda: streams_run(deployed), "all streams run again", 1200, 15)
    measured["streams_after"] = round(time.monotonic() - start, 1)
    eventually(lambda: ledger_balances(deployed, run), "the ledger balances", 600, 10)
    eventually(lambda: recommends(deployed), "a recommendation", 900, 5)
    measured["answers_after"] = round(time.monotonic() - start, 1)
