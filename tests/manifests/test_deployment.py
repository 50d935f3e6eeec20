"""The scripts on a real API server with its controllers: no node runs a pod there, but every pod has to be made."""

import json
import os
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


def answer(server: Server, *words: str) -> list[Any]:
    return list(json.loads(server.must("get", *words, "-o", "json"))["items"])


def made(server: Server) -> dict[tuple[str, str], dict[str, str]]:
    """The Secrets of the deployment."""
    found = [s for s in answer(server, "secrets", "-A") if s["metadata"]["namespace"].startswith("clickstream-")]
    return {(s["metadata"]["namespace"], s["metadata"]["name"]): s["data"] for s in found}


@pytest.fixture(scope="module")
def deployed(server: Server, stack_dir: Path) -> subprocess.CompletedProcess[str]:
    return script(server, stack_dir, "deploy-all", "--skip-operators", "--skip-check")


def test_a_cluster_that_runs_nothing_is_told_in_one_line(deployed: subprocess.CompletedProcess[str]) -> None:
    assert deployed.returncode == 1, deployed.stderr
    assert "error: job clickstream-tools/lake-bootstrap-" in deployed.stderr
    assert "not finished after 3 s; run: kubectl -n clickstream-tools describe job" in deployed.stderr


def test_every_secret_is_made_and_its_values_are_the_owners_alone(server: Server, deployed: Any, stack_dir: Path) -> None:
    wanted = {name: {key for ns, secret, key, _ in secrets.rows() if (ns, secret) == name} for name in secrets.names()}
    assert {name: set(data) for name, data in made(server).items()} == wanted
    files = list((stack_dir / "kubernetes" / "secrets").iterdir())
    assert {path.name for path in files} == {value for *_, value in secrets.rows()}
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}


def test_the_controllers_make_every_pod(server: Server, deployed: Any) -> None:
    """Quota, default sizes and admission take all of them at once."""
    wanted = sum(pod.replicas for pod in pods(objects("local")) if pod.origin.startswith(MADE_BY_CONTROLLERS))
    found: list[Any] = []
    end = time.monotonic() + 60
    while len(found) < wanted and time.monotonic() < end:
        time.sleep(1)
        found = [
            p
            for p in answer(server, "pods", "-A", "-l", OURS)
            if p["metadata"]["ownerReferences"][0]["kind"] in ("ReplicaSet", "StatefulSet")
        ]
    refused = [e["message"] for e in answer(server, "events", "-A") if e["reason"] == "FailedCreate"]
    assert (len(found), refused) == (wanted, [])


SCHEDULER, DRIVER = "clickstream-airflow:airflow-scheduler", "clickstream-spark:spark-driver"


@pytest.mark.parametrize(
    ("account", "namespace", "may", "may_not"),
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
def test_an_account_may_do_its_work_and_no_more(
    server: Server, deployed: Any, account: str, namespace: str, may: str, may_not: str
) -> None:
    """Asked of the API server itself: the verbs that the providers and Spark use."""
    for words, expected in ((may, "yes"), (may_not, "no")):
        for verb, what in (asked.split() for asked in words.split(", ") if asked):
            kind, _, part = what.partition("/")
            who = ("-n", f"clickstream-{namespace}", "--as", f"system:serviceaccount:{account}")
            done = server.run("auth", "can-i", verb, kind, f"--subresource={part}", *who)
            assert done.stdout.strip() == expected, (account, verb, what, done.stderr)


def test_the_same_deployment_again_keeps_the_secrets(server: Server, deployed: Any, stack_dir: Path) -> None:
    before = made(server)
    again = script(server, stack_dir, "deploy-all", "--skip-operators", "--skip-check")
    assert "conflict" not in again.stderr
    assert made(server) == before


def test_what_this_cluster_lacks_is_named(server: Server, stack_dir: Path) -> None:
    done = script(server, stack_dir, "check-prerequisites")
    assert done.returncode == 1
    assert "problem: no StorageClass" in done.stderr
    assert "problem: allocatable CPU is 0; at least 7 is required" in done.stderr


def test_nothing_is_left_after_teardown(server: Server, deployed: Any, stack_dir: Path) -> None:
    done = script(server, stack_dir, "teardown")
    assert done.returncode == 0, done.stderr
    assert answer(server, "deployments,statefulsets,cronjobs,services", "-A", "-l", OURS) == []
    assert made(server)
    done = script(server, stack_dir, "teardown", "--delete-data")
    assert done.returncode == 0, done.stderr
    assert answer(server, "namespaces", "-l", OURS) == []
    assert not (stack_dir / "kubernetes").exists()
