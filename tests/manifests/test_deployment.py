"""The scripts against a real API server with its controllers: no node runs pods there, but every pod must be created."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.manifests import secrets
from tests.manifests.pods import pods
from tests.manifests.rendered import ROOT, objects, program
from tests.manifests.server import Server

OURS = "app.kubernetes.io/part-of=clickstream"
MADE_BY_CONTROLLERS = ("Deployment", "StatefulSet")


@pytest.fixture(scope="module")
def stack_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


def script(server: Server, stack_dir: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(program('kubectl')).parent}:{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "KUBECONFIG": server.kubeconfig, "CLICKSTREAM_STACK_DIR": str(stack_dir), "DEPLOY_TIMEOUT": "3"}
    return subprocess.run(
        [str(ROOT / "scripts" / f"{name}.sh"), *arguments], capture_output=True, text=True, check=False, env=env, timeout=300
    )


def get_items(server: Server, *arguments: str) -> list[Any]:
    return list(json.loads(server.run_checked("get", *arguments, "-o", "json"))["items"])


def created_secrets(server: Server) -> dict[tuple[str, str], dict[str, str]]:
    """The Secrets of the deployment: their data by namespace and name."""
    own_secrets = [s for s in get_items(server, "secrets", "-A") if s["metadata"]["namespace"].startswith("clickstream-")]
    return {(s["metadata"]["namespace"], s["metadata"]["name"]): s["data"] for s in own_secrets}


@pytest.fixture(scope="module")
def deployed(server: Server, stack_dir: Path) -> subprocess.CompletedProcess[str]:
    return script(server, stack_dir, "deploy-all", "--skip-operators", "--skip-check")


def test_a_cluster_without_nodes_is_reported_in_one_line(deployed: subprocess.CompletedProcess[str]) -> None:
    assert deployed.returncode == 1, deployed.stderr
    assert (
        "error: clickstream-kafka: statefulset.apps/kafka is not ready after 3 s; run: kubectl -n clickstream-kafka describe pods"
        in deployed.stderr
    )


def test_every_secret_is_created_and_its_files_are_private(server: Server, deployed: Any, stack_dir: Path) -> None:
    expected = {name: {key for ns, secret, key, _ in secrets.rows() if (ns, secret) == name} for name in secrets.names()}
    assert {name: set(data) for name, data in created_secrets(server).items()} == expected
    files = list((stack_dir / "kubernetes" / "secrets").iterdir())
    assert {path.name for path in files} == {value for *_, value in secrets.rows()}
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}


def test_the_controllers_create_every_pod(server: Server, deployed: Any) -> None:
    """Quota, LimitRange and admission accept all pods at once."""
    expected = sum(pod.replicas for pod in pods(objects("local")) if pod.origin.startswith(MADE_BY_CONTROLLERS))
    created_pods: list[Any] = []
    end = time.monotonic() + 60
    while len(created_pods) < expected and time.monotonic() < end:
        time.sleep(1)
        created_pods = [
            p
            for p in get_items(server, "pods", "-A", "-l", OURS)
            if p["metadata"]["ownerReferences"][0]["kind"] in ("ReplicaSet", "StatefulSet")
        ]
    refused = [e["message"] for e in get_items(server, "events", "-A") if e["reason"] == "FailedCreate"]
    assert (len(created_pods), refused) == (expected, [])


SCHEDULER, DRIVER = "clickstream-airflow:airflow-scheduler", "clickstream-spark:spark-driver"


@pytest.mark.parametrize(
    ("account", "namespace", "allowed", "denied"),
    [
        (
            SCHEDULER,
            "tools",
            "create pods, watch pods, patch pods, delete pods, list events, get pods/log",
            "create pods/exec, get secrets",
        ),
        (
            SCHEDULER,
            "spark",
            "create sparkapplications, get sparkapplications, delete sparkapplications, get pods/log",
            "create pods, get secrets",
        ),
        (SCHEDULER, "flink", "", "list pods, get secrets, delete deployments"),
        (
            DRIVER,
            "spark",
            "create pods, delete pods, create services, create configmaps, deletecollection persistentvolumeclaims",
            "get secrets",
        ),
        (DRIVER, "tools", "", "create pods, list pods"),
        ("clickstream-flink:flink", "flink", "", "list pods, get configmaps, create deployments"),
    ],
)
def test_an_account_has_the_required_permissions_and_no_more(
    server: Server, deployed: Any, account: str, namespace: str, allowed: str, denied: str
) -> None:
    """`kubectl auth can-i` for the verbs that the providers and Spark use."""
    for actions, expected in ((allowed, "yes"), (denied, "no")):
        for verb, target in (action.split() for action in actions.split(", ") if action):
            kind, _, part = target.partition("/")
            as_account = ("-n", f"clickstream-{namespace}", "--as", f"system:serviceaccount:{account}")
            result = server.run("auth", "can-i", verb, kind, f"--subresource={part}", *as_account)
            assert result.stdout.strip() == expected, (account, verb, target, result.stderr)


def test_deploying_again_keeps_the_secrets(server: Server, deployed: Any, stack_dir: Path) -> None:
    before = created_secrets(server)
    second = script(server, stack_dir, "deploy-all", "--skip-operators", "--skip-check")
    assert "conflict" not in second.stderr
    assert created_secrets(server) == before


def test_missing_capacity_is_reported(server: Server, stack_dir: Path) -> None:
    result = script(server, stack_dir, "check-prerequisites")
    assert result.returncode == 1
    assert "problem: no StorageClass" in result.stderr
    assert "problem: allocatable CPU is 0; at least 7 is required" in result.stderr


def test_an_api_server_that_the_network_policy_excludes_is_reported(server: Server, stack_dir: Path, tmp_path: Path) -> None:
    """The scheduler would time out on each pod that it creates; the address is that of the cluster's endpoint."""
    slices = get_items(server, "endpointslices", "-n", "default", "-l", "kubernetes.io/service-name=kubernetes")
    address = slices[0]["endpoints"][0]["addresses"][0]
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    patch = tmp_path / "manifests" / "overlays" / "local" / "common" / "api-server-network.patch.yaml"
    for allowed in (f"{address}/32", "198.51.100.0/24"):
        patch.write_text(f"10.96.0.1/32 {allowed}")
        env = os.environ | {"PATH": f"{Path(program('kubectl')).parent}:{os.environ['PATH']}", "KUBECONFIG": server.kubeconfig}
        command = [str(tmp_path / "scripts" / "check-prerequisites.sh")]
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=300)
        message = f"does not allow the API server's address {address}"
        assert (message in result.stderr) is (allowed != f"{address}/32"), result.stderr


def test_nothing_is_left_after_teardown(server: Server, deployed: Any, stack_dir: Path) -> None:
    result = script(server, stack_dir, "teardown")
    assert result.returncode == 0, result.stderr
    assert get_items(server, "deployments,statefulsets,cronjobs,services", "-A", "-l", OURS) == []
    assert created_secrets(server)
    result = script(server, stack_dir, "teardown", "--delete-data")
    assert result.returncode == 0, result.stderr
    assert get_items(server, "namespaces", "-l", OURS) == []
    assert not (stack_dir / "kubernetes").exists()
