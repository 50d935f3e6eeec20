"""The network policies as the cluster enforces them: each allowed connection works and every other one fails, tried from pods."""

from typing import Any

from tests.cluster import overlay, probes
from tests.cluster.cluster import Cluster
from tests.manifests.connections import Connection, connections


def test_exactly_the_allowed_connections_work(cluster: Cluster, measured: dict[str, Any]) -> None:
    resources = overlay.render(cluster.overlay)
    components = probes.components(resources)
    allowed = {c for c in connections(resources) if c.source in components and c.target in components}
    listening = probes.ports(allowed)
    image = next(name for resource in resources for name in overlay.own_images(resource) if "/tools:" in name)
    try:
        addresses = probes.create(cluster, resources, image, listening)
        opened, tried = set(), 0
        for source, (namespace, name) in components.items():
            targets = {
                f"{address}:{port}": (target, port) for target, address in addresses.items() if target != source for port in listening
            }
            tried += len(targets)
            opened |= {(source, *targets[text]) for text in probes.open_connections(cluster, namespace, name, list(targets))}
    finally:
        probes.delete(cluster, resources)
    expected = expand(allowed, listening)
    measured |= {"tried": tried, "opened": len(opened), "refused": tried - len(opened)}
    assert opened - expected == set(), "these connections must fail"
    assert expected - opened == set(), "these connections must work"
    assert len(opened) >= 40
    assert tried - len(opened) >= 30


def expand(allowed: set[Connection], listening: list[int]) -> set[tuple[str, str, int]]:
    """Returns source, target and port of each allowed connection between different components."""
    pairs = {(c.source, c.target, port) for c in allowed for port in listening if c.port in {"*", str(port)}}
    return {(source, target, port) for source, target, port in pairs if source != target}
