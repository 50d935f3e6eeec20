"""Computes the connections that the network policies allow, with the semantics of Kubernetes."""

from dataclasses import dataclass
from typing import Any

from tests.manifests.pods import pods
from tests.manifests.rendered import Object

Labels = dict[str, str]
NAME = "app.kubernetes.io/name"
# Pods that our policies name but our manifests do not create: namespace, labels, short name.
DNS = ("kube-system", {"k8s-app": "kube-dns"}, "dns")
RAY_OPERATOR = ("ray-operator", {NAME: "kuberay"}, "ray-operator")
INGRESS_CONTROLLER = ("ingress-nginx", {NAME: "ingress-nginx"}, "ingress-controller")


@dataclass(frozen=True)
class Connection:
    """An allowed connection: pods `source` may connect to pods or addresses `target` on `port`; '*' is any port."""

    source: str
    target: str
    port: str

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}:{self.port}"


Node = tuple[str, Labels, str]


def nodes(resources: list[Object]) -> list[Node]:
    """Namespace, labels and short name of every kind of pod: ours, what Airflow, Spark and Ray jobs start, DNS, the operator."""
    pod_kinds = {(pod.namespace, pod.labels[NAME]) for pod in pods(resources)}
    pod_kinds |= {("clickstream-spark", f"spark-{role}") for role in ("driver", "executor")} | {("clickstream-ray", "ray-submitter")}
    own_nodes: list[Node] = [(ns, {NAME: name}, f"{ns.removeprefix('clickstream-')}/{name}") for ns, name in sorted(pod_kinds)]
    return [*own_nodes, DNS, RAY_OPERATOR, INGRESS_CONTROLLER]


def connections(resources: list[Object]) -> set[Connection]:
    """Every connection allowed by egress and ingress, and every egress to an address outside of the cluster."""
    policies = [resource for resource in resources if resource["kind"] == "NetworkPolicy"]
    all_nodes = nodes(resources)
    egress = {(a[2], b): ports for a in all_nodes for b, ports in _sides(policies, a, "egress", all_nodes).items()}
    ingress = {(b, a[2]): ports for a in all_nodes for b, ports in _sides(policies, a, "ingress", all_nodes).items()}
    inside = {Connection(*pair, port) for pair in egress.keys() & ingress.keys() for port in _both(egress[pair], ingress[pair])}
    names, others = {node[2] for node in all_nodes}, {DNS[2], RAY_OPERATOR[2], INGRESS_CONTROLLER[2]}
    inside = {connection for connection in inside if not {connection.source, connection.target} <= others}
    to_addresses = {(source, target): ports for (source, target), ports in egress.items() if target not in names}
    return inside | {Connection(source, target, port) for (source, target), ports in to_addresses.items() for port in ports}


def _both(left: set[str], right: set[str]) -> set[str]:
    return right if "*" in left else left if "*" in right else left & right


def _sides(policies: list[Object], node: Node, direction: str, all_nodes: list[Node]) -> dict[str, set[str]]:
    """Ports by the name of the peer, for one pod and the direction `ingress` or `egress`."""
    selected = [p["spec"] for p in policies if p["metadata"]["namespace"] == node[0] and _selects(p["spec"]["podSelector"], node[1])]
    if not any(direction.capitalize() in spec["policyTypes"] for spec in selected):
        return {peer[2]: {"*"} for peer in all_nodes}
    peers_by_name: dict[str, set[str]] = {}
    for rule in (rule for spec in selected for rule in spec.get(direction, [])):
        ports = {str(port["port"]) for port in rule.get("ports", [])} or {"*"}
        for peer in rule.get("from" if direction == "ingress" else "to", [{"ipBlock": {"cidr": "0.0.0.0/0"}}]):
            for name in _peers(peer, node[0], all_nodes):
                peers_by_name.setdefault(name, set()).update(ports)
    return peers_by_name


def _peers(peer: Any, own: str, all_nodes: list[Node]) -> list[str]:
    if "ipBlock" in peer:
        return [str(peer["ipBlock"]["cidr"])]
    namespace_selector = peer.get("namespaceSelector")
    return [
        name
        for namespace, labels, name in all_nodes
        if (namespace == own if namespace_selector is None else _selects(namespace_selector, {"kubernetes.io/metadata.name": namespace}))
        and _selects(peer.get("podSelector", {}), labels)
    ]


def _selects(selector: Any, labels: Labels) -> bool:
    match_labels = selector.get("matchLabels", {})
    labels_match = all(labels.get(key) == value for key, value in match_labels.items())
    return labels_match and all(_matches(expression, labels) for expression in selector.get("matchExpressions", []))


def _matches(expression: Any, labels: Labels) -> bool:
    assert expression["operator"] == "In", expression
    return labels.get(expression["key"]) in expression["values"]
