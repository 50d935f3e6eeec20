"""The test's pod in clickstream-tools: a tool's pod that sleeps, so that network policies and keys are those of the tools."""

import copy
import json

from tests.cluster.cluster import CLIENT, TOOLS, Cluster
from tests.shop_day import eventually

SLEEP = ["python", "-c", "import signal; signal.pause()"]


def create(cluster: Cluster) -> None:
    """Create the pod anew, from the pod template of the CronJob smoke-test, and wait until it is ready."""
    cron_job = json.loads(cluster.kubectl("-n", TOOLS, "get", "cronjob", "smoke-test", "-o", "json"))
    template = copy.deepcopy(cron_job["spec"]["jobTemplate"]["spec"]["template"])
    container = template["spec"]["containers"][0]
    container |= {"command": SLEEP, "args": []}
    container["env"] = [*container.get("env", []), {"name": "CLICKSTREAM_STACK_DIR", "value": "/tmp/stack"}]
    container["resources"]["limits"]["memory"] = "1Gi"
    template["spec"]["restartPolicy"] = "Never"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": CLIENT, "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    }
    cluster.kubectl("-n", TOOLS, "delete", "pod", CLIENT, "--ignore-not-found", "--grace-period=0", "--force")
    cluster.kubectl("-n", TOOLS, "apply", "--server-side", "-f", "-", stdin=json.dumps(pod))
    eventually(lambda: CLIENT in cluster.ready_pods(TOOLS, "").values(), "the client pod is ready", 180)
