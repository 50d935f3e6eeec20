"""A real API server accepts every object with strict fields, and its admission accepts every pod template as a Pod."""

from copy import deepcopy
from typing import Any

import pytest
import yaml

from tests.manifests.pods import of, pods
from tests.manifests.rendered import MANIFESTS, RENDERS, Object, kustomize, objects
from tests.manifests.runtime import airflow_resources
from tests.manifests.server import Server


def first_of_kind(kind: str) -> Object:
    return deepcopy(next(t for t in [*objects("local"), *airflow_resources()] if t["kind"] == kind))


@pytest.mark.parametrize("render", RENDERS)
def test_every_object_is_accepted(server: Server, render: str) -> None:
    resources = objects(render)
    result = server.dry_run(resources)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == len(resources)


def test_what_airflow_creates_is_accepted(server: Server) -> None:
    result = server.dry_run(airflow_resources())
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("render", [*RENDERS, "runtime"])
def test_every_pod_passes_admission(server: Server, render: str) -> None:
    """Pods as operators and controllers create them, in their own namespaces, which enforce `restricted`."""
    pod_objects = [pod.as_object() for pod in pods(airflow_resources() if render == "runtime" else objects(render))]
    result = server.dry_run(pod_objects)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert len(set(result.stdout.splitlines())) == len(pod_objects)


INVALID_PODS = [
    (
        "RayService",
        ["spec", "rayClusterConfig", "headGroupSpec", "template", "spec", "containers", 0, "securityContext"],
        {"privileged": True},
    ),
    ("RayCluster", ["spec", "workerGroupSpecs", 0, "template", "spec", "hostNetwork"], True),
    ("SparkApplication", ["spec", "driver", "template", "spec", "securityContext", "seccompProfile"], {"type": "Unconfined"}),
    ("StatefulSet", ["spec", "template", "spec", "securityContext", "runAsUser"], 0),
]


@pytest.mark.parametrize(("kind", "path", "value"), INVALID_PODS)
def test_a_pod_that_violates_restricted_is_refused(server: Server, kind: str, path: list[Any], value: Any) -> None:
    resource = first_of_kind(kind)
    node: Any = resource
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    result = server.dry_run([pod.as_object() for pod in of(resource)])
    assert result.returncode != 0
    assert "violates PodSecurity" in result.stderr


@pytest.mark.parametrize("kind", ["RayCluster", "RayService", "SparkApplication", "ExternalSecret", "Deployment", "NetworkPolicy"])
def test_a_field_that_does_not_exist_is_refused(server: Server, kind: str) -> None:
    resource = deepcopy(next(t for t in [*objects("production"), *airflow_resources()] if t["kind"] == kind))
    resource["spec"]["nonsense"] = 1
    result = server.dry_run([resource])
    assert result.returncode != 0
    assert "nonsense" in result.stderr


def test_the_operators_are_accepted(server: Server) -> None:
    """Their namespaces do not exist yet, so the objects in these are left to the deployment test."""
    resources = [t for t in yaml.safe_load_all(kustomize(MANIFESTS / "operators")) if "namespace" not in t["metadata"]]
    result = server.dry_run(resources)
    assert (result.returncode, result.stderr) == (0, "")
