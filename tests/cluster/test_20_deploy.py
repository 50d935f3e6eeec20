"""From an empty cluster to a validated one, by the commands of docs/kubernetes.md."""

from typing import Any

from tests.cluster.cluster import NAMESPACES, Cluster


def test_prerequisites_are_met(cluster: Cluster) -> None:
    cluster.script("check-prerequisites")


def test_deploy_all_brings_up_an_empty_cluster(cluster: Cluster, measured: dict[str, Any]) -> None:
    cluster.script("deploy-all", "--yes", "--skip-check")
    print(cluster.kubectl("get", "pods", "-A", "-o", "wide"))
    measured["pods"] = {
        f"{namespace}/{pod['metadata']['name']}": sum(status["restartCount"] for status in pod["status"].get("containerStatuses", []))
        for namespace in NAMESPACES
        for pod in cluster.objects(namespace, "pods")
    }
    assert measured["pods"]


def test_a_second_deployment_changes_no_pod(cluster: Cluster, measured: dict[str, Any]) -> None:
    def pods() -> dict[str, str]:
        workloads = [pod for namespace in NAMESPACES for pod in cluster.objects(namespace, "pods", "app.kubernetes.io/part-of=clickstream")]
        return {
            pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in workloads if pod["metadata"]["ownerReferences"][0]["kind"] != "Job"
        }

    before = pods()
    cluster.script("deploy-all", "--yes", "--skip-check")
    assert pods() == before
