"""Renders the manifests: both overlays, and the local overlay with every optional component (composed)."""

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
# Optional component by the component of the overlay that it is added to.
OPTIONAL = {"object-store": "seaweedfs", "spark": "spark-standalone"}
RENDERS = ("local", "production", "composed")
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
    if name != "composed":
        return kustomize(MANIFESTS / "overlays" / name)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "manifests"
        shutil.copytree(MANIFESTS, copy)
        for component, optional in OPTIONAL.items():
            add_component(copy / "overlays" / "local" / component / "kustomization.yaml", optional)
        return kustomize(copy / "overlays" / "local")


def add_component(kustomization: Path, optional: str) -> None:
    """Add an optional component as docs/kubernetes.md says: before ../common, whose labels and images then apply to it."""
    content = yaml.safe_load(kustomization.read_text())
    content["components"].insert(0, f"../../../components/{optional}")
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
