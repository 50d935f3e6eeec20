"""Renders the manifests: both overlays, and both with optional components (composed, external)."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
# Optional components by the folder of the overlay that lists them: `composed` is the local overlay with those of the laptop, `external`
# is the production overlay with everything outside of the cluster that can be outside.
OPTIONAL = {
    "composed": ("local", {"object-store": ["seaweedfs"], "ray": ["ray-gcs-redis"], "common": ["node-local-dns"]}),
    "external": (
        "production",
        {
            "common": ["external-kafka", "external-postgres", "workload-identity", "private-ca", "image-pull-secret"],
            "airflow": ["ingress/airflow", "notifications"],
            "ray": ["ingress/ray", "ray-gcs-redis", "external-secrets/ray-gcs-redis"],
        },
    ),
}
# The component of the overlay that an optional component replaces.
REPLACED = {"external-kafka": "kafka", "external-s3": "object-store"}
RENDERS = ("local", "production", "composed", "external")
Object = dict[str, Any]


def program(name: str) -> str:
    """A program of the environment that runs the tests, else of the machine."""
    own = Path(sys.executable).parent / name
    return str(own) if own.exists() else str(shutil.which(name) or name)


def kustomize(folder: Path) -> str:
    """The render of a kustomization. Warnings are errors: they report deprecated fields and patches without effect."""
    done = subprocess.run([program("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", done.stderr
    return done.stdout


@cache
def text(name: str) -> str:
    """The text of one of RENDERS."""
    return with_components(*OPTIONAL[name]) if name in OPTIONAL else kustomize(MANIFESTS / "overlays" / name)


def with_components(overlay: str, components: dict[str, list[str]], folder: str = "") -> str:
    """The render of an overlay (or of one folder of it) whose folders list further components, before ../common as the docs say."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "manifests"
        shutil.copytree(MANIFESTS, copy)
        for name, added in components.items():
            add_components(copy / "overlays" / overlay / name / "kustomization.yaml", added)
        listed = copy / "overlays" / overlay / "kustomization.yaml"
        replaced = {REPLACED.get(name) for added in components.values() for name in added}
        listed.write_text("".join(line for line in listed.read_text().splitlines(True) if line.strip("- \n") not in replaced))
        return kustomize(copy / "overlays" / overlay / folder)


def add_components(kustomization: Path, added: list[str]) -> None:
    """List components as docs/production.md says: last in common/, else before ../common, whose labels and images then apply to them."""
    content = yaml.safe_load(kustomization.read_text())
    paths = [f"../../../components/{name}" for name in added]
    in_common = kustomization.parent.name == "common"
    content["components"] = [*content["components"], *paths] if in_common else [*paths, *content["components"]]
    kustomization.write_text(yaml.safe_dump(content))


def compose(folder: Path, overlay: str, components: tuple[str, ...]) -> Path:
    """A kustomization in `folder` that adds components to an overlay."""
    to = os.path.relpath(MANIFESTS, folder.resolve())
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{to}/overlays/{overlay}"],
        "components": [f"{to}/components/{name}" for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return folder


@cache
def _objects(name: str) -> tuple[Object, ...]:
    return tuple(yaml.load_all(text(name), yaml.CSafeLoader))


def objects(name: str) -> list[Object]:
    """The objects of one of RENDERS."""
    return list(_objects(name))


def identity(resource: Object) -> str:
    """Kind, namespace and name of an object, as messages show it."""
    meta = resource["metadata"]
    return f"{resource['kind']} {meta.get('namespace', '')}/{meta['name']}"


def folders(kind: str) -> Iterator[Path]:
    """The folders below manifests/<kind>."""
    return (path.parent for path in sorted((MANIFESTS / kind).glob("*/kustomization.yaml")))
