"""Rules for pod specs. Each rule yields its violations as text."""

import re
from collections.abc import Iterator
from typing import Any

from tests.manifests.pods import MIB, Pod, quantity

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SIZES = ("cpu", "memory", "ephemeral-storage")
# Service accounts whose pods have a token: they create pods, their operator requires it, or Flink's high availability.
TOKENS = {"airflow-scheduler", "flink-jobmanager", "flink-taskmanager", "ray-head", "spark-driver"}


def restricted(pod: Pod) -> Iterator[str]:
    """Pod Security `restricted`, and a UID of at least 10000."""
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(key):
            yield key
    pod_context = pod.spec.get("securityContext", {})
    if pod_context.get("runAsUser", 0) < 10000:
        yield f"runs as user {pod_context.get('runAsUser', 'of the image')}"
    if pod_context.get("seccompProfile", {}).get("type") != "RuntimeDefault" or not pod_context.get("runAsNonRoot"):
        yield "no seccomp profile, or root is allowed"
    for volume in pod.spec.get("volumes", []):
        if not set(volume) - {"name"} <= VOLUMES:
            yield f"volume {volume['name']} is of no allowed kind"
    for container in pod.containers:
        yield from (f"{container['name']}: {what}" for what in _container(container.get("securityContext", {})))


def _container(context: dict[str, Any]) -> Iterator[str]:
    if context.get("privileged") or context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if context.get("capabilities", {}).get("drop") != ["ALL"] or context["capabilities"].get("add"):
        yield "keeps capabilities"
    if context.get("runAsUser", 10000) < 10000:
        yield "runs as a low user"


def read_only(pod: Pod) -> Iterator[str]:
    """The root file system is read-only; writable paths are emptyDirs with a size limit."""
    for container in pod.containers:
        if not container.get("securityContext", {}).get("readOnlyRootFilesystem"):
            yield f"{container['name']}: its root file system is writable"
    for volume in pod.spec.get("volumes", []):
        if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
            yield f"emptyDir {volume['name']} has no size"
    volumes = {volume["name"] for volume in pod.spec.get("volumes", [])} | set(pod.claims)
    mounts = {mount["name"] for container in pod.containers for mount in container.get("volumeMounts", [])}
    if mounts != volumes:
        yield f"mounts and volumes differ: {sorted(mounts ^ volumes)}"


def sized(pod: Pod) -> Iterator[str]:
    """Requests and limits for everything; a request is never above its limit."""
    for container in pod.containers:
        sizes = container.get("resources", {})
        missing = [f"{kind}.{size}" for kind in ("requests", "limits") for size in SIZES if size not in sizes.get(kind, {})]
        if missing:
            yield f"{container['name']}: no {', '.join(missing)}"
        elif quantity(sizes["requests"]["memory"]) > quantity(sizes["limits"]["memory"]):
            yield f"{container['name']}: memory request is above its limit"


def heap_fits(pod: Pod) -> Iterator[str]:
    """JVM memory flags plus memory-backed volumes fit into the container's memory limit."""
    for container in pod.containers:
        arguments = " ".join(
            [*container.get("command", []), *container.get("args", []), *(str(e.get("value", "")) for e in container.get("env", []))]
        )
        heap_sizes = [
            size for flag in ("Xmx", "XX:MaxMetaspaceSize=", "XX:MaxDirectMemorySize=") for size in re.findall(rf"-{flag}(\w+)", arguments)
        ]
        limit = quantity(container["resources"]["limits"]["memory"])
        used = sum(quantity(size) for size in heap_sizes) + (64 * MIB if heap_sizes else 0)
        memory = sum(quantity(v["emptyDir"]["sizeLimit"]) for v in pod.spec.get("volumes", []) if v.get("emptyDir", {}).get("medium"))
        if used + memory > limit:
            yield f"{container['name']}: JVM flags and memory volumes sum to {(used + memory) // MIB} MiB, limit {limit // MIB}"


def probed(pod: Pod) -> Iterator[str]:
    """Servers have startup, readiness and liveness probes, and readiness differs from liveness."""
    if pod.spec.get("restartPolicy", "Always") != "Always":
        return
    for container in pod.spec["containers"]:
        missing = [kind for kind in ("startup", "readiness", "liveness") if f"{kind}Probe" not in container]
        if missing:
            yield f"{container['name']}: no {', '.join(missing)} probe"
        elif _question(container["readinessProbe"]) == _question(container["livenessProbe"]):
            yield f"{container['name']}: readiness and liveness probe are equal"


def _question(probe: dict[str, Any]) -> str:
    return repr([probe.get(kind) for kind in ("httpGet", "tcpSocket", "exec", "grpc")])


def tokenless(pod: Pod) -> Iterator[str]:
    """An own service account, and no token except for the named accounts."""
    account = pod.spec.get("serviceAccountName", "default")
    if account == "default":
        yield "runs as the default service account"
    if pod.spec.get("automountServiceAccountToken") is not False and account not in TOKENS:
        yield f"{account} has a token"


def secrets_are_files(pod: Pod) -> Iterator[str]:
    """No secret in environment variables: child processes and crash reports would contain it."""
    for container in pod.containers:
        values = [entry["name"] for entry in container.get("env", []) if "secretKeyRef" in entry.get("valueFrom", {})]
        if values or any("secretRef" in source for source in container.get("envFrom", [])):
            yield f"{container['name']}: a secret in its environment"


def no_service_links(pod: Pod) -> Iterator[str]:
    """No variables of Services: one named clickstream-x would inject CLICKSTREAM_X_*, which the settings refuse as unknown."""
    if pod.spec.get("enableServiceLinks") is not False:
        yield "enableServiceLinks is not false"


def keeps_logs(pod: Pod) -> Iterator[str]:
    """No restarts of a Job's container in place: Kubernetes deletes such a pod, and its logs, at the backoff limit."""
    if pod.spec.get("restartPolicy") == "OnFailure":
        yield "restartPolicy OnFailure: use Never"


RULES = (no_service_links, restricted, read_only, sized, heap_fits, probed, tokenless, secrets_are_files, keeps_logs)
