"""Prints a Job that runs one command of the tools: the pod of a CronJob, with another command.

    python3 -m scripts.kube.tool_job NAMESPACE CRONJOB NAME USER COMMAND...

The Job runs once: a command that failed may have changed the lake, so it is not repeated. USER is the person that the command records.
"""

import json
import sys
from copy import deepcopy

from scripts.kube import kubectl
from scripts.kube.kubectl import KubectlError, Object

# Long enough for a replay of a large file, short enough that a forgotten Job ends.
SECONDS = 6 * 3600


def tool_job(cronjob: Object, name: str, user: str, command: list[str]) -> Object:
    """Returns the Job `name`, whose pod is that of the CronJob and runs a command of `./clickstream`."""
    metadata = cronjob["metadata"]
    spec = deepcopy(cronjob["spec"]["jobTemplate"]["spec"])
    spec |= {"backoffLimit": 0, "activeDeadlineSeconds": SECONDS}
    pod = spec["template"]["spec"]
    pod["restartPolicy"] = "Never"
    [container] = pod["containers"]
    container["command"] = ["python", "-m", "tools.cli", *command]
    container.pop("args", None)
    container["env"] = [*container.get("env", []), {"name": "LOGNAME", "value": user}]
    labels = metadata.get("labels", {})
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": metadata["namespace"], "labels": labels},
        "spec": spec,
    }


def main(arguments: list[str]) -> int:
    """Print the Job; returns the exit code."""
    namespace, cronjob, name, user, *command = arguments
    try:
        [template] = kubectl.get("-n", namespace, f"cronjobs.batch/{cronjob}")
    except KubectlError as error:
        print(f"error: {error}; is everything deployed?", file=sys.stderr)
        return 1
    print(json.dumps(tool_job(template, name, user, command)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
