"""Extracts every pod template from the rendered objects, including those inside custom resources."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.manifests.rendered import Object, identity

MIB = 1024**2
UNITS = {"Ki": 1024, "Mi": MIB, "Gi": 1024**3, "k": 1000, "M": 10**6, "G": 10**9, "m": MIB, "g": 1024**3}


@dataclass(frozen=True)
class Pod:
    """A pod's specification, and where it comes from."""

    origin: str
    namespace: str
    labels: dict[str, str]
    spec: dict[str, Any]
    replicas: int = 1
    claims: tuple[str, ...] = field(default=())

    @property
    def containers(self) -> list[dict[str, Any]]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    def as_job(self) -> Object:
        """The pod as a Pod, or as a Job if it terminates: scanners require no probes of a Job."""
        pod = self.as_object()
        if self.spec.get("restartPolicy") != "Never":
            return pod
        template = {"metadata": {"labels": self.labels}, "spec": pod["spec"]}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": pod["metadata"], "spec": {"template": template}}

    def as_object(self) -> Object:
        """The pod as an object for admission or a scanner."""
        name = "".join(c if c.isalnum() else "-" for c in self.origin.lower()).strip("-")
        spec = {**self.spec, "volumes": [*self.spec.get("volumes", []), *({"name": c, "emptyDir": {}} for c in self.claims)]}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name[:63].strip("-"), "namespace": self.namespace, "labels": self.labels},
            "spec": spec,
        }


def pods(resources: list[Object]) -> list[Pod]:
    """The pods of all objects."""
    return [pod for resource in resources for pod in of(resource)]


def of(resource: Object) -> Iterator[Pod]:
    """The pods of one object."""
    namespace = resource["metadata"].get("namespace", "")
    claims = tuple(claim["metadata"]["name"] for claim in resource.get("spec", {}).get("volumeClaimTemplates", []))
    for path, template in _templates(resource, ""):
        origin = f"{identity(resource)}{path}"
        labels = template.get("metadata", {}).get("labels", {})
        spec = _with_sizes(resource, path, template["spec"]) if resource["kind"] == "SparkApplication" else template["spec"]
        yield Pod(origin, namespace, labels, spec, _replicas(resource, path), claims)


def _templates(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Path and value of every pod template (a mapping whose `spec` has containers) below a node."""
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from _templates(item, f"{path}/{number}")
    if not isinstance(node, dict):
        return
    if isinstance(node.get("spec"), dict) and "containers" in node["spec"]:
        yield path, node
        return
    for key, value in node.items():
        yield from _templates(value, path if key in {"spec", "template", "jobTemplate"} else f"{path}/{key}")


def _replicas(resource: Object, path: str) -> int:
    spec = resource.get("spec", {})
    if "/workerGroupSpecs/" in path:
        groups = spec.get("rayClusterConfig", spec)["workerGroupSpecs"]
        return int(groups[int(path.rsplit("/", 1)[1])]["minReplicas"])
    return 0 if resource["kind"] in {"CronJob", "SparkApplication"} else int(spec.get("replicas", 1))


def _with_sizes(application: Object, path: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A Spark pod with the requests and limits that Spark sets from the fields of its role."""
    role = application["spec"][path.strip("/")]
    memory = f"{(quantity(role['memory']) + quantity(role['memoryOverhead'])) // MIB}Mi"
    sizes = {"requests": {"cpu": role["coreRequest"], "memory": memory}, "limits": {"cpu": role["coreLimit"], "memory": memory}}
    first = spec["containers"][0]
    sized = {kind: first["resources"][kind] | sizes[kind] for kind in sizes}
    return {**spec, "containers": [{**first, "resources": sized}, *spec["containers"][1:]]}


def quantity(text: str | int | float) -> int:
    """Bytes of a Kubernetes quantity or of a JVM's size."""
    text = str(text)
    unit = next((u for u in sorted(UNITS, key=len, reverse=True) if text.endswith(u)), "")
    return int(float(text.removesuffix(unit)) * UNITS.get(unit, 1))


def cpu(text: str | int | float) -> float:
    """CPUs of a Kubernetes quantity."""
    text = str(text)
    return float(text.removesuffix("m")) / 1000 if text.endswith("m") else float(text)
