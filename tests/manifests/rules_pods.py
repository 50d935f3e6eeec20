"""What each pod must be like. Each rule returns what breaks it, in words."""

import re
from collections.abc import Iterator
from typing import Any

from tests.manifests.pods import MIB, Pod, quantity

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SIZES = ("cpu", "memory", "ephemeral-storage")
# Whose pods may hold a token: who makes pods, and whose operator says so.
TOKENS = {"airflow-scheduler", "ray-head", "spark-driver"}


def restricted(pod: Pod) -> Iterator[str]:
    """Pod Security's `restricted`, with a user that no distribution gives to anybody."""
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(key):
            yield key
    whole = pod.spec.get("securityContext", {})
    if whole.get("runAsUser", 0) < 10000:
        yield f"runs as user {whole.get('runAsUser', 'of the image')}"
    if whole.get("seccompProfile", {}).get("type") != "RuntimeDefault" or not whole.get("runAsNonRoot"):
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
    """The root file system is read-only; what is written goes to an emptyDir that has a size."""
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
            yield f"{container['name']}: asks for more memory than it may have"


def heap_fits(pod: Pod) -> Iterator[str]:
    """What a JVM is told to take, with the memory-backed volumes, is less than the container's limit."""
    for container in pod.containers:
        words = " ".join(
            [*container.get("command", []), *container.get("args", []), *(str(e.get("value", "")) for e in container.get("env", []))]
        )
        told = [size for flag in ("Xmx", "XX:MaxMetaspaceSize=", "XX:MaxDirectMemorySize=") for size in re.findall(rf"-{flag}(\w+)", words)]
        limit = quantity(container["resources"]["limits"]["memory"])
        taken = sum(quantity(size) for size in told) + (64 * MIB if told else 0)
        memory = sum(quantity(v["emptyDir"]["sizeLimit"]) for v in pod.spec.get("volumes", []) if v.get("emptyDir", {}).get("medium"))
        if taken + memory > limit:
            yield f"{container['name']}: told to take {(taken + memory) // MIB} MiB of {limit // MIB}"


def probed(pod: Pod) -> Iterator[str]:
    """A server starts, is ready and lives, each by a probe; readiness asks something else than liveness."""
    if pod.spec.get("restartPolicy", "Always") != "Always":
        return
    for container in pod.spec["containers"]:
        missing = [kind for kind in ("startup", "readiness", "liveness") if f"{kind}Probe" not in container]
        if missing:
            yield f"{container['name']}: no {', '.join(missing)} probe"
        elif _question(container["readinessProbe"]) == _question(container["livenessProbe"]):
            yield f"{container['name']}: readiness and liveness ask the same"


def _question(probe: dict[str, Any]) -> str:
    return repr([probe.get(kind) for kind in ("httpGet", "tcpSocket", "exec", "grpc")])


def tokenless(pod: Pod) -> Iterator[str]:
    """A service account of its own, and no token of it but in the named ones."""
    account = pod.spec.get("serviceAccountName", "default")
    if account == "default":
        yield "runs as the default service account"
    if pod.spec.get("automountServiceAccountToken") is not False and account not in TOKENS:
        yield f"{account} holds a token"


def secrets_are_files(pod: Pod) -> Iterator[str]:
    """No secret in the environment: a child process and a crash report would have it too."""
    for container in pod.containers:
        values = [entry["name"] for entry in container.get("env", []) if "secretKeyRef" in entry.get("valueFrom", {})]
        if values or any("secretRef" in source for source in container.get("envFrom", [])):
            yield f"{container['name']}: a secret in its environment"


RULES = (restricted, read_only, sized, heap_fits, probed, tokenless, secrets_are_files)
