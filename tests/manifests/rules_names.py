"""Finds references to objects that do not exist, e.g. a hashed ConfigMap name that Kustomize did not rewrite."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.manifests.pods import Pod, of
from tests.manifests.rendered import Object, identity

NamesByKind = dict[tuple[str, str], set[str]]


def existing_names(resources: list[Object], secrets: set[tuple[str, str]]) -> NamesByKind:
    """Names by kind and namespace; the Secrets are those that a deployment makes."""
    names_by_kind: NamesByKind = defaultdict(set)
    for resource in resources:
        names_by_kind[resource["kind"], resource["metadata"].get("namespace", "")].add(resource["metadata"]["name"])
    for namespace, name in secrets:
        names_by_kind["Secret", namespace].add(name)
    return names_by_kind


def dangling(resources: list[Object], secrets: set[tuple[str, str]], other_resources: list[Object] | None = None) -> list[str]:
    """References of `resources` to names that exist neither in them nor in `other_resources`."""
    existing = existing_names(resources + (other_resources or []), secrets)
    return sorted(
        {f"{origin}: no {kind} {ns}/{name}" for origin, kind, ns, name in references(resources) if name not in existing[kind, ns]}
    )


def references(resources: list[Object]) -> Iterator[tuple[str, str, str, str]]:
    """All references as origin, kind, namespace, name."""
    for resource in resources:
        for pod in of(resource):
            yield from ((pod.origin, kind, pod.namespace, name) for kind, name in _of_pod(pod))
        yield from ((identity(resource), *reference) for reference in _of_object(resource))


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


def _of_object(resource: Object) -> Iterator[tuple[str, str, str]]:
    namespace = resource["metadata"].get("namespace", "")
    if resource["kind"] == "RoleBinding":
        yield resource["roleRef"]["kind"], namespace, resource["roleRef"]["name"]
        yield from ((s["kind"], s.get("namespace", namespace), s["name"]) for s in resource["subjects"])
    if resource["kind"] == "StatefulSet":
        yield "Service", namespace, resource["spec"]["serviceName"]
    if resource["kind"] == "SparkApplication":
        yield from (("ServiceAccount", namespace, resource["spec"][role]["serviceAccount"]) for role in ("driver", "executor"))
