"""Teardown leaves nothing of the deployment on the cluster."""

import json

from tests.cluster.cluster import Cluster


def test_teardown_leaves_nothing(cluster: Cluster) -> None:
    cluster.script("teardown", "--yes", "--delete-data", "--operators")
    namespaces = json.loads(cluster.kubectl("get", "namespaces", "-o", "json"))["items"]
    names = [namespace["metadata"]["name"] for namespace in namespaces]
    assert [name for name in names if name.startswith("clickstream-") or name.endswith("-operator")] == []
    definitions = cluster.kubectl("get", "crd", "-o", "name").split()
    assert [name for name in definitions if "ray.io" in name or "sparkoperator" in name] == []
