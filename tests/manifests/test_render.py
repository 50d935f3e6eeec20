"""Both overlays render without a warning, byte for byte the same, into the reviewed list of objects."""

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.manifests.rendered import MANIFESTS, RENDERS, ROOT, Object, folders, identity, kustomize, objects, program, text

SNAPSHOT = Path(__file__).with_name("objects.txt")
# Served by Kubernetes 1.24 to 1.34, or by the CRDs of manifests/operators; nothing of them is deprecated.
SERVED = {
    "v1",
    "apps/v1",
    "batch/v1",
    "networking.k8s.io/v1",
    "policy/v1",
    "rbac.authorization.k8s.io/v1",
    "ray.io/v1",
    "external-secrets.io/v1",
}
RECOMMENDED = {"component", "instance", "managed-by", "part-of", "version"}


def listed() -> str:
    """Every object of every render, without the hashes of generated names."""
    lines = {f"{render} {identity(thing)}" for render in RENDERS for thing in objects(render)}
    generated = {thing["metadata"]["name"] for r in RENDERS for thing in objects(r) if thing["kind"] == "ConfigMap"}
    plain = {line.rsplit("-", 1)[0] if line.rsplit("/", 1)[1] in generated else line for line in lines}
    return "\n".join(sorted(plain)) + "\n"


def test_the_objects_are_the_reviewed_ones() -> None:
    assert listed() == SNAPSHOT.read_text(), "if the change is meant: python -m tests.manifests.test_render"


@pytest.mark.parametrize("overlay", ["local", "production"])
def test_a_render_is_the_same_each_time(overlay: str) -> None:
    assert kustomize(MANIFESTS / "overlays" / overlay) == text(overlay)


@pytest.mark.parametrize("render", RENDERS)
def test_no_object_is_there_twice(render: str) -> None:
    assert [name for name, number in Counter(map(identity, objects(render))).items() if number > 1] == []


@pytest.mark.parametrize("render", RENDERS)
def test_no_deprecated_api_is_used(render: str) -> None:
    assert {thing["apiVersion"] for thing in objects(render)} <= SERVED


def unlabelled(things: list[Object]) -> dict[str, set[str]]:
    """Objects that lack a recommended label, or an owner."""
    wanted = {f"app.kubernetes.io/{name}" for name in RECOMMENDED} | {"owner"}
    return {identity(t): lacking for t in things if (lacking := wanted - set(t["metadata"].get("labels", {})))}


@pytest.mark.parametrize("render", ["local", "production"])
def test_every_object_has_the_recommended_labels(render: str) -> None:
    assert unlabelled(objects(render)) == {}
    assert unlabelled([{"kind": "Service", "metadata": {"name": "planted"}}])


def test_every_component_has_the_same_file_names() -> None:
    """A component of base has rbac.yaml, network-policy.yaml and quota.yaml; shared parts are included by components."""
    parts = {"namespace-defaults", "settings", "postgres", "spark-standalone"}
    for folder in folders("base"):
        if folder.name not in parts:
            assert {"rbac.yaml", "network-policy.yaml", "quota.yaml"} <= {path.name for path in folder.iterdir()}, folder.name


def test_files_are_short_and_of_one_concern() -> None:
    lengths = sorted((len(path.read_text().splitlines()), path.name) for path in MANIFESTS.rglob("*.yaml"))
    assert lengths[len(lengths) // 2][0] <= 40
    assert lengths[-1][0] <= 130, lengths[-1]


def test_yamllint_has_nothing_to_say() -> None:
    done = subprocess.run([program("yamllint"), "--strict", str(MANIFESTS)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    planted = subprocess.run([program("yamllint"), "-"], cwd=ROOT, input="a: 1\na: 2\n", capture_output=True, text=True, check=False)
    assert "duplication" in planted.stdout


if __name__ == "__main__":
    SNAPSHOT.write_text(listed())
