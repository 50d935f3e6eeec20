"""Base has no environment values, overlays hold differences only, and the local overlay is small."""

import re
from typing import Any

import pytest
import yaml

from tests.manifests.pods import cpu, pods, quantity
from tests.manifests.rendered import MANIFESTS, Object, identity, kustomize, objects

OVERLAYS = ("local", "production")
# Only in one overlay: local has an object store, production has ExternalSecrets and two schedulers.
ONLY_LOCAL = re.compile(r".* (clickstream-object-store/.*|/clickstream-object-store)")
ONLY_PRODUCTION = re.compile(r"ExternalSecret .*|PodDisruptionBudget clickstream-airflow/airflow-scheduler")


def names_without_hashes(overlay: str) -> set[str]:
    """The overlay's objects, without the hashes of generated names."""
    return {re.sub(r"(ConfigMap .*)-\w+$", r"\1", identity(resource)) for resource in objects(overlay)}


def test_both_overlays_have_the_same_objects_except_the_listed() -> None:
    local, production = names_without_hashes("local"), names_without_hashes("production")
    assert {name for name in local - production if not ONLY_LOCAL.fullmatch(name)} == set()
    assert {name for name in production - local if not ONLY_PRODUCTION.fullmatch(name)} == set()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_has_short_patches_and_no_objects(overlay: str) -> None:
    folders = [path.parent for path in sorted((MANIFESTS / "overlays" / overlay).glob("*/kustomization.yaml"))]
    assert len(folders) >= 8
    for folder in folders:
        kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
        references = [*kustomization.get("resources", []), *kustomization["components"]]
        assert all(entry == "../common" or entry.startswith("../../../") for entry in references), folder
        patches = {patch["path"] for patch in kustomization.get("patches", [])}
        assert {path.name for path in folder.iterdir()} == patches | {"kustomization.yaml"}
        assert {name: n for name in patches if (n := len((folder / name).read_text().splitlines())) > 20} == {}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_component_is_deployable_alone(overlay: str) -> None:
    """The overlay only lists its component folders, and their renders together are the overlay's render."""
    folder = MANIFESTS / "overlays" / overlay
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    components = sorted(path.parent.name for path in folder.glob("*/kustomization.yaml") if path.parent.name != "common")
    assert sorted(kustomization["resources"]) == components
    assert set(kustomization) == {"apiVersion", "kind", "resources"}
    rendered = [resource for name in components for resource in yaml.safe_load_all(kustomize(folder / name))]
    assert {identity(resource): resource for resource in rendered} == {identity(resource): resource for resource in objects(overlay)}
    assert len(rendered) == len(objects(overlay))


def test_base_has_no_versions_and_no_addresses() -> None:
    texts = {path: path.read_text() for path in (MANIFESTS / "base").rglob("*") if path.is_file()}
    images = {image for text in texts.values() for image in re.findall(r"^\s+image: (\S+)", text, re.M)}
    assert {image for image in images if not re.fullmatch(r"[a-z-]+", image)} == set()
    addresses = {a for text in texts.values() for a in re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text)}
    assert addresses <= {"0.0.0.0", "127.0.0.1", "192.0.2.0", "192.0.2.1"}


def requested(resources: list[Object]) -> tuple[float, float]:
    """CPUs and gigabytes requested by all pods; per pod the larger of init containers and containers."""
    cpus = memory = 0.0
    for pod in pods(resources):
        for size, add in (("cpu", cpu), ("memory", quantity)):
            total: Any = sum(add(c["resources"]["requests"][size]) for c in pod.spec["containers"])
            first = max((add(c["resources"]["requests"][size]) for c in pod.spec.get("initContainers", [])), default=0)
            if size == "cpu":
                cpus += pod.replicas * max(total, first)
            else:
                memory += pod.replicas * max(total, first) / 1e9
    return cpus, memory


def test_requests_are_within_each_namespaces_quota() -> None:
    for overlay in OVERLAYS:
        for quota in (t for t in objects(overlay) if t["kind"] == "ResourceQuota"):
            namespace = quota["metadata"]["namespace"]
            cpus, memory = requested([t for t in objects(overlay) if t["metadata"].get("namespace") == namespace])
            hard = quota["spec"]["hard"]
            # 30 % reserve: a rolling update runs old and new pods at the same time.
            assert cpus * 1.3 <= cpu(hard["requests.cpu"]), (overlay, namespace)
            assert memory * 1.3 <= quantity(hard["requests.memory"]) / 1e9, (overlay, namespace)


def unprotected(resources: list[Object]) -> list[str]:
    """Workloads with more than one replica but without PodDisruptionBudget and topology spread."""
    budgets = {(t["metadata"]["namespace"], str(t["spec"]["selector"])) for t in resources if t["kind"] == "PodDisruptionBudget"}
    several = [t for t in resources if t["kind"] in {"Deployment", "StatefulSet"} and t["spec"]["replicas"] > 1]
    return [
        identity(t)
        for t in several
        if (t["metadata"]["namespace"], str(t["spec"]["selector"])) not in budgets
        or not t["spec"]["template"]["spec"].get("topologySpreadConstraints")
    ]


@pytest.mark.parametrize("render", ["production", "external"])
def test_replicated_workloads_survive_a_drain(render: str) -> None:
    assert unprotected(objects(render)) == []
    replicated = {"airflow-api-server", "airflow-scheduler", "flink-jobmanager", "flink-taskmanager", "nessie"}
    without_budgets = unprotected([t for t in objects(render) if t["kind"] != "PodDisruptionBudget"])
    assert {name.rsplit("/", 1)[1] for name in without_budgets} == replicated


def spread_over(resource: Object) -> set[str]:
    """The topology keys that a workload with more than one pod is spread over."""
    return {
        constraint["topologyKey"]
        for pod in pods([resource])
        if pod.replicas > 1
        for constraint in pod.spec.get("topologySpreadConstraints", [])
        if constraint["labelSelector"]["matchLabels"].items() <= (pod.labels | {"ray.io/group": "replicas"}).items()
    }


def test_replicas_are_spread_over_nodes_and_zones() -> None:
    several = [t for t in objects("production") if any(pod.replicas > 1 for pod in pods([t]))]
    assert {t["metadata"]["name"] for t in several} == {
        "airflow-api-server",
        "airflow-scheduler",
        "flink-jobmanager",
        "flink-taskmanager",
        "nessie",
        "serve",
    }
    topologies = {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    assert {identity(t): missing for t in several if (missing := topologies - spread_over(t))} == {}


def test_single_instances_are_named_among_the_promises() -> None:
    text = (MANIFESTS.parent / "docs" / "promises.md").read_text()
    resources = [*objects("production"), *objects("external")]
    single = [t for t in resources if t["kind"] in {"Deployment", "StatefulSet"} and t["spec"]["replicas"] == 1]
    heads = [t for t in resources if t["kind"] in {"RayCluster", "RayService"}]
    assert len(single) >= 5
    assert len(heads) == 4
    assert [identity(t) for t in single + heads if f"`{t['metadata']['name']}`" not in text] == []
