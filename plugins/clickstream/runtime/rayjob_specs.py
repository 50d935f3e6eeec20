"""RayJob resources: the manifest that is applied, and how its status is read."""

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from clickstream.runtime import pod_specs
from clickstream_contracts import names
from clickstream_contracts.settings import Settings

# The RayCluster of manifests/base/ray that runs jobs; it scales its workers with them.
CLUSTER = "train"
SUBMITTER = "ray-submitter"
# Options of a server-side apply, which is idempotent.
SERVER_SIDE_APPLY: dict[str, Any] = {"_content_type": "application/apply-patch+yaml", "field_manager": "clickstream", "force": True}
# An ended RayJob that no task deleted, because its worker was lost in the last try, is deleted after this time.
TTL = timedelta(hours=1)
TERMINAL_STATES = ("Complete", "Failed", "ValidationFailed")


def manifest(name: str, command: list[str], settings: Settings) -> dict[str, Any]:
    """Returns the RayJob that runs a command, `python -m MODULE ...`, on the running cluster."""
    app = command[2].rpartition(".")[2]
    environment = {variable["name"]: variable["value"] for variable in pod_specs.environment(settings)}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": name, "namespace": names.namespace("ray"), "labels": pod_specs.labels("ray-job", app)},
        "spec": {
            "clusterSelector": {"ray.io/cluster": CLUSTER},
            # A pod submits the job and prints its output, so that the API server has it as that pod's log.
            "submissionMode": "K8sJobMode",
            "submitterPodTemplate": _submitter(app, settings),
            "jobId": name,
            "entrypoint": shlex.join(command),
            # The head has no CPUs for jobs, so the entrypoint runs on a worker.
            "entrypointNumCpus": 1,
            "runtimeEnvYAML": json.dumps({"env_vars": environment}),
        },
    }


def _submitter(app: str, settings: Settings) -> dict[str, Any]:
    """Returns the pod that runs `ray job submit` and `ray job logs --follow`; KubeRay adds the command."""
    container = {
        "name": "ray-job-submitter",
        "image": settings.ray_image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": "HOME", "value": "/tmp"}],
        "resources": pod_specs.resources("256Mi", cpu=("100m", "1"), memory=("512Mi", "512Mi")),
    }
    return {
        "metadata": {"labels": pod_specs.labels(SUBMITTER, app)},
        "spec": pod_specs.pod_spec(SUBMITTER, container, [pod_specs.TMP]),
    }


def runs(rayjob: Mapping[str, Any] | None, command: Sequence[str]) -> bool:
    """Returns whether a RayJob exists, has not ended, is not being deleted and runs the command, with further arguments at its end."""
    if not rayjob or "deletionTimestamp" in rayjob["metadata"] or has_ended(rayjob.get("status", {})):
        return False
    return str(rayjob["spec"]["entrypoint"]).startswith(f"{shlex.join(command)} ")


def has_ended(status: dict[str, Any]) -> bool:
    """Returns whether a RayJob is in a terminal state."""
    return status.get("jobDeploymentStatus") in TERMINAL_STATES


def is_expired(rayjob: Mapping[str, Any], now: datetime) -> bool:
    """Returns whether a RayJob ended longer than TTL ago."""
    end_time = rayjob.get("status", {}).get("endTime")
    return bool(end_time) and has_ended(rayjob["status"]) and now - datetime.fromisoformat(end_time) > TTL


def failure(name: str, status: dict[str, Any]) -> str:
    """Returns why a RayJob in a terminal state failed; '' if it succeeded."""
    if status.get("jobDeploymentStatus") == "Complete" and status.get("jobStatus") == "SUCCEEDED":
        return ""
    reason = status.get("message") or status.get("reason") or "no reason given"
    return f"{name} is {status.get('jobStatus') or status['jobDeploymentStatus']}: {reason}"
