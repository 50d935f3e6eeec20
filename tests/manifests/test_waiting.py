"""Waiting for workloads and Jobs: it ends at once when a pod cannot start, and no result of kubectl is never `ready`."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.kube.pods import current_pods, problems
from scripts.kube.workloads import WorkloadFailed, missing, old_head
from tests.manifests.rendered import ROOT
from tests.manifests.stub import StubKubectl, fails, ok

NESSIE = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "nessie", "namespace": "clickstream-nessie"}, "spec": {}}


@pytest.fixture
def kubectl(tmp_path: Path) -> StubKubectl:
    return StubKubectl(tmp_path)


def deployment(ready: int) -> dict[str, Any]:
    status = {"observedGeneration": 1, "readyReplicas": ready, "updatedReplicas": 1, "replicas": 1}
    return {**NESSIE, "metadata": {**NESSIE["metadata"], "generation": 1}, "spec": {"replicas": 1}, "status": status}  # type: ignore[dict-item]


def pod(waiting: dict[str, str] | None = None, conditions: list[dict[str, str]] | None = None) -> dict[str, Any]:
    container = {"name": "nessie", "state": {"waiting": waiting} if waiting else {}}
    status = {"conditions": conditions or [], "containerStatuses": [container]}
    owner = {"kind": "StatefulSet", "uid": "1"}
    return {"metadata": {"name": "nessie-0", "namespace": "clickstream-nessie", "ownerReferences": [owner]}, "status": status}


def wait(kubectl: StubKubectl, seconds: int = 60) -> Any:
    start = time.monotonic()
    done = kubectl.run(sys.executable, "-m", "scripts.kube.wait", "workloads", str(seconds), stdin=yaml.safe_dump(NESSIE))
    return done, time.monotonic() - start


def test_it_waits_until_the_workload_is_ready_and_prints_for_what(kubectl: StubKubectl) -> None:
    kubectl.on("get deployments.apps/nessie", ok(deployment(0)), ok(deployment(1))).on("get pods", ok({"items": []}))
    kubectl.on("get replicasets", ok({"items": []}))
    done, _ = wait(kubectl)
    assert done.returncode == 0, done.stderr
    assert "clickstream-nessie Deployment nessie: 0 of 1 pods ready" in done.stderr
    assert "clickstream-nessie Deployment nessie: ready" in done.stderr


@pytest.mark.parametrize(
    ("waiting", "within"),
    [
        ({"reason": "ImagePullBackOff", "message": "Back-off pulling image localhost/clickstream/tools:9"}, 10),
        ({"reason": "CreateContainerConfigError", "message": 'secret "lake-keys" not found'}, 20),
    ],
)
def test_a_pod_that_cannot_start_ends_the_wait_within_seconds(kubectl: StubKubectl, waiting: dict[str, str], within: float) -> None:
    kubectl.on("get deployments.apps/nessie", ok(deployment(0))).on("get pods", ok({"items": [pod(waiting)]}))
    kubectl.on("get replicasets", ok({"items": []}))
    done, seconds = wait(kubectl, 600)
    assert done.returncode == 1
    assert seconds < within
    assert f"error: clickstream-nessie: pod nessie-0 container nessie: {waiting['reason']}: {waiting['message']}" in done.stderr
    assert "run: kubectl -n clickstream-nessie describe pod nessie-0" in done.stderr


def test_a_crash_loop_ends_the_wait_with_the_last_lines_of_the_log(kubectl: StubKubectl) -> None:
    crash = pod({"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"})
    kubectl.on("get deployments.apps/nessie", ok(deployment(0))).on("get pods", ok({"items": [crash]}))
    kubectl.on("get replicasets", ok({"items": []})).on("logs nessie-0 --previous", ok("password authentication failed\n"))
    done, seconds = wait(kubectl, 600)
    assert done.returncode == 1
    assert 20 < seconds < 40, "a third crash is no longer one of the first start"
    assert "CrashLoopBackOff" in done.stderr
    assert "    password authentication failed" in done.stderr


def test_a_failing_kubectl_is_no_ready_workload(kubectl: StubKubectl) -> None:
    kubectl.on("get deployments.apps/nessie", fails("Unable to connect to the server: EOF"))
    done, seconds = wait(kubectl)
    assert done.returncode == 1
    assert seconds < 20
    assert "Unable to connect to the server: EOF" in done.stderr


def test_a_moment_without_the_api_server_is_not_the_end(kubectl: StubKubectl) -> None:
    kubectl.on("get deployments.apps/nessie", fails("Unable to connect to the server: EOF"), ok(deployment(1)))
    assert wait(kubectl)[0].returncode == 0


def test_the_time_limit_names_what_is_missing(kubectl: StubKubectl) -> None:
    kubectl.on("get deployments.apps/nessie", ok(deployment(0))).on("get", ok({"items": []}))
    done, _ = wait(kubectl, 1)
    assert done.returncode == 1
    assert "error: not ready after 1 s: clickstream-nessie: Deployment nessie: 0 of 1 pods ready" in done.stderr


def test_an_unschedulable_pod_is_a_problem_and_a_starting_one_is_not() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: Insufficient memory."}
    [problem] = problems(pod(conditions=[condition]))
    assert str(problem).endswith("pod nessie-0: Unschedulable: 0/1 nodes: Insufficient memory.")
    assert problems(pod({"reason": "ContainerCreating"})) == []


def test_pods_of_an_older_revision_and_of_jobs_are_left_out() -> None:
    """A new version that repairs a crash must not end with the old version's crash."""

    def replica_set(uid: str, revision: str) -> dict[str, Any]:
        annotations = {"deployment.kubernetes.io/revision": revision}
        return {"metadata": {"uid": uid, "annotations": annotations, "ownerReferences": [{"uid": "deployment"}]}}

    def owned(kind: str, uid: str) -> dict[str, Any]:
        return {"metadata": {"name": uid, "ownerReferences": [{"kind": kind, "uid": uid}]}}

    listed = [owned("ReplicaSet", "old"), owned("ReplicaSet", "new"), owned("Job", "job"), owned("RayCluster", "ray")]
    current = current_pods(listed, [replica_set("old", "9"), replica_set("new", "10")])
    assert [item["metadata"]["name"] for item in current] == ["new", "ray"]


def ray_service(status: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "RayService", "metadata": {"name": "serve", "generation": 1}, "status": {"observedGeneration": 1, **status}}


def test_ray_serve_is_ready_when_it_answers_and_its_application_runs() -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    running = {"activeServiceStatus": {"rayClusterName": "a", "applicationStatuses": {"recommend": {"status": "RUNNING"}}}}
    deploying = {"activeServiceStatus": {"rayClusterName": "a", "applicationStatuses": {"recommend": {"status": "DEPLOYING"}}}}
    assert missing(ray_service({})) != ""
    assert missing(ray_service({**ready, **deploying})) == "applications not running: recommend"
    assert missing(ray_service({**ready, **running})) == ""
    upgrade = {"pendingServiceStatus": {"rayClusterName": "b"}}
    assert missing(ray_service({**ready, **running, **upgrade})) == "the Ray cluster of the new version starts"


def test_a_ray_serve_application_that_cannot_be_deployed_is_reported_with_its_error() -> None:
    failed = {"recommend": {"status": "DEPLOY_FAILED", "message": "OSError: libgomp.so.1: cannot open shared object file"}}
    with pytest.raises(WorkloadFailed, match=r"application recommend is DEPLOY_FAILED: OSError: libgomp.so.1"):
        missing(ray_service({"activeServiceStatus": {"rayClusterName": "a", "applicationStatuses": failed}}))


def test_a_ray_cluster_is_ready_when_its_head_is() -> None:
    cluster = {"kind": "RayCluster", "metadata": {"name": "train", "generation": 2}}
    assert missing({**cluster, "status": {}}) == "state not set yet"
    # KubeRay keeps the generation of before if nothing else of the status changes.
    assert missing({**cluster, "status": {"observedGeneration": 1, "state": "ready"}}) == ""
    head = [{"type": "HeadPodReady", "status": "False", "reason": "ContainersNotReady", "message": "gcs"}]
    assert "ContainersNotReady" in missing({**cluster, "status": {"observedGeneration": 2, "state": "ready", "conditions": head}})
    assert missing({**cluster, "status": {"observedGeneration": 2, "state": "ready"}}) == ""


def test_a_ray_cluster_waits_until_its_head_has_the_images_of_the_manifest() -> None:
    cluster = {"spec": {"headGroupSpec": {"template": {"spec": {"containers": [{"image": "ray-apps:2"}]}}}}}
    head: dict[str, Any] = {
        "metadata": {"name": "train-head-a"},
        "spec": {"containers": [{"image": "ray-apps:1"}, {"image": "ray-apps:1"}]},
    }
    assert old_head(cluster, [head]) == "pods of the version before: train-head-a"
    head["spec"]["containers"][0]["image"] = "ray-apps:2"
    assert old_head(cluster, [head]) == ""


RUN_JOB = f"source {ROOT / 'scripts' / 'lib.sh'}; run_job clickstream-tools smoke-test 30"


def job(*conditions: str) -> dict[str, Any]:
    listed = [{"type": name, "status": "True", "reason": "BackoffLimitExceeded"} for name in conditions]
    return {"kind": "Job", "metadata": {"name": "smoke-test-1"}, "status": {"conditions": listed, "active": 1}}


@pytest.mark.parametrize(
    ("states", "exit_code"),
    [([(), ("SuccessCriteriaMet",), ("SuccessCriteriaMet", "Complete")], 0), ([("FailureTarget",), ("FailureTarget", "Failed")], 1)],
)
def test_a_job_has_ended_only_when_it_is_complete_or_failed(kubectl: StubKubectl, states: list[tuple[str, ...]], exit_code: int) -> None:
    """Kubernetes 1.31 sets SuccessCriteriaMet and FailureTarget some time before Complete and Failed."""
    kubectl.on("get jobs.batch", *(ok(job(*conditions)) for conditions in states)).on("get pods", ok({"items": []}))
    kubectl.on("logs job/", ok("log of the job\n"))
    done = kubectl.run("bash", "-c", RUN_JOB)
    assert done.returncode == exit_code, done.stderr
    assert "log of the job" in done.stderr
    assert ("failed: BackoffLimitExceeded; run: kubectl -n clickstream-tools describe job smoke-test-" in done.stderr) == (exit_code == 1)
    assert len(kubectl.calls("get jobs.batch")) == len(states)


def test_a_job_that_cannot_be_created_ends_at_once(kubectl: StubKubectl) -> None:
    """Also in a condition, where bash does not stop at errors."""
    kubectl.on("create job", fails('cronjobs.batch "smoke-test" not found\n'))
    start = time.monotonic()
    done = kubectl.run("bash", "-c", f"if ({RUN_JOB}); then echo passed; fi")
    assert time.monotonic() - start < 5
    assert 'cronjobs.batch "smoke-test" not found' in done.stderr
    assert "error: job clickstream-tools/smoke-test cannot be created" in done.stderr
    assert "passed" not in done.stdout
