"""RayJobs as plain data: what is applied, and what their status says."""

import json
import shlex
from typing import Any

from clickstream.runtime import pods
from clickstream_contracts import names
from clickstream_contracts.settings import Settings

# The cluster of manifests/base/ray that waits for jobs; it makes workers for them and lets them go.
CLUSTER = "train"
# Server-side apply: doing it again changes nothing.
APPLY: dict[str, Any] = {"_content_type": "application/apply-patch+yaml", "field_manager": "clickstream", "force": True}
OVER = ("Complete", "Failed", "ValidationFailed")


def resource(name: str, command: list[str], settings: Settings) -> dict[str, Any]:
    """The RayJob that runs a command on the standing cluster."""
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": name, "namespace": names.namespace("ray"), "labels": pods.labels("ray-job", command[2].rpartition(".")[2])},
        "spec": {
            "clusterSelector": {"ray.io/cluster": CLUSTER},
            # The operator submits by HTTP itself: the other modes start a pod for each job just to do so.
            "submissionMode": "HTTPMode",
            "jobId": name,
            "entrypoint": shlex.join(command),
            # The head schedules nothing; a worker of its own size runs the app.
            "entrypointNumCpus": 1,
            "runtimeEnvYAML": json.dumps({"env_vars": {one["name"]: one["value"] for one in pods.environment(settings)}}),
        },
    }


def is_over(status: dict[str, Any]) -> bool:
    """Whether a RayJob will not change any more."""
    return status.get("jobDeploymentStatus") in OVER


def problem(name: str, status: dict[str, Any]) -> str:
    """Why a RayJob that is over did not end well; '' if it did."""
    if status.get("jobDeploymentStatus") == "Complete" and status.get("jobStatus") == "SUCCEEDED":
        return ""
    reason = status.get("message") or status.get("reason") or "no reason given"
    return f"{name} is {status.get('jobStatus') or status['jobDeploymentStatus']}: {reason}"
