"""Pod specs of the apps that Airflow starts: they pass the Pod Security level `restricted` and mount the lake's credentials."""

from typing import Any

from clickstream_contracts.settings import Settings

USER = 10001
KEYS_VOLUME = "lake-keys"
KEYS_PATH = "/etc/clickstream/secrets"
TMP_VOLUME = "tmp"

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
MOUNTS = [{"name": TMP_VOLUME, "mountPath": "/tmp"}, {"name": KEYS_VOLUME, "mountPath": KEYS_PATH, "readOnly": True}]


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


def pod_spec(service_account: str, container: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Returns the spec of a pod with one container, which writes to /tmp only; `fields` replace fields of the spec."""
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
        "containers": [{"securityContext": RESTRICTED, "volumeMounts": MOUNTS} | container],
        "volumes": [
            {"name": TMP_VOLUME, "emptyDir": {"sizeLimit": "2Gi"}},
            {"name": KEYS_VOLUME, "secret": {"secretName": KEYS_VOLUME, "defaultMode": 0o440}},
        ],
    } | fields


def resources(disk: str, **sizes: tuple[str, str]) -> dict[str, dict[str, str]]:
    """Returns requests and limits of a container: `sizes` are (request, limit) by resource, `disk` limits ephemeral storage."""
    pairs = {"ephemeral-storage": ("64Mi", disk)} | sizes
    return {
        "requests": {name: request for name, (request, _) in pairs.items()},
        "limits": {name: limit for name, (_, limit) in pairs.items()},
    }
