"""Pod specs of the apps that Airflow starts: they pass the Pod Security level `restricted` and mount the lake's credentials."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from clickstream_contracts.settings import Settings, SettingsError

USER = 10001
# A volume and the path where it is mounted.
Volume = tuple[dict[str, Any], str]
TMP: Volume = ({"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}}, "/tmp")
KEYS: Volume = ({"name": "lake-keys", "secret": {"secretName": "lake-keys", "defaultMode": 0o440}}, "/etc/clickstream/secrets")
# Memory in addition to a Spark heap, for Python and the JVM itself: at least so many MiB, else this part of the heap.
SPARK_MIN_OVERHEAD_MIB = 512
SPARK_OVERHEAD = 0.4

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def labels(name: str, app: str) -> dict[str, str]:
    """Returns the labels of a pod; network policies select it by `name`."""
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": app,
        "app.kubernetes.io/part-of": "clickstream",
        "app.kubernetes.io/managed-by": "airflow",
    }


def environment(settings: Settings) -> list[dict[str, str]]:
    """Returns the settings of Airflow as environment variables of a container, so that a job has the same settings."""
    return [{"name": key, "value": value} for key, value in sorted(settings.changed().items())]


def s3_keys(variables: Mapping[str, str]) -> list[Volume]:
    """Returns the Secret with the S3 keys, or nothing if the apps use the cloud's workload identity."""
    return [] if variables.get("CLICKSTREAM_S3_CREDENTIALS") == "environment" else [KEYS]


def certificates(variables: Mapping[str, str]) -> list[Volume]:
    """Returns the ConfigMap of manifests/components/private-ca if the settings name a bundle of certificates."""
    bundle = variables.get("CLICKSTREAM_CA_BUNDLE")
    return [({"name": "ca", "configMap": {"name": "ca-bundle"}}, str(PurePosixPath(bundle).parent))] if bundle else []


def pod_spec(service_account: str, container: dict[str, Any], volumes: Sequence[Volume], **fields: Any) -> dict[str, Any]:
    """Returns the spec of a pod with one container, which writes to /tmp and emptyDirs only; `fields` replace fields of the spec."""
    mounts = [
        {"name": volume["name"], "mountPath": path} | ({} if "emptyDir" in volume else {"readOnly": True}) for volume, path in volumes
    ]
    return {
        "serviceAccountName": service_account,
        "automountServiceAccountToken": False,
        # Otherwise a Service named clickstream-x would inject CLICKSTREAM_X_* variables, which Settings refuses as unknown.
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{"securityContext": RESTRICTED, "volumeMounts": mounts} | container],
        "volumes": [volume for volume, _ in volumes],
    } | fields


def resources(disk: str, **sizes: tuple[str, str]) -> dict[str, dict[str, str]]:
    """Returns requests and limits of a container: `sizes` are (request, limit) by resource, `disk` limits ephemeral storage."""
    pairs = {"ephemeral-storage": ("64Mi", disk)} | sizes
    return {
        "requests": {name: request for name, (request, _) in pairs.items()},
        "limits": {name: limit for name, (_, limit) in pairs.items()},
    }


def spark_sizes(cores: int, heap: str) -> dict[str, Any]:
    """Returns the sizes of a driver or executor with `cores` tasks at a time and a heap such as 768m or 4g.

    The memory limit of the container is the sum of heap and overhead. Raises SettingsError for another notation of the heap.
    """
    size = re.fullmatch(r"(\d+)([mg])", heap)
    if not size:
        raise SettingsError(f"memory of a Spark driver or executor: {heap!r}: use a whole number with m or g, e.g. 768m or 4g")
    heap_mib = int(size[1]) * {"m": 1, "g": 1024}[size[2]]
    return {
        "cores": cores,
        "coreRequest": f"{500 * cores}m",
        "coreLimit": str(2 * cores),
        "memory": heap,
        "memoryOverhead": f"{max(SPARK_MIN_OVERHEAD_MIB, math.ceil(heap_mib * SPARK_OVERHEAD))}m",
    }
