"""A real API server takes every object, with strict fields, and its admission takes every pod as a Pod."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.manifests.pods import of, pods
from tests.manifests.rendered import MANIFESTS, RENDERS, Object, kustomize, objects
from tests.manifests.runtime import resources
from tests.manifests.server import MODULES, Server, modules, source


def first(kind: str) -> Object:
    return deepcopy(next(t for t in [*objects("local"), *resources()] if t["kind"] == kind))


@pytest.mark.parametrize("render", RENDERS)
def test_every_object_is_taken(server: Server, render: str) -> None:
    things = objects(render)
    done = server.tried(things)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len(things)


def test_what_airflow_starts_is_taken(server: Server) -> None:
    done = server.tried(resources())
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("render", [*RENDERS, "runtime"])
def test_every_pod_passes_admission(server: Server, render: str) -> None:
    """Pods as the operators and controllers will make them, in their own namespaces, which enforce `restricted`."""
    found = [pod.as_object() for pod in pods(resources() if render == "runtime" else objects(render))]
    done = server.tried(found)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(set(done.stdout.splitlines())) == len(found)


SPOILED = [
    (
        "RayService",
        ["spec", "rayClusterConfig", "headGroupSpec", "template", "spec", "containers", 0, "securityContext"],
        {"privileged": True},
    ),
    ("RayCluster", ["spec", "workerGroupSpecs", 0, "template", "spec", "hostNetwork"], True),
    ("SparkApplication", ["spec", "driver", "template", "spec", "securityContext", "seccompProfile"], {"type": "Unconfined"}),
    ("StatefulSet", ["spec", "template", "spec", "securityContext", "runAsUser"], 0),
]


@pytest.mark.parametrize(("kind", "path", "value"), SPOILED)
def test_a_pod_that_breaks_the_rules_is_refused(server: Server, kind: str, path: list[Any], value: Any) -> None:
    thing = first(kind)
    node: Any = thing
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    done = server.tried([pod.as_object() for pod in of(thing)])
    assert done.returncode != 0
    assert "violates PodSecurity" in done.stderr


@pytest.mark.parametrize("kind", ["RayCluster", "RayService", "SparkApplication", "ExternalSecret", "Deployment", "NetworkPolicy"])
def test_a_field_that_does_not_exist_is_refused(server: Server, kind: str) -> None:
    thing = deepcopy(next(t for t in [*objects("production"), *resources()] if t["kind"] == kind))
    thing["spec"]["nonsense"] = 1
    done = server.tried([thing])
    assert done.returncode != 0
    assert "nonsense" in done.stderr


def test_the_operators_render_at_their_versions(server: Server, tmp_path: Path) -> None:
    """manifests/operators with the repositories' folders in the place of their addresses."""
    for module in modules():
        name = next((name for name, path in MODULES.items() if module.startswith(path)), "")
        if not name:
            continue
        (tmp_path / name).mkdir()
        for path in sorted((MANIFESTS / "operators" / name).iterdir()):
            lines = path.read_text().splitlines()
            (tmp_path / name / path.name).write_text("\n".join("  - ../up/default" if "?ref=" in line else line for line in lines))
        (tmp_path / "up").unlink(missing_ok=True)
        (tmp_path / "up").symlink_to(source(module) / "config")
        text = kustomize(tmp_path / name)
        assert "clickstream-" in text
        assert f"{module.rpartition('@v')[2]}\n" in text
