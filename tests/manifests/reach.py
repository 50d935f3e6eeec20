"""Who can reach whom: the graph that the network policies allow, computed as a cluster computes it."""

from dataclasses import dataclass
from typing import Any

from tests.manifests.pods import pods
from tests.manifests.rendered import Object

Labels = dict[str, str]
NAME = "app.kubernetes.io/name"
# Pods of others that our policies name.
DNS = ("kube-system", {"k8s-app": "kube-dns"}, "dns")
RAY_OPERATOR = ("ray-operator", {NAME: "kuberay"}, "ray-operator")


@dataclass(frozen=True)
class Arrow:
    """`source` may open a connection to `target` on `port`; '*' is any."""

    source: str
    target: str
    port: str

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}:{self.port}"


Node = tuple[str, Labels, str]


def nodes(things: list[Object]) -> list[Node]:
    """Namespace, labels and short name of every kind of pod: ours, what Airflow and Spark start, DNS, the operator."""
    found = {(pod.namespace, pod.labels[NAME]) for pod in pods(things)}
    found |= {("clickstream-spark", f"spark-{half}") for half in ("driver", "executor")}
    ours: list[Node] = [(ns, {NAME: name}, f"{ns.removeprefix('clickstream-')}/{name}") for ns, name in sorted(found)]
    return [*ours, DNS, RAY_OPERATOR]


def arrows(things: list[Object]) -> set[Arrow]:
    """Every connection that both ends allow, and every one out to an address outside of the cluster."""
    policies = [thing for thing in things if thing["kind"] == "NetworkPolicy"]
    everyone = nodes(things)
    out = {(a[2], b): ports for a in everyone for b, ports in _sides(policies, a, "egress", everyone).items()}
    into = {(b, a[2]): ports for a in everyone for b, ports in _sides(policies, a, "ingress", everyone).items()}
    inside = {Arrow(*pair, port) for pair in out.keys() & into.keys() for port in _both(out[pair], into[pair])}
    names, others = {node[2] for node in everyone}, {DNS[2], RAY_OPERATOR[2]}
    inside = {arrow for arrow in inside if not {arrow.source, arrow.target} <= others}
    return inside | {Arrow(source, target, port) for (source, target), ports in out.items() if target not in names for port in ports}


def _both(one: set[str], other: set[str]) -> set[str]:
    return other if "*" in one else one if "*" in other else one & other


def _sides(policies: list[Object], node: Node, way: str, everyone: list[Node]) -> dict[str, set[str]]:
    """The peers of one pod in one direction, with ports."""
    mine = [p["spec"] for p in policies if p["metadata"]["namespace"] == node[0] and _selects(p["spec"]["podSelector"], node[1])]
    if not any(way.capitalize() in spec["policyTypes"] for spec in mine):
        return {peer[2]: {"*"} for peer in everyone}
    found: dict[str, set[str]] = {}
    for rule in (rule for spec in mine for rule in spec.get(way, [])):
        ports = {str(port["port"]) for port in rule.get("ports", [])} or {"*"}
        for peer in rule.get("from" if way == "ingress" else "to", [{"ipBlock": {"cidr": "0.0.0.0/0"}}]):
            for name in _peers(peer, node[0], everyone):
                found.setdefault(name, set()).update(ports)
    return found


def _peers(peer: Any, own: str, everyone: list[Node]) -> list[str]:
    if "ipBlock" in peer:
        return [str(peer["ipBlock"]["cidr"])]
    spaces = peer.get("namespaceSelector")
    return [
        name
        for namespace, labels, name in everyone
        if (namespace == own if spaces is None else _selects(spaces, {"kubernetes.io/metadata.name": namespace}))
        and _selects(peer.get("podSelector", {}), labels)
    ]


def _selects(selector: Any, labels: Labels) -> bool:
    wanted = selector.get("matchLabels", {})
    exact = all(labels.get(key) == value for key, value in wanted.items())
    return exact and all(_matches(expression, labels) for expression in selector.get("matchExpressions", []))


def _matches(expression: Any, labels: Labels) -> bool:
    assert expression["operator"] == "In", expression
    return labels.get(expression["key"]) in expression["values"]
