"""Writes the overlay of the test cluster: overlays/local with small CPU requests and this cluster's API server address."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.manifests.rendered import ROOT, program

CPU = "10m"


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
        "patches": [*cpu_patches(folder.parent), *address_patches(kubeconfig)],
    }
    if tag:
        kustomization |= version(tag)
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization, indent=1))
    return folder


def kustomize(folder: Path) -> list[dict[str, Any]]:
    """Returns the objects that a kustomization renders."""
    import yaml

    text = subprocess.run([program("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, check=True).stdout
    return [document for document in yaml.safe_load_all(text) if document]


def cpu_patches(_: Path) -> list[dict[str, Any]]:
    """CPU requests of 10m for each container of each workload, so that two CPUs hold the whole stack."""
    patches = []
    for resource in kustomize(ROOT / "manifests" / "overlays" / "local"):
        operations = (
            [
                {"op": "replace", "path": f"{path}/resources/requests/cpu", "value": CPU}
                for path, container in containers(resource["spec"], "/spec")
                if "cpu" in container.get("resources", {}).get("requests", {})
            ]
            if "spec" in resource
            else []
        )
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
    images = sorted({image for resource in kustomize(ROOT / "manifests" / "overlays" / "local") for image in own_images(resource)})
    templates = ("Deployment", "StatefulSet")
    fields = [{"kind": kind, "path": "spec/template/metadata/labels", "create": True} for kind in templates]
    return {
        "images": [{"name": image, "newTag": tag} for image in images],
        "labels": [{"pairs": {"app.kubernetes.io/version": tag}, "fields": fields}],
    }


def own_images(node: Any) -> set[str]:
    """Returns the names, without tags, of the project's images anywhere below `node`."""
    if isinstance(node, dict):
        return {name for value in node.values() for name in own_images(value)}
    if isinstance(node, list):
        return {name for value in node for name in own_images(value)}
    return {node.rpartition(":")[0]} if isinstance(node, str) and node.startswith("localhost/clickstream/") else set()
