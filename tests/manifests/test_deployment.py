"""The scripts against a real API server with its controllers: no node runs pods there, but every pod must be created."""

import base64
import json
import os
import re
import shutil
import subprocess
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.manifests import secrets
from tests.manifests.pods import pods
from tests.manifests.rendered import ROOT, objects, program
from tests.manifests.runtime import airflow_resources
from tests.manifests.server import Server
from tests.manifests.stub import StubKubectl, fails, ok

OURS = "app.kubernetes.io/part-of=clickstream"
MADE_BY_CONTROLLERS = ("Deployment", "StatefulSet")
START = time.time()


def script(server: Server, name: str, *arguments: str, root: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script on the test's API server, without a question."""
    path = f"{Path(program('kubectl')).parent}:{os.environ['PATH']}"
    own = os.environ | {"PATH": path, "KUBECONFIG": server.kubeconfig, "DEPLOY_TIMEOUT": "3", "DELETE_TIMEOUT": "150"} | env
    command = [str(root / "scripts" / f"{name}.sh"), "--yes", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=own, timeout=300)


def get_items(server: Server, *arguments: str) -> list[Any]:
    return list(json.loads(server.run_checked("get", *arguments, "-o", "json"))["items"])


def created_secrets(server: Server) -> dict[tuple[str, str], dict[str, str]]:
    """The Secrets of the deployment: their data by namespace and name."""
    own_secrets = [s for s in get_items(server, "secrets", "-A") if s["metadata"]["namespace"].startswith("clickstream-")]
    return {(s["metadata"]["namespace"], s["metadata"]["name"]): s["data"] for s in own_secrets}


@pytest.fixture(scope="module")
def deployed(server: Server) -> subprocess.CompletedProcess[str]:
    """Deployed as far as a cluster without nodes goes: the stores' pods do not run, so the rest is applied here."""
    result = script(server, "deploy-all", "--skip-operators", "--skip-check")
    server.run_checked("apply", "--server-side", "--force-conflicts", "-f", "-", resources=objects("local"))
    return result


def test_a_cluster_without_nodes_is_reported_in_one_line(deployed: subprocess.CompletedProcess[str]) -> None:
    assert deployed.returncode == 1, deployed.stderr
    assert "clickstream-kafka StatefulSet kafka: 0 of 1 pods ready" in deployed.stderr
    assert "error: not ready after 3 s: " in deployed.stderr or "Unschedulable" in deployed.stderr
    assert "create job" not in deployed.stderr, "the first job needs the stores"


def test_every_secret_is_created_and_none_is_kept_on_disk(server: Server, deployed: Any, tmp_path: Path) -> None:
    expected = {name: {key for ns, secret, key, _ in secrets.rows() if (ns, secret) == name} for name in secrets.names()}
    assert {name: set(data) for name, data in created_secrets(server).items()} == expected
    values = {data for secret in created_secrets(server).values() for data in secret.values()}
    assert {len(base64.b64decode(value)) for value in values} >= {40, 44}
    written = [path for path in ROOT.glob(".stack/kubernetes/**/*") if path.is_file() and path.stat().st_mtime > START]
    assert written == []


def test_the_same_value_is_the_same_in_every_namespace(server: Server, deployed: Any) -> None:
    stored = created_secrets(server)
    values: dict[str, set[str]] = {}
    for namespace, secret, key, name in secrets.rows():
        values.setdefault(name, set()).add(stored[namespace, secret][key])
    assert {name: len(different) for name, different in values.items()} == dict.fromkeys(values, 1)
    assert len(set.union(*values.values())) == len(values)


def test_a_missing_secret_gets_the_value_that_the_cluster_has(server: Server, deployed: Any) -> None:
    """As for a second administrator, or for a namespace that a new version adds: S3 knows only the first key."""
    before = created_secrets(server)
    for namespace in ("clickstream-spark", "clickstream-object-store"):
        server.run_checked("-n", namespace, "delete", "secret", "lake-keys")
    result = script(server, "deploy-all", "--skip-operators", "--skip-check")
    assert "generated: " not in result.stderr
    assert created_secrets(server) == before


def test_the_logins_are_printed_from_the_cluster(server: Server, deployed: Any) -> None:
    result = script(server, "show-logins")
    assert result.returncode == 0, result.stderr
    passwords = base64.b64decode(created_secrets(server)["clickstream-airflow", "airflow"]["passwords.json"]).decode()
    assert set(json.loads(passwords)) == {"admin", "viewer"}
    assert passwords in result.stdout


def test_no_secret_is_generated_when_the_cluster_cannot_be_read(tmp_path: Path) -> None:
    kubectl = StubKubectl(tmp_path).on("get secret lake-keys", ok(""), fails("Error from server (Forbidden): secrets is forbidden\n"))
    done = kubectl.script("deploy-all", "--yes", "--skip-operators", "--skip-check")
    assert done.returncode == 1
    assert kubectl.calls("create -f -") == []


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
        (
            "clickstream-flink:flink-jobmanager",
            "flink",
            "list configmaps, watch configmaps, create configmaps, patch configmaps, update configmaps, delete configmaps",
            "list pods, get secrets, create deployments, deletecollection configmaps",
        ),
        (
            "clickstream-flink:flink-taskmanager",
            "flink",
            "get configmaps, watch configmaps",
            "list pods, create configmaps, patch configmaps",
        ),
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


def test_deploying_again_keeps_the_secrets(server: Server, deployed: Any) -> None:
    before = created_secrets(server)
    second = script(server, "deploy-all", "--skip-operators", "--skip-check")
    assert "conflict" not in second.stderr
    assert created_secrets(server) == before


def test_operators_of_somebody_else_are_found_on_the_server(server: Server, deployed: Any) -> None:
    """The CRDs without our label: as if Helm had installed them. With the label they are ours."""
    crd = "crd/rayclusters.ray.io"
    server.run_checked("label", crd, "app.kubernetes.io/part-of=kuberay", "--overwrite")
    refused = script(server, "deploy-all", "--skip-check")
    checked = script(server, "check-prerequisites")
    server.run_checked("label", crd, "app.kubernetes.io/part-of=clickstream-operators", "--overwrite")
    assert refused.returncode == 1
    assert "    CustomResourceDefinition rayclusters.ray.io" in refused.stderr
    assert "add --skip-operators" in refused.stderr
    assert "problem: operators that this project did not install: CustomResourceDefinition/rayclusters.ray.io" in checked.stderr
    assert "did not install" not in script(server, "check-prerequisites").stderr


def test_every_problem_of_a_cluster_is_reported_at_once(server: Server, deployed: Any) -> None:
    result = script(server, "check-prerequisites")
    assert result.returncode == 1
    assert "problem: no StorageClass" in result.stderr
    assert re.search(r"problem: free CPU is 0.0 \(on 0 nodes\); \d", result.stderr)
    assert "note: no network plugin is known to enforce network policies here" in result.stderr


def test_a_storage_class_must_be_the_default(server: Server, deployed: Any) -> None:
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "slow"},
        "provisioner": "example.org/none",
    }
    server.run_checked("apply", "-f", "-", resources=[storage_class])
    without_default = script(server, "check-prerequisites").stderr
    server.run_checked("annotate", "storageclass", "slow", "storageclass.kubernetes.io/is-default-class=true")
    with_default = script(server, "check-prerequisites").stderr
    server.run_checked("delete", "storageclass", "slow")
    assert "problem: no StorageClass is the default; there are: slow" in without_default
    assert "StorageClass" not in with_default


def test_free_capacity_and_images_are_compared(server: Server, deployed: Any) -> None:
    """A node that no kubelet runs, cordoned so that no pod is bound to it."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "planted"}, "spec": {"unschedulable": True}}
    server.run_checked("apply", "-f", "-", resources=[node])
    status = {"allocatable": {"cpu": "8", "memory": "4Gi", "pods": "110"}, "capacity": {"cpu": "8", "memory": "4Gi", "pods": "110"}}
    status["conditions"] = [{"type": "Ready", "status": "True"}]  # type: ignore[assignment]
    server.run_checked("patch", "node", "planted", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
    result = script(server, "check-prerequisites")
    server.run_checked("delete", "node", "planted")
    assert "problem: no node has the image localhost/clickstream/airflow:0.1.0, and no registry serves it" in result.stderr
    assert "problem: free memory is 0.0 GiB (on 0 nodes; 1 nodes are tainted, cordoned or not ready)" in result.stderr


def test_production_needs_the_secret_store(server: Server) -> None:
    result = script(server, "check-prerequisites", "--overlay", "production")
    assert "problem: no ClusterSecretStore clickstream" in result.stderr


def test_an_api_server_that_the_network_policy_excludes_is_reported(server: Server, tmp_path: Path) -> None:
    """The scheduler would time out on each pod that it creates; the address is that of the cluster's endpoint."""
    slices = get_items(server, "endpointslices", "-n", "default", "-l", "kubernetes.io/service-name=kubernetes")
    address = slices[0]["endpoints"][0]["addresses"][0]
    for name in ("manifests", "scripts", ".operators"):
        shutil.copytree(ROOT / name, tmp_path / name)
    patch = tmp_path / "manifests" / "overlays" / "local" / "common" / "api-server-network.patch.yaml"
    text = patch.read_text()
    for allowed in (f"{address}/32", "198.51.100.0/24"):
        patch.write_text(re.sub(r"cidr: [\d./]+", f"cidr: {allowed}", text))
        result = script(server, "check-prerequisites", root=tmp_path)
        message = f"does not allow the API server's address {address}"
        assert (message in result.stderr) is (allowed != f"{address}/32"), result.stderr


def test_a_finalizer_whose_operator_is_gone_is_reported(server: Server, deployed: Any) -> None:
    """RayJobs of a deployment whose operator was deleted first would stay for ever, and teardown with them."""
    job = {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": "stuck", "namespace": "clickstream-ray"}, "spec": {}}
    job["metadata"]["finalizers"] = ["ray.io/rayjob-finalizer"]  # type: ignore[index]
    server.run_checked("apply", "-f", "-", resources=[job])
    start = time.monotonic()
    result = script(server, "teardown", DELETE_TIMEOUT="3")
    assert time.monotonic() - start < 60
    server.run_checked("-n", "clickstream-ray", "patch", "rayjob", "stuck", "--type", "merge", "-p", '{"metadata": {"finalizers": null}}')
    assert result.returncode == 1
    assert 'RayJob stuck ["ray.io/rayjob-finalizer"]' in result.stderr
    assert "not deleted after 3 s" in result.stderr


def test_nothing_is_left_after_teardown(server: Server, deployed: Any) -> None:
    tool = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "left", "namespace": "clickstream-tools"}}
    made_by_airflow = deepcopy(next(pod for pod in pods(airflow_resources()) if pod.origin.startswith("Pod"))).as_object()
    server.run_checked("apply", "-f", "-", resources=[made_by_airflow | {"metadata": made_by_airflow["metadata"] | tool["metadata"]}])
    result = script(server, "teardown")
    assert result.returncode == 0, result.stderr
    kinds = "deployments,statefulsets,cronjobs,jobs,services,rayclusters,rayservices,rayjobs,sparkapplications"
    assert get_items(server, kinds, "-A", "-l", OURS) == []
    assert get_items(server, "pods", "-n", "clickstream-tools") == []
    assert created_secrets(server)
    result = script(server, "teardown", "--delete-data")
    assert result.returncode == 0, result.stderr
    assert get_items(server, "namespaces", "-l", OURS) == []
    assert get_items(server, "crd", "-l", "app.kubernetes.io/part-of=clickstream-operators")


def test_teardown_of_the_operators_leaves_those_of_others(server: Server) -> None:
    """The last test: it deletes the CRDs."""
    notebook = {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": "theirs", "namespace": "default"}, "spec": {}}
    server.run_checked("apply", "-f", "-", resources=[notebook])
    refused = script(server, "teardown", "--operators")
    assert refused.returncode == 1
    assert "    rayjobs.ray.io default/theirs" in refused.stderr
    server.run_checked("delete", "rayjob", "theirs")
    others = "sparkconnects.sparkoperator.k8s.io"
    server.run_checked("label", f"crd/{others}", "app.kubernetes.io/part-of=another-team", "--overwrite")
    done = script(server, "teardown", "--operators")
    assert done.returncode == 0, done.stderr
    left = {crd["metadata"]["name"] for crd in get_items(server, "crd")}
    assert others in left
    assert not {name for name in left if name.endswith("ray.io")}
