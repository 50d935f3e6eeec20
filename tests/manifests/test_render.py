"""Both overlays render without warnings, byte-stable, into the reviewed list of objects."""

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.manifests.rendered import MANIFESTS, RENDERS, ROOT, Object, folders, identity, kustomize, objects, program, text

SNAPSHOT = Path(__file__).with_name("objects.txt")
# Served by Kubernetes 1.33 and 1.34, or by the CRDs of manifests/operators; nothing of them is deprecated.
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


def snapshot_text() -> str:
    """Every object of every render, without the hashes of generated names."""
    lines = {f"{render} {identity(resource)}" for render in RENDERS for resource in objects(render)}
    generated = {resource["metadata"]["name"] for r in RENDERS for resource in objects(r) if resource["kind"] == "ConfigMap"}
    plain = {line.rsplit("-", 1)[0] if line.rsplit("/", 1)[1] in generated else line for line in lines}
    return "\n".join(sorted(plain)) + "\n"


def test_the_objects_are_the_reviewed_ones() -> None:
    assert snapshot_text() == SNAPSHOT.read_text(), "if the change is intended: python -m tests.manifests.test_render"


@pytest.mark.parametrize("overlay", ["local", "production"])
def test_a_render_is_byte_stable(overlay: str) -> None:
    assert kustomize(MANIFESTS / "overlays" / overlay) == text(overlay)


@pytest.mark.parametrize("render", RENDERS)
def test_no_object_is_duplicated(render: str) -> None:
    assert [name for name, number in Counter(map(identity, objects(render))).items() if number > 1] == []


@pytest.mark.parametrize("render", RENDERS)
def test_no_deprecated_api_is_used(render: str) -> None:
    assert {resource["apiVersion"] for resource in objects(render)} <= SERVED


def missing_labels(resources: list[Object]) -> dict[str, set[str]]:
    """Missing recommended labels (and owner) per object."""
    required = {f"app.kubernetes.io/{name}" for name in RECOMMENDED} | {"owner"}
    return {identity(t): missing for t in resources if (missing := required - set(t["metadata"].get("labels", {})))}


@pytest.mark.parametrize("render", RENDERS)
def test_every_object_has_the_recommended_labels(render: str) -> None:
    assert missing_labels(objects(render)) == {}
    assert missing_labels([{"kind": "Service", "metadata": {"name": "planted"}}])


@pytest.mark.parametrize("render", RENDERS)
def test_volume_claim_templates_have_no_label_that_changes_with_a_version(render: str) -> None:
    """They are immutable: with the version among their labels the next version could not be applied."""
    claims = [
        c for resource in objects(render) if resource["kind"] == "StatefulSet" for c in resource["spec"].get("volumeClaimTemplates", [])
    ]
    assert claims
    assert {label for claim in claims for label in claim["metadata"].get("labels", {})} <= {"app.kubernetes.io/component"}


def test_every_component_has_the_same_file_names() -> None:
    """A component of base has rbac.yaml, network-policy.yaml and quota.yaml; shared parts are included by components."""
    parts = {"namespace-defaults", "settings", "postgres", "lake-client"}
    for folder in folders("base"):
        if folder.name not in parts:
            assert {"rbac.yaml", "network-policy.yaml", "quota.yaml"} <= {path.name for path in folder.iterdir()}, folder.name


def test_files_are_short_and_of_one_concern() -> None:
    lengths = sorted((len(path.read_text().splitlines()), path.name) for path in MANIFESTS.rglob("*.yaml"))
    assert lengths[len(lengths) // 2][0] <= 40
    assert lengths[-1][0] <= 150, lengths[-1]


def test_yamllint_reports_nothing() -> None:
    done = subprocess.run([program("yamllint"), "--strict", str(MANIFESTS)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    planted = subprocess.run([program("yamllint"), "-"], cwd=ROOT, input="a: 1\na: 2\n", capture_output=True, text=True, check=False)
    assert "duplication" in planted.stdout


if __name__ == "__main__":
    SNAPSHOT.write_text(snapshot_text())
