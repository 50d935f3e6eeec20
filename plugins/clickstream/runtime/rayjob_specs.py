"""RayJob resources: the manifest that is applied, and how its status is read."""

import json
import shlex
from typing import Any

from clickstream.runtime import pod_specs
from clickstream_contracts import names
from clickstream_contracts.settings import Settings

# The RayCluster of manifests/base/ray that runs jobs; it scales its workers with them.
CLUSTER = "train"
# Options of a server-side apply, which is idempotent.
SERVER_SIDE_APPLY: dict[str, Any] = {"_content_type": "application/apply-patch+yaml", "field_manager": "clickstream", "force": True}
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
            # The operator submits by HTTP; the other modes start one more pod for each job to do that.
            "submissionMode": "HTTPMode",
            "jobId": name,
            "entrypoint": shlex.join(command),
            # The head has no CPUs for jobs, so the entrypoint runs on a worker.
            "entrypointNumCpus": 1,
            "runtimeEnvYAML": json.dumps({"env_vars": environment}),
        },
    }


def has_ended(status: dict[str, Any]) -> bool:
    """Returns whether a RayJob is in a terminal state."""
    return status.get("jobDeploymentStatus") in TERMINAL_STATES


def failure(name: str, status: dict[str, Any]) -> str:
    """Returns why a RayJob in a terminal state failed; '' if it succeeded."""
    if status.get("jobDeploymentStatus") == "Complete" and status.get("jobStatus") == "SUCCEEDED":
        return ""
    reason = status.get("message") or status.get("reason") or "no reason given"
    return f"{name} is {status.get('jobStatus') or status['jobDeploymentStatus']}: {reason}"
