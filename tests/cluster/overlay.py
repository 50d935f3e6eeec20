"""Writes the overlay of the test cluster: overlays/local with small CPU requests and this cluster's API server address."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from scripts.kube.images import images
from tests.cluster.cluster import AIRFLOW, FLINK
from tests.manifests.rendered import ROOT, Object, kustomize, objects, program

CPU = "10m"
# A request is also the pod's share of a busy CPU. Ray Serve answers shoppers while Spark runs, as with the overlay's own requests.
CPU_OF_KIND = {"RayService": "40m"}


def write(folder: Path, kubeconfig: str, tag: str = "") -> Path:
    """Write a kustomization into `folder`; returns the folder.

    Args:
        tag: version label and image tag of our images; empty: those of the overlay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    local = os.path.relpath(ROOT / "manifests" / "overlays" / "local", folder.resolve())
    kustomization: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [local],
        "patches": [*cpu_patches(), *address_patches(kubeconfig)],
    }
    if tag:
        kustomization |= version(tag)
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization, indent=1))
    return folder


def write_with_file(folder: Path, base: Path, file: str, text: str) -> Path:
    """Write a kustomization of `base` in which Airflow's scheduler and Flink's JobManager read another text from a file of their images.

    Args:
        file: path below /opt/clickstream.
        text: what the file holds; mounted from a ConfigMap.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "text").write_text(text)
    deployments = {(AIRFLOW, "airflow-scheduler"): "airflow", (FLINK, "flink-jobmanager"): "flink"}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(base.resolve(), folder.resolve())],
        "configMapGenerator": [{"name": "changed-file", "namespace": namespace, "files": ["text"]} for namespace, _ in deployments],
        "patches": [
            {"patch": json.dumps(_mount(namespace, name, container, file))} for (namespace, name), container in deployments.items()
        ],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization, indent=1))
    return folder


def _mount(namespace: str, name: str, container: str, file: str) -> Object:
    """A patch of a Deployment that mounts the ConfigMap over one file."""
    mount = {"name": "changed-file", "mountPath": f"/opt/clickstream/{file}", "subPath": "text", "readOnly": True}
    pod = {
        "containers": [{"name": container, "volumeMounts": [mount]}],
        "volumes": [{"name": "changed-file", "configMap": {"name": "changed-file"}}],
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": {"spec": pod}}}


def render(folder: Path) -> list[Object]:
    """Returns the objects that a kustomization renders."""
    return [document for document in yaml.safe_load_all(kustomize(folder)) if document]


def cpu_patches() -> list[dict[str, Any]]:
    """Small CPU requests for each container of each workload, so that two CPUs hold the whole stack."""
    patches = []
    for resource in objects("local"):
        operations = [
            {"op": "replace", "path": f"{path}/resources/requests/cpu", "value": CPU_OF_KIND.get(resource["kind"], CPU)}
            for path, container in containers(resource.get("spec"), "/spec")
            if "cpu" in container["resources"].get("requests", {})
        ]
        if operations:
            target = {"kind": resource["kind"], "name": resource["metadata"]["name"], "namespace": resource["metadata"]["namespace"]}
            patches.append({"target": target, "patch": json.dumps(operations)})
    return patches


def containers(node: Any, path: str) -> list[tuple[str, dict[str, Any]]]:
    """Returns the JSON pointer and the mapping of everything below `node` that has a `resources` mapping."""
    if isinstance(node, list):
        return [pair for index, item in enumerate(node) for pair in containers(item, f"{path}/{index}")]
    if not isinstance(node, dict):
        return []
    own = [(path, node)] if isinstance(node.get("resources"), dict) else []
    return own + [pair for key, value in node.items() for pair in containers(value, f"{path}/{key}")]


def address_patches(kubeconfig: str) -> list[dict[str, Any]]:
    """One more rule for each policy `to-api-server`: the addresses of this cluster's API server."""
    options = [program("kubectl"), "--kubeconfig", kubeconfig, "-n", "default", "get", "endpoints", "kubernetes", "-o", "json"]
    subsets = json.loads(subprocess.run(options, capture_output=True, text=True, check=True).stdout)["subsets"]
    rules = [
        {
            "to": [{"ipBlock": {"cidr": f"{address['ip']}/32"}} for address in subset["addresses"]],
            "ports": [{"port": p["port"]} for p in subset["ports"]],
        }
        for subset in subsets
    ]
    operations = [{"op": "add", "path": "/spec/egress/-", "value": rule} for rule in rules]
    return [{"target": {"kind": "NetworkPolicy", "name": "to-api-server"}, "patch": json.dumps(operations)}]


def version(tag: str) -> dict[str, Any]:
    """The settings of a kustomization that give our images and version labels another version."""
    names = sorted({image.rpartition(":")[0] for resource in objects("local") for image in own_images(resource)})
    templates = ("Deployment", "StatefulSet")
    fields = [{"kind": kind, "path": "spec/template/metadata/labels", "create": True} for kind in templates]
    return {
        "images": [{"name": image, "newTag": tag} for image in names],
        "labels": [{"pairs": {"app.kubernetes.io/version": tag}, "fields": fields}],
    }


def own_images(resource: Object) -> set[str]:
    """Returns the project's images that an object names."""
    return {image for image in images(resource) if "clickstream/" in image}
