"""Each image starts as a restricted pod and imports what its entry points import, native libraries included."""

import json
import time

import pytest

from tests.cluster import overlay
from tests.cluster.cluster import Cluster
from tests.shop_day import eventually

NAMESPACE = "clickstream-image-test"
IMPORTS = {
    "tools": ("tools.cli", "tools.ledger.__main__", "tools.shop.__main__", "tools.rollout.__main__", "tools.lake.bootstrap"),
    "spark-apps": ("pyspark.sql", "spark_apps.curate.__main__", "spark_apps.audits.__main__", "spark_apps.features.__main__"),
    "flink-apps": ("pyflink.table", "flink_apps.clicks_to_lake.pipeline", "flink_apps.fraud_scores.pipeline"),
    "ray-apps": ("ray_apps.serving.application", "ray_apps.jobs.train", "lightgbm", "numba"),
    "airflow": ("airflow.models", "clickstream.runtime.kubernetes", "clickstream.streams.deployer"),
}
RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def pod(name: str, image: str, modules: tuple[str, ...]) -> dict[str, object]:
    """A restricted pod that imports the modules."""
    container = {
        "name": "imports",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", "; ".join(f"import {module}" for module in modules)],
        "env": [{"name": "HOME", "value": "/tmp"}, {"name": "AIRFLOW_HOME", "value": "/tmp/airflow"}],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> None:
    """A namespace in which only restricted pods are admitted, deleted by the last test's teardown."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    resource = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(resource))


@pytest.mark.parametrize("image", IMPORTS)
def test_the_image_imports_its_entry_points(cluster: Cluster, namespace: None, image: str) -> None:
    resources = overlay.render(cluster.overlay)
    references = {name for resource in resources for name in overlay.own_images(resource) if f"/{image}:" in name}
    assert len(references) == 1, f"one reference of the image {image} is expected: {references}"
    name = f"{image}-{int(time.time())}"
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(pod(name, references.pop(), IMPORTS[image])))

    def phase() -> str:
        return cluster.kubectl("-n", NAMESPACE, "get", "pod", name, "-o", "jsonpath={.status.phase}")

    eventually(lambda: phase() in {"Succeeded", "Failed"}, f"the pod {name} has ended", 300)
    assert phase() == "Succeeded", cluster.kubectl("-n", NAMESPACE, "logs", name)
    cluster.kubectl("-n", NAMESPACE, "delete", "pod", name, "--wait=false")
