"""The Ray operator of the Kubernetes runtime, against an API server that loses responses: patience, adoption, logs, deletion."""

import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from clickstream.runtime import kubernetes_client, rayjob_specs
from clickstream.runtime.rayjobs import RayJobReceiptOperator
from clickstream.task_names import try_name
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings
from tests.plugins.conftest import write_receipt
from tests.plugins.kubernetes_api import KubernetesApi, Object

COMMAND = ["python", "-m", "ray_apps.jobs.train", "", "--ref", "a b"]
GOOD = Receipt(app="train", run="a_run", facts={"number": 1})
SUCCEEDED = {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}
RUNNING = {"jobDeploymentStatus": "Running", "jobStatus": "RUNNING"}
FAILED = {"jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "message": "OOMKilled"}
RAYJOBS = "/apis/ray.io/v1/namespaces/clickstream-ray/rayjobs"
PODS = "/api/v1/namespaces/clickstream-ray/pods"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are repeated without a pause."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)


def task() -> RayJobReceiptOperator:
    return RayJobReceiptOperator(task_id="work", command=list(COMMAND), poll_seconds=0)


def run_to(api: KubernetesApi, *statuses: dict[str, Any], receipt: Receipt | None = GOOD) -> None:
    """Each GET of a RayJob sees the next of these statuses; at the last one its app has written the receipt."""
    left = list(statuses)

    def advance(rayjob: Object) -> None:
        if rayjob["kind"] != "RayJob" or not left:
            return
        rayjob["status"] = left.pop(0)
        if not left and receipt:
            write_receipt(shlex.split(rayjob["spec"]["entrypoint"]), receipt)

    api.on_get = advance


def earlier_rayjob(api: KubernetesApi, context: Any, number: int, status: dict[str, Any], command: list[str] = COMMAND) -> str:
    """Put a RayJob into the cluster that an earlier try of the task applied. Returns its name."""
    name = try_name(context["ti"], number)
    arguments = [argument for argument in command if argument]
    receipt = f"s3://{receipt_folder(context)}/work_{number}.json"
    manifest = rayjob_specs.manifest(name, [*arguments, "--receipt", receipt], Settings())
    api.objects[f"{RAYJOBS}/{name}"] = {**manifest, "status": status}
    context["ti"].try_number = max(context["ti"].try_number, number + 1)
    return name


def receipt_folder(context: Any) -> str:
    from clickstream.operators.receipt import ReceiptStore
    from clickstream.task_names import receipt_key

    key = receipt_key(context["ti"], 1)
    return ReceiptStore.from_settings(Settings()).uri(key).removeprefix("s3://").rpartition("/")[0]


def add_log(api: KubernetesApi, rayjob: str, pod: str, *lines: str) -> None:
    labels = {"batch.kubernetes.io/job-name": rayjob}
    api.objects[f"{PODS}/{pod}"] = {"kind": "Pod", "metadata": {"name": pod, "labels": labels, "creationTimestamp": "2026-01-02T00:00:00Z"}}
    api.logs[pod] = [f"2026-01-02T00:00:{number:02}.000000000Z {line}" for number, line in enumerate(lines)]


def applied(api: KubernetesApi) -> list[str]:
    return [request for request in api.requests if request.startswith(f"PATCH {RAYJOBS}")]


def test_a_rayjob_is_applied_followed_and_deleted(kubernetes_api: KubernetesApi, context: Any) -> None:
    run_to(kubernetes_api, {}, RUNNING, SUCCEEDED)
    task().execute(context)
    assert context["ti"].pushed["return_value"]["facts"] == GOOD.facts
    assert applied(kubernetes_api) == [f"PATCH {RAYJOBS}/{try_name(context['ti'], 1)}"]
    assert kubernetes_api.requests[-1].startswith(f"DELETE {RAYJOBS}/")


@pytest.mark.parametrize("codes", [[500, 503, 504, 429], [0, 0, 0], [503] * 20])
@pytest.mark.parametrize("method", ["PATCH", "GET", "DELETE"])
def test_a_job_survives_an_api_server_that_restarts(method: str, codes: list[int], kubernetes_api: KubernetesApi, context: Any) -> None:
    run_to(kubernetes_api, RUNNING, RUNNING, SUCCEEDED)
    kubernetes_api.fail(method, "/rayjobs/", *codes)
    task().execute(context)
    assert context["ti"].pushed["return_value"]["facts"] == GOOD.facts


def test_a_retry_follows_the_job_of_the_earlier_try_and_reads_its_receipt(kubernetes_api: KubernetesApi, context: Any) -> None:
    name = earlier_rayjob(kubernetes_api, context, 1, RUNNING)
    run_to(kubernetes_api, RUNNING, RUNNING, SUCCEEDED)
    task().execute(context)
    assert context["ti"].pushed["return_value"]["facts"] == GOOD.facts
    assert applied(kubernetes_api) == []
    assert [request for request in kubernetes_api.requests if request.startswith("DELETE")] == [f"DELETE {RAYJOBS}/{name}"]


@pytest.mark.parametrize("status", [FAILED, SUCCEEDED])
def test_an_ended_job_of_an_earlier_try_is_gone_before_the_next_starts(status: Any, kubernetes_api: KubernetesApi, context: Any) -> None:
    first = earlier_rayjob(kubernetes_api, context, 1, status)
    kubernetes_api.deletion_gets = 2
    present_at_apply: list[bool] = []
    kubernetes_api.on_create = lambda created: present_at_apply.append(f"{RAYJOBS}/{first}" in kubernetes_api.objects)
    run_to(kubernetes_api, status, status, status, RUNNING, SUCCEEDED)
    task().execute(context)
    assert present_at_apply == [False]
    assert applied(kubernetes_api) == [f"PATCH {RAYJOBS}/{try_name(context['ti'], 2)}"]


def test_a_job_that_is_being_deleted_or_runs_another_command_is_not_followed(kubernetes_api: KubernetesApi, context: Any) -> None:
    deleted = earlier_rayjob(kubernetes_api, context, 1, RUNNING)
    kubernetes_api.objects[f"{RAYJOBS}/{deleted}"]["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    earlier_rayjob(kubernetes_api, context, 2, RUNNING, [*COMMAND[:-1], "another tag"])
    run_to(kubernetes_api, RUNNING, RUNNING, RUNNING, SUCCEEDED)
    task().execute(context)
    assert applied(kubernetes_api) == [f"PATCH {RAYJOBS}/{try_name(context['ti'], 3)}"]


def test_of_two_running_jobs_the_newer_is_followed_and_the_older_deleted(kubernetes_api: KubernetesApi, context: Any) -> None:
    older, newer = (earlier_rayjob(kubernetes_api, context, number, RUNNING) for number in (1, 2))
    run_to(kubernetes_api, RUNNING, RUNNING, RUNNING, SUCCEEDED)
    task().execute(context)
    assert applied(kubernetes_api) == []
    deleted = [request for request in kubernetes_api.requests if request.startswith("DELETE")]
    assert deleted == [f"DELETE {RAYJOBS}/{older}", f"DELETE {RAYJOBS}/{newer}"]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (FAILED, "is FAILED: OOMKilled"),
        ({"jobDeploymentStatus": "ValidationFailed", "message": "no cluster"}, "is ValidationFailed: no cluster"),
        ({"jobDeploymentStatus": "Complete", "jobStatus": "STOPPED"}, "is STOPPED: no reason given"),
    ],
)
def test_a_failure_ends_with_the_last_lines_of_the_driver(status: Any, message: str, kubernetes_api: KubernetesApi, context: Any) -> None:
    lines = [f"line {number}" for number in range(30)]
    add_log(kubernetes_api, try_name(context["ti"], 1), "submitter", *lines, "ValueError: too few to train on")
    run_to(kubernetes_api, RUNNING, status, receipt=None)
    with pytest.raises(AirflowException, match=message) as failure:
        task().execute(context)
    assert not isinstance(failure.value, AirflowFailException)
    text = str(failure.value).splitlines()
    assert (text[-1], len(text)) == ("ValueError: too few to train on", 21)
    assert kubernetes_api.requests[-1].startswith("DELETE"), "its output is in the task's log, so the RayJob is not kept"


def test_the_output_is_logged_while_the_job_runs_each_line_once(
    kubernetes_api: KubernetesApi, context: Any, caplog: pytest.LogCaptureFixture
) -> None:
    name = try_name(context["ti"], 1)
    operator = task()
    log = kubernetes_client.JobLog(operator.hook.core_v1_client, "clickstream-ray", name)
    assert log.new_lines() == [], "the pod is not there yet"
    add_log(kubernetes_api, name, "a")
    del kubernetes_api.logs["a"]
    assert log.new_lines() == [], "the container has not started"
    add_log(kubernetes_api, name, "a", "trial 1", "trial 2")
    assert log.new_lines() == ["trial 1", "trial 2"]
    kubernetes_api.fail("GET", "/log", 500)
    assert log.new_lines() == []
    add_log(kubernetes_api, name, "a", "trial 1", "trial 2", "trial 3 of two words")
    assert log.new_lines() == ["trial 3 of two words"]
    assert log.new_lines() == []


def test_killing_the_task_deletes_the_rayjob_also_an_adopted_one(kubernetes_api: KubernetesApi, context: Any) -> None:
    name = earlier_rayjob(kubernetes_api, context, 1, RUNNING)
    operator = task()
    assert operator.adopt(context) == 1
    operator.on_kill()
    assert kubernetes_api.requests[-1] == f"DELETE {RAYJOBS}/{name}"


def test_a_job_that_somebody_deleted_is_reported_and_retried(kubernetes_api: KubernetesApi, context: Any) -> None:
    kubernetes_api.on_get = lambda rayjob: kubernetes_api.objects.clear()
    with pytest.raises(AirflowException, match=r"rayjobs/work-.* does not exist in namespace clickstream-ray: somebody deleted it"):
        task().execute(context)


def test_a_succeeded_job_counts_also_if_it_cannot_be_deleted(
    kubernetes_api: KubernetesApi, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_to(kubernetes_api, SUCCEEDED)
    kubernetes_api.fail("DELETE", "/rayjobs/", 403)
    task().execute(context)
    assert context["ti"].pushed["return_value"]["facts"] == GOOD.facts


def test_rayjobs_that_no_task_deleted_disappear_an_hour_after_their_end(kubernetes_api: KubernetesApi, context: Any) -> None:
    """The worker of their last try was lost, so nobody else deletes them."""
    minutes = {"old": 61, "recent": 59, "running": 61}
    for name, age in minutes.items():
        ended = (datetime.now(UTC) - timedelta(minutes=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = RUNNING if name == "running" else {**FAILED, "endTime": ended}
        kubernetes_api.objects[f"{RAYJOBS}/{name}"] = {**rayjob_specs.manifest(name, COMMAND, Settings()), "status": status}
    run_to(kubernetes_api, SUCCEEDED)
    task().execute(context)
    deleted = {request for request in kubernetes_api.requests if request.startswith("DELETE")}
    assert deleted == {f"DELETE {RAYJOBS}/old", f"DELETE {RAYJOBS}/{try_name(context['ti'], 1)}"}


def test_a_rayjob_has_the_settings_of_airflow() -> None:
    command = ["python", "-m", "ray_apps.jobs.train", "--ref", "a b"]
    spec = rayjob_specs.manifest("x", command, Settings(nessie_uri="http://n:1", ray_image="r:1"))["spec"]
    assert spec["entrypoint"] == "python -m ray_apps.jobs.train --ref 'a b'"
    assert '"CLICKSTREAM_NESSIE_URI": "http://n:1"' in spec["runtimeEnvYAML"]
    assert spec["submitterPodTemplate"]["spec"]["containers"][0]["image"] == "r:1"
