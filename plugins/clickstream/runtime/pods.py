"""Pods that Airflow starts, as plain data: what the namespaces' `restricted` rules ask for, and where keys and scratch space are."""

from typing import Any

from clickstream_contracts.settings import Settings

USER = 10001
KEYS, TMP = "lake-keys", "tmp"
KEYS_PATH = "/etc/clickstream/secrets"

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
MOUNTS = [{"name": TMP, "mountPath": "/tmp"}, {"name": KEYS, "mountPath": KEYS_PATH, "readOnly": True}]


def labels(name: str, app: str) -> dict[str, str]:
    """Labels of a pod; network policies know it by its `name`."""
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": app,
        "app.kubernetes.io/part-of": "clickstream",
        "app.kubernetes.io/managed-by": "airflow",
    }


def environment(settings: Settings) -> list[dict[str, str]]:
    """The settings that Airflow itself runs with: a job can never have others."""
    return [{"name": key, "value": value} for key, value in sorted(settings.changed().items())]


def spec(account: str, container: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A pod of one container that passes `restricted` and writes to /tmp only."""
    return {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
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
            {"name": TMP, "emptyDir": {"sizeLimit": "2Gi"}},
            {"name": KEYS, "secret": {"secretName": KEYS, "defaultMode": 0o440}},
        ],
    } | more


def resources(disk: str, **sizes: tuple[str, str]) -> dict[str, dict[str, str]]:
    """Request and limit of each of `sizes`, and of the node's disk."""
    pairs = {"ephemeral-storage": ("64Mi", disk)} | sizes
    return {"requests": {name: pair[0] for name, pair in pairs.items()}, "limits": {name: pair[1] for name, pair in pairs.items()}}
