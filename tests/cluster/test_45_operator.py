"""What an operator does on a running cluster: a command of the tools as a Job, and notifications to a webhook outside of the cluster."""

import json
import socket
import subprocess
import time
from urllib.parse import urlsplit

import yaml

from tests.cluster.cluster import AIRFLOW, SCHEDULER, TOOLS, Cluster
from tests.manifests.rendered import MANIFESTS, ROOT
from tests.plugins.receivers import webhook
from tests.shop_day import eventually


def run_tool(cluster: Cluster, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run scripts/run-tool.sh without a question, whatever its exit code."""
    command = [str(ROOT / "scripts" / "run-tool.sh"), "--yes", "--", *arguments]
    return subprocess.run(command, env=cluster.env, capture_output=True, text=True, timeout=900, check=False)


def test_a_command_of_the_tools_runs_as_a_job_that_is_deleted(deployed: Cluster) -> None:
    done = run_tool(deployed, "refs", "tags")
    assert done.returncode == 0, done.stderr
    assert "release" in done.stdout
    jobs = deployed.objects(TOOLS, "jobs")
    assert not [job for job in jobs if job["metadata"]["name"].startswith("run-tool") and "deletionTimestamp" not in job["metadata"]]


def test_a_command_that_fails_ends_with_1_and_its_message(deployed: Cluster) -> None:
    done = run_tool(deployed, "trace", "no-such-id")
    assert done.returncode == 1
    assert "no-such-id" in done.stdout


def test_a_failed_task_is_sent_to_a_webhook_outside_of_the_cluster(deployed: Cluster) -> None:
    with webhook(host=own_address()) as receiver:
        address = urlsplit(receiver.uri)
        deployed.kubectl("-n", AIRFLOW, "apply", "-f", "-", stdin=network_policy(str(address.hostname), int(address.port or 0)))
        connection = json.dumps({"conn_type": "generic", "password": receiver.uri, "extra": {"body": "fields"}})
        add = (*SCHEDULER, "sh", "-c", 'airflow connections add clickstream_notifications --conn-json "$(cat)"')
        deployed.kubectl(*add[:3], "-i", *add[3:], stdin=connection)
        try:
            run = deployed.trigger("clickstream_rollback", f"no-such-release-{int(time.time())}", release="no-such-release")
            eventually(lambda: deployed.run_state("clickstream_rollback", run) == "failed", "the rollback has failed", 900, 10)
            eventually(lambda: run in {body["run_id"] for body in receiver.bodies}, "the webhook got the failure", 60, 1)
        finally:
            deployed.in_scheduler("airflow", "connections", "delete", "clickstream_notifications")
            deployed.kubectl("-n", AIRFLOW, "delete", "networkpolicy", "to-notifications")
    body = next(body for body in receiver.bodies if body["run_id"] == run)
    assert body["task_id"] == "rollback"
    assert "no-such-release" in body["reason"]


def own_address() -> str:
    """An address of this machine that pods of a cluster on it can reach."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def network_policy(address: str, port: int) -> str:
    """The policy of the component `notifications` for one address and port."""
    policy = yaml.safe_load((MANIFESTS / "components" / "notifications" / "network-policy.yaml").read_text())
    policy["spec"]["egress"] = [{"to": [{"ipBlock": {"cidr": f"{address}/32"}}], "ports": [{"port": port}]}]
    return json.dumps(policy)
