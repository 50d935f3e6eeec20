"""Every name that an object uses exists in the render: a hashed name that Kustomize did not follow is a pod that never starts."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.manifests.pods import Pod, of
from tests.manifests.rendered import Object, identity

Known = dict[tuple[str, str], set[str]]


def known(things: list[Object], secrets: set[tuple[str, str]]) -> Known:
    """Names by kind and namespace; the Secrets are those that a deployment makes."""
    found: Known = defaultdict(set)
    for thing in things:
        found[thing["kind"], thing["metadata"].get("namespace", "")].add(thing["metadata"]["name"])
    for namespace, name in secrets:
        found["Secret", namespace].add(name)
    return found


def dangling(things: list[Object], secrets: set[tuple[str, str]], others: list[Object] | None = None) -> list[str]:
    """References of `things` that lead nowhere in them, or in `others`."""
    names = known(things + (others or []), secrets)
    return sorted({f"{who}: no {kind} {ns}/{name}" for who, kind, ns, name in references(things) if name not in names[kind, ns]})


def references(things: list[Object]) -> Iterator[tuple[str, str, str, str]]:
    """Who names what: origin, kind, namespace, name."""
    for thing in things:
        for pod in of(thing):
            yield from ((pod.origin, kind, pod.namespace, name) for kind, name in _of_pod(pod))
        yield from ((identity(thing), *reference) for reference in _of_object(thing))


def _of_pod(pod: Pod) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", pod.spec.get("serviceAccountName", "default")
    for volume in pod.spec.get("volumes", []):
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for container in pod.containers:
        yield from _of_environment(container)


def _of_environment(container: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom", []):
        for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if key in source:
                yield kind, source[key]["name"]
    for entry in container.get("env", []):
        for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if key in entry.get("valueFrom", {}):
                yield kind, entry["valueFrom"][key]["name"]


def _of_object(thing: Object) -> Iterator[tuple[str, str, str]]:
    namespace = thing["metadata"].get("namespace", "")
    if thing["kind"] == "RoleBinding":
        yield thing["roleRef"]["kind"], namespace, thing["roleRef"]["name"]
        yield from ((s["kind"], s.get("namespace", namespace), s["name"]) for s in thing["subjects"])
    if thing["kind"] == "StatefulSet":
        yield "Service", namespace, thing["spec"]["serviceName"]
    if thing["kind"] == "SparkApplication":
        yield from (("ServiceAccount", namespace, thing["spec"][half]["serviceAccount"]) for half in ("driver", "executor"))


def images(node: Any) -> Iterator[str]:
    """Every image below a node, also those that Airflow's settings name."""
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and (key == "image" or key.endswith("_IMAGE")):
                yield value
            else:
                yield from images(value)
    elif isinstance(node, list):
        for item in node:
            yield from images(item)
