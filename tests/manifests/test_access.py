"""Rights are few and named; no secret is in the repository."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.manifests import secrets
from tests.manifests.pods import pods
from tests.manifests.rendered import MANIFESTS, RENDERS, ROOT, Object, identity, objects
from tests.manifests.rules_pods import TOKENS

FORBIDDEN = {"secrets", "pods/exec", "pods/attach", "pods/portforward", "serviceaccounts/token", "nodes", "*"}
STRONG = {"*", "escalate", "bind", "impersonate"}


def too_much(things: list[Object]) -> Iterator[str]:
    """Cluster-wide rights, wildcards, and rights to secrets or to other people's pods."""
    for thing in things:
        if thing["kind"] in {"ClusterRole", "ClusterRoleBinding"}:
            yield f"{identity(thing)} is cluster-wide"
        for rule in thing.get("rules", []) if thing["kind"] == "Role" else []:
            if FORBIDDEN & set(rule["resources"]) or STRONG & set(rule["verbs"]) or "*" in rule["apiGroups"]:
                yield f"{identity(thing)}: {rule['verbs']} on {rule['resources']}"


@pytest.mark.parametrize("render", RENDERS)
def test_nobody_has_too_many_rights(render: str) -> None:
    assert list(too_much(objects(render))) == []


@pytest.mark.parametrize(
    "rule",
    [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]},
        {"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]},
    ],
)
def test_a_role_that_may_too_much_is_seen(rule: Any) -> None:
    assert list(too_much([{"kind": "Role", "metadata": {"name": "planted"}, "rules": [rule]}]))
    assert list(too_much([{"kind": "ClusterRole", "metadata": {"name": "planted"}}]))


@pytest.mark.parametrize("render", RENDERS)
def test_rights_are_those_of_three_accounts(render: str) -> None:
    """Who is bound to a role is one of those that may hold a token, and no other account mounts one."""
    bound = {subject["name"] for t in objects(render) if t["kind"] == "RoleBinding" for subject in t["subjects"]}
    assert bound <= TOKENS
    accounts = [t for t in objects(render) if t["kind"] == "ServiceAccount"]
    assert [identity(t) for t in accounts if t.get("automountServiceAccountToken") is not False] == []
    mounted = {p.spec["serviceAccountName"] for p in pods(objects(render)) if p.spec["automountServiceAccountToken"]}
    assert mounted <= TOKENS


@pytest.mark.parametrize("render", RENDERS)
def test_every_namespace_is_restricted_and_has_a_quota(render: str) -> None:
    spaces = [t for t in objects(render) if t["kind"] == "Namespace"]
    assert len(spaces) >= 7
    for space in spaces:
        labels = space["metadata"]["labels"]
        assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")} == {"restricted"}
        kinds = {t["kind"] for t in objects(render) if t["metadata"].get("namespace") == space["metadata"]["name"]}
        assert {"LimitRange", "ResourceQuota", "NetworkPolicy", "ServiceAccount"} <= kinds


def leaked(things: list[Object]) -> list[str]:
    """Secrets with data, and values that look like one."""
    found = [identity(t) for t in things if t["kind"] == "Secret" and (t.get("data") or t.get("stringData"))]
    texts = [(identity(t), f"{k}={v}") for t in things if t["kind"] == "ConfigMap" for k, v in t.get("data", {}).items()]
    return found + [
        f"{who}: {text[:60]}" for who, text in texts if re.search(r"(?i)(password|secret[._]?key|token)\s*[=:]\s*[^\s/$]", text)
    ]


@pytest.mark.parametrize("render", RENDERS)
def test_no_secret_is_in_the_repository(render: str) -> None:
    assert leaked(objects(render)) == []
    assert not [path for path in MANIFESTS.rglob("kustomization.yaml") if "secretGenerator" in path.read_text()]


def test_a_secret_in_the_repository_is_seen() -> None:
    assert leaked([{"kind": "Secret", "metadata": {"name": "planted"}, "data": {"a": "Yg=="}}])
    assert leaked([{"kind": "ConfigMap", "metadata": {"name": "planted"}, "data": {"x.properties": "password=hunter2"}}])


def test_what_a_deployment_generates_is_ignored_by_git() -> None:
    assert "/.stack/" in (ROOT / ".gitignore").read_text().splitlines()
    assert "SECRETS_DIR=$(state_dir)/secrets" in (ROOT / "scripts" / "deploy-all.sh").read_text()


def test_production_takes_every_secret_from_a_store() -> None:
    things = objects("production")
    external = {(t["metadata"]["namespace"], t["spec"]["target"]["name"]) for t in things if t["kind"] == "ExternalSecret"}
    spaces = {t["metadata"]["name"] for t in things if t["kind"] == "Namespace"}
    assert external == {name for name in secrets.names() if name[0] in spaces} - {("clickstream-spark", "spark-standalone")}


def test_every_secret_of_the_table_is_used() -> None:
    text = yaml.safe_dump_all(objects("composed"))
    assert {name for _, name in secrets.names() if f"secretName: {name}" not in text} == set()
