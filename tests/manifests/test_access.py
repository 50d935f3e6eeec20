"""RBAC is minimal, and no secret is in the repository."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.manifests import secrets
from tests.manifests.pods import pods
from tests.manifests.rendered import MANIFESTS, RENDERS, Object, identity, objects
from tests.manifests.rules_pods import TOKENS
from tests.manifests.runtime import airflow_resources

FORBIDDEN = {"secrets", "pods/exec", "pods/attach", "pods/portforward", "serviceaccounts/token", "nodes", "*"}
STRONG = {"*", "escalate", "bind", "impersonate"}


def excessive_permissions(resources: list[Object]) -> Iterator[str]:
    """Cluster-wide permissions, wildcards, and permissions on Secrets or pods/exec."""
    for resource in resources:
        if resource["kind"] in {"ClusterRole", "ClusterRoleBinding"}:
            yield f"{identity(resource)} is cluster-wide"
        for rule in resource.get("rules", []) if resource["kind"] == "Role" else []:
            if FORBIDDEN & set(rule["resources"]) or STRONG & set(rule["verbs"]) or "*" in rule["apiGroups"]:
                yield f"{identity(resource)}: {rule['verbs']} on {rule['resources']}"


@pytest.mark.parametrize("render", RENDERS)
def test_no_role_is_excessive(render: str) -> None:
    assert list(excessive_permissions(objects(render))) == []


@pytest.mark.parametrize(
    "rule",
    [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]},
        {"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]},
    ],
)
def test_an_excessive_role_is_found(rule: Any) -> None:
    assert list(excessive_permissions([{"kind": "Role", "metadata": {"name": "planted"}, "rules": [rule]}]))
    assert list(excessive_permissions([{"kind": "ClusterRole", "metadata": {"name": "planted"}}]))


@pytest.mark.parametrize("render", RENDERS)
def test_only_five_accounts_have_permissions_and_tokens(render: str) -> None:
    """Only TOKENS are bound to roles, and only their pods mount a token."""
    bound = {subject["name"] for t in objects(render) if t["kind"] == "RoleBinding" for subject in t["subjects"]}
    assert bound <= TOKENS
    accounts = [t for t in objects(render) if t["kind"] == "ServiceAccount"]
    assert [identity(t) for t in accounts if t.get("automountServiceAccountToken") is not False] == []
    mounted = {p.spec["serviceAccountName"] for p in pods(objects(render)) if p.spec["automountServiceAccountToken"]}
    assert mounted == TOKENS - {"spark-driver"}


def test_spark_drivers_have_a_token() -> None:
    """The driver creates its executors through the API server; the executors call nobody."""
    mounted = {pod.spec["serviceAccountName"] for pod in pods(airflow_resources()) if pod.spec["automountServiceAccountToken"]}
    assert mounted == {"spark-driver"}


@pytest.mark.parametrize("render", RENDERS)
def test_every_namespace_is_restricted_and_has_a_quota(render: str) -> None:
    namespaces = [t for t in objects(render) if t["kind"] == "Namespace"]
    assert len(namespaces) >= 6
    for namespace in namespaces:
        labels = namespace["metadata"]["labels"]
        assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")} == {"restricted"}
        kinds = {t["kind"] for t in objects(render) if t["metadata"].get("namespace") == namespace["metadata"]["name"]}
        assert {"LimitRange", "ResourceQuota", "NetworkPolicy", "ServiceAccount"} <= kinds


def leaked(resources: list[Object]) -> list[str]:
    """Secrets with data, and values that look like one."""
    secrets_with_data = [identity(t) for t in resources if t["kind"] == "Secret" and (t.get("data") or t.get("stringData"))]
    texts = [(identity(t), f"{k}={v}") for t in resources if t["kind"] == "ConfigMap" for k, v in t.get("data", {}).items()]
    return secrets_with_data + [
        f"{origin}: {text[:60]}" for origin, text in texts if re.search(r"(?i)(password|secret[._]?key|token)\s*[=:]\s*[^\s/$]", text)
    ]


@pytest.mark.parametrize("render", RENDERS)
def test_no_secret_is_in_the_repository(render: str) -> None:
    assert leaked(objects(render)) == []
    assert not [path for path in MANIFESTS.rglob("kustomization.yaml") if "secretGenerator" in path.read_text()]


def test_a_planted_secret_is_found() -> None:
    assert leaked([{"kind": "Secret", "metadata": {"name": "planted"}, "data": {"a": "Yg=="}}])
    assert leaked([{"kind": "ConfigMap", "metadata": {"name": "planted"}, "data": {"x.properties": "password=hunter2"}}])


@pytest.mark.parametrize("render", ["production", "external"])
def test_production_reads_every_secret_from_an_external_store(render: str) -> None:
    """Each Secret that a pod mounts, also a pod that Airflow or Spark creates; Flink's lake-keys may be missing with workload identity."""
    resources = objects(render)
    external = {(t["metadata"]["namespace"], t["spec"]["target"]["name"]) for t in resources if t["kind"] == "ExternalSecret"}
    mounted = {(pod.namespace, v["secret"]["secretName"]) for pod in pods(resources) for v in pod.spec.get("volumes", []) if "secret" in v}
    assert external == mounted | ({("clickstream-spark", "lake-keys")} if render == "production" else set())


def test_every_secret_of_the_table_is_used() -> None:
    text = yaml.safe_dump_all(objects("composed"))
    assert {name for _, name in secrets.names() if f"secretName: {name}" not in text} == set()
