"""check-prerequisites.sh on clusters that lack one thing: each is reported with its fix."""

import json
from pathlib import Path

import pytest

from tests.manifests import operators
from tests.manifests.stub import StubKubectl, fails, ok
from tests.manifests.test_capacity import node

LARGE = node("a", "16", "64Gi")


def cluster(
    folder: Path, *, classes: str = "standard true\n", daemonsets: str = "calico-node", minor: str = "33", denied: str = ""
) -> StubKubectl:
    """A cluster that meets the prerequisites except for what the arguments say."""
    operators.folder()
    kubectl = StubKubectl(folder)
    kubectl.on("get --raw /readyz", ok("ok")).on("get --raw /version", ok(f'{{"minor": "{minor}"}}'))
    kubectl.on("version --client", ok(json.dumps({"clientVersion": {"minor": "33"}}, indent=1)))
    if denied:
        kubectl.on(f"auth can-i create {denied}", fails("no\n"))
    kubectl.on("get storageclass", ok(classes)).on("get daemonsets", ok(daemonsets))
    kubectl.on("get service kubernetes", ok("10.96.0.1")).on("get endpointslices", ok("172.18.0.2"))
    images = sorted({"localhost/clickstream/" + name + ":0.1.0" for name in ("airflow", "flink-apps", "ray-apps", "spark-apps", "tools")})
    # An image that a newer one has replaced is listed without names.
    nodes = {"items": [LARGE | {"status": LARGE["status"] | {"images": [{"names": images}, {"names": None, "sizeBytes": 1}]}}]}
    return kubectl.on("get nodes", ok(nodes)).on("get pods -A", ok({"items": []}))


def report(kubectl: StubKubectl, *options: str) -> tuple[int, list[str], list[str]]:
    """The exit code, the problems and the notes."""
    done = kubectl.script("check-prerequisites", *options)
    lines = done.stderr.splitlines()
    assert all(lines[number + 1].startswith("    ") for number, line in enumerate(lines) if line.startswith(("problem: ", "note: ")))
    return done.returncode, [x[9:] for x in lines if x.startswith("problem: ")], [x[6:] for x in lines if x.startswith("note: ")]


def test_a_cluster_that_has_everything_passes(tmp_path: Path) -> None:
    exit_code, problems, notes = report(cluster(tmp_path))
    assert (exit_code, problems) == (0, [])
    assert [note for note in notes if not note.startswith("not on any node yet")] == []


@pytest.mark.parametrize(
    ("lacks", "problem"),
    [
        ({"classes": ""}, "no StorageClass"),
        ({"classes": "fast \nslow false\n"}, "no StorageClass is the default; there are: fast slow"),
        ({"minor": "28"}, "the cluster runs Kubernetes 1.28; 1.29 or newer is required"),
        ({"denied": "clusterroles"}, "insufficient RBAC: 'create clusterroles' is denied"),
        ({"denied": "secrets"}, "insufficient RBAC: 'create secrets' is denied"),
    ],
)
def test_one_missing_thing_is_the_only_problem(tmp_path: Path, lacks: dict[str, str], problem: str) -> None:
    exit_code, problems, _ = report(cluster(tmp_path, **lacks))
    assert (exit_code, problems) == (1, [problem])


def test_a_kubectl_of_another_minor_version_is_noted(tmp_path: Path) -> None:
    _, problems, notes = report(cluster(tmp_path, minor="30"))
    assert problems == []
    assert "the cluster runs Kubernetes 1.30; versions before 1.33 were not tried" in notes
    assert "kubectl is 1.33 and the cluster 1.30: Kubernetes supports one minor version of difference" in notes


@pytest.mark.parametrize(("daemonsets", "noted"), [("kube-proxy", True), ("kindnet kube-proxy", True), ("cilium", False)])
def test_a_network_plugin_that_may_not_enforce_policies_is_noted(tmp_path: Path, daemonsets: str, noted: bool) -> None:
    _, problems, notes = report(cluster(tmp_path, daemonsets=daemonsets))
    assert problems == []
    assert any("enforce network policies" in note for note in notes) is noted


def test_production_without_the_secret_store_or_its_crd_is_reported(tmp_path: Path) -> None:
    kubectl = cluster(tmp_path)
    assert "the CRD externalsecrets.external-secrets.io is not there" in report(kubectl, "--overlay", "production")[1]
    kubectl.on("get crd externalsecrets.external-secrets.io", ok("customresourcedefinition/externalsecrets.external-secrets.io\n"))
    assert "no ClusterSecretStore clickstream" in report(kubectl, "--overlay", "production")[1]
    kubectl.on("get clustersecretstore clickstream", ok("clickstream False"))
    assert "the ClusterSecretStore clickstream is not ready" in report(kubectl, "--overlay", "production")[1]


def test_skipped_operators_are_checked_for_their_versions(tmp_path: Path) -> None:
    _, problems, _ = report(cluster(tmp_path), "--skip-operators")
    [problem] = problems
    assert problem.startswith("the cluster has no CRD sparkapplications.sparkoperator.k8s.io/v1beta2 rayclusters.ray.io/v1")
