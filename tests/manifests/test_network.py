"""The network policies allow exactly the connections of docs/kubernetes.md."""

import re
from copy import deepcopy
from typing import Any

import pytest

from tests.manifests.connections import RAY_OPERATOR, Connection, connections
from tests.manifests.rendered import MANIFESTS, RENDERS, ROOT, Object, identity, objects

PAGE = ROOT / "docs" / "kubernetes.md"


def documented() -> set[Connection]:
    """The rows of the page's table of connections: from | to | ports."""
    rows = re.findall(
        r"^\| ([\w/-]+(?:, [\w/-]+)*) \| ([\w/-]+) \| ([\d, *]+) \|",
        PAGE.read_text().split("## Allowed connections")[1].split("\n## ")[0],
        re.M,
    )
    return {
        Connection(source, target, port) for sources, target, ports in rows for source in sources.split(", ") for port in ports.split(", ")
    }


def inside(resources: list[Object]) -> set[Connection]:
    """Connections between pods, without those to DNS."""
    return {
        connection for connection in connections(resources) if connection.target != "dns" and not re.search(r"/\d+$", connection.target)
    }


def outside(resources: list[Object]) -> set[tuple[str, str]]:
    """Pods with egress out of the cluster, and the port."""
    return {(connection.source, connection.port) for connection in connections(resources) if re.search(r"/\d+$", connection.target)}


def test_allowed_connections_are_those_of_the_page() -> None:
    allowed, documented_connections = inside(objects("composed")), documented()
    assert {str(connection) for connection in allowed - documented_connections} == set(), "allowed, but not on the page"
    assert {str(connection) for connection in documented_connections - allowed} == set(), "on the page, but not allowed"


def test_production_differs_only_in_its_object_store() -> None:
    missing = {connection for connection in documented() if connection.target in {"object-store/object-store", "ray/ray-redis"}}
    assert inside(objects("production")) == documented() - missing


def test_only_named_pods_have_egress_out_of_the_cluster() -> None:
    api = {"airflow/airflow-scheduler", "flink/flink-jobmanager", "flink/flink-taskmanager", "ray/ray-head", "spark/spark-driver"}
    assert outside(objects("local")) == {(pod, port) for pod in api for port in ("443", "6443", "8443")}
    lake = {source for source, port in outside(objects("production")) if port == "443"}
    assert lake == {connection.source for connection in documented() if connection.target == "object-store/object-store"}


def test_only_the_operator_connects_to_the_ray_dashboard_from_another_namespace() -> None:
    """Port 8265 allows code execution."""
    sources = {c.source for c in inside(objects("local")) if c.target == "ray/ray-head" and c.port in {"8265", "*"}}
    assert sources == {RAY_OPERATOR[2], "ray/ray-head", "ray/ray-worker", "ray/ray-submitter"}


def test_every_pod_reaches_dns() -> None:
    allowed = connections(objects("local"))
    sources = {connection.source for connection in allowed if connection.target == "dns"}
    assert len(sources) >= 15
    assert {connection.port for connection in allowed if connection.target == "dns"} == {"53"}


def test_the_operator_that_may_reach_ray_is_the_one_that_is_deployed() -> None:
    text = (MANIFESTS / "operators" / "ray" / "kustomization.yaml").read_text()
    assert f"\nnamespace: {RAY_OPERATOR[0]}\n" in text


def policy_named(resources: list[Object], namespace: str, name: str) -> Any:
    """The NetworkPolicy of this name."""
    return next(t for t in resources if identity(t) == f"NetworkPolicy {namespace}/{name}")


def open_rules(resources: list[Object]) -> list[str]:
    """Rules without peers or ports, and namespaces without default deny."""
    policies = [resource for resource in resources if resource["kind"] == "NetworkPolicy"]
    closed = {
        p["metadata"]["namespace"]
        for p in policies
        if p["spec"]["podSelector"] == {}
        and p["spec"]["policyTypes"] == ["Ingress", "Egress"]
        and not {"ingress", "egress"} & set(p["spec"])
    }
    namespaces = {resource["metadata"]["name"] for resource in resources if resource["kind"] == "Namespace"}
    return [f"{name} has no default deny" for name in sorted(namespaces - closed)] + [
        f"{identity(p)}: a rule without peers or ports"
        for p in policies
        for rule in _rules(p)
        if not _narrow(rule) or "0.0.0.0/0" in str(rule)
    ]


def _rules(policy: Object) -> list[Any]:
    return [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]


def _narrow(rule: Any) -> bool:
    """Whether a rule names its peers; pods of one component may use all of each other's ports."""
    peers = rule.get("from", rule.get("to"))
    return (
        bool(peers)
        and all(peer and peer.get("podSelector", True) != {} for peer in peers)
        and ("ports" in rule or "namespaceSelector" not in str(peers))
    )


@pytest.mark.parametrize("render", RENDERS)
def test_no_rule_is_open(render: str) -> None:
    assert open_rules(objects(render)) == []


@pytest.mark.parametrize(
    "rule", [{}, {"from": [{}]}, {"from": [{"podSelector": {}}]}, {"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 1}]}]
)
def test_an_open_rule_is_found(rule: Any) -> None:
    resources = deepcopy(objects("local"))
    policy = policy_named(resources, "clickstream-kafka", "from-streams")
    policy["spec"]["ingress"] = [rule]
    assert open_rules(resources)


def test_a_namespace_without_default_deny_is_found() -> None:
    resources = [t for t in objects("local") if t["metadata"]["name"] != "deny-all"]
    assert len(open_rules(resources)) == len([t for t in resources if t["kind"] == "Namespace"])
    assert Connection("tools/tool", "airflow/airflow-api-server", "*") not in inside(resources)


def test_a_new_connection_is_found() -> None:
    resources = deepcopy(objects("local"))
    policy = policy_named(resources, "clickstream-kafka", "from-streams")
    policy["spec"]["ingress"][0]["from"][0]["namespaceSelector"]["matchExpressions"][0]["values"].append("clickstream-spark")
    new_policy = deepcopy(policy_named(resources, "clickstream-flink", "to-kafka"))
    new_policy["metadata"]["namespace"] = "clickstream-spark"
    new_policy["spec"]["podSelector"] = {"matchLabels": {"app.kubernetes.io/name": "spark-driver"}}
    assert inside([*resources, new_policy]) - inside(resources) == {Connection("spark/spark-driver", "kafka/kafka", "9092")}
