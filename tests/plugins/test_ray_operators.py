"""Ray jobs: a head played by the test on one side, a cluster's resources on the other; the receipt is the verdict on both."""

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from kubernetes.client import ApiException
from pyarrow.fs import LocalFileSystem

from clickstream.hooks.ray import RayError, RayJobs
from clickstream.operators.ray import RayReceiptOperator
from clickstream.operators.receipt import ReceiptStore
from clickstream.runtime import rayjobs
from clickstream.runtime.kubernetes import RayJobReceiptOperator
from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings
from tests.plugins.test_receipt_operators import APP, GOOD

JOB = names.pod_name("clickstream_nightly", "r", "work", 1)


@dataclass
class Head:
    """A Job REST that runs a job's command when it is asked for it the second time."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    lost_answers: int = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer secret"
        name = request.url.path.removeprefix("/api/jobs/").removesuffix("/stop").removesuffix("/logs")
        self.asked.append(f"{request.method} {request.url.path}")
        if request.method == "POST" and not name:
            return self._take(request)
        if name not in self.jobs:
            return httpx.Response(404, text="no such job")
        if request.url.path.endswith("/stop"):
            self.jobs[name]["status"] = "STOPPED"
        if request.url.path.endswith("/logs"):
            return httpx.Response(200, json={"logs": self.jobs[name].get("logs", "")})
        return httpx.Response(200, json=self._one_step_on(self.jobs[name]))

    def _take(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if body["submission_id"] in self.jobs:
            return httpx.Response(400, text="exists")
        self.jobs[body["submission_id"]] = {"status": "PENDING", "entrypoint": body["entrypoint"], "message": ""}
        if self.lost_answers:
            self.lost_answers -= 1
            raise httpx.ReadError("connection reset")
        return httpx.Response(200, json={"submission_id": body["submission_id"]})

    def _one_step_on(self, job: dict[str, Any]) -> dict[str, Any]:
        if job["status"] == "RUNNING":
            done = subprocess.run(["sh", "-c", job["entrypoint"]], capture_output=True, text=True, check=False)
            ended = {"status": "FAILED" if done.returncode else "SUCCEEDED", "message": f"exit code {done.returncode}"}
            job |= ended | {"logs": job.get("logs", "") + done.stdout}
        if job["status"] == "PENDING":
            job |= {"status": "RUNNING", "logs": "it starts\nhalf a li"}
        return job


@pytest.fixture
def head() -> Head:
    return Head()


@pytest.fixture(autouse=True)
def _settings(head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ReceiptStore(LocalFileSystem(), str(tmp_path))
    monkeypatch.setattr(ReceiptStore, "from_settings", classmethod(lambda cls, settings: store))
    jobs = RayJobs("http://ray", "secret", attempts=3, transport=httpx.MockTransport(head.answer))
    monkeypatch.setattr(RayJobs, "from_settings", classmethod(lambda cls, settings: jobs))


def command(text: str) -> list[str]:
    """An app that leaves this as its receipt, or breaks down without one."""
    return [sys.executable, "-c", APP, text, "0"] if text else [sys.executable, "-c", "raise SystemExit(3)"]


def task(text: str) -> RayReceiptOperator:
    return RayReceiptOperator(task_id="work", command=command(text), poll_seconds=0)


def job_of(context: Any, number: int = 1) -> str:
    return names.pod_name(context["ti"].dag_id, context["ti"].run_id, "work", number)


def test_a_job_that_leaves_a_receipt_is_the_tasks_answer(head: Head, context: Any) -> None:
    task(GOOD.to_json()).execute(context)
    assert context["ti"].pushed["return_value"]["facts"] == GOOD.facts
    assert list(head.jobs) == [job_of(context)]


def test_a_lost_answer_does_not_start_a_job_twice(head: Head, context: Any) -> None:
    head.lost_answers = 1
    task(GOOD.to_json()).execute(context)
    assert head.asked.count("POST /api/jobs/") == 1


def test_words_reach_the_app_as_they_are(head: Head, context: Any) -> None:
    one = task(Receipt(app="train", run="it's; \"$(quoted)\" {'a': 1}").to_json())
    one.execute(context)
    assert context["ti"].pushed["return_value"]["run"] == "it's; \"$(quoted)\" {'a': 1}"


def test_a_job_that_fails_is_told_in_rays_words(head: Head, context: Any) -> None:
    with pytest.raises(AirflowException, match=rf"{job_of(context)} is FAILED: exit code 3") as failure:
        task("").execute(context)
    assert not isinstance(failure.value, AirflowFailException)


def test_a_job_that_ends_well_without_a_receipt_is_not_believed(context: Any) -> None:
    one = RayReceiptOperator(task_id="work", command=[sys.executable, "-c", "pass"], poll_seconds=0)
    with pytest.raises(AirflowFailException, match="wrote no receipt"):
        one.execute(context)


def test_what_an_earlier_try_left_running_is_stopped_first(head: Head, context: Any) -> None:
    head.jobs[job_of(context)] = {"status": "STUCK", "entrypoint": "true"}
    context["ti"].try_number = 2
    task(GOOD.to_json()).execute(context)
    assert [job["status"] for job in head.jobs.values()] == ["STOPPED", "SUCCEEDED"]


def test_a_head_that_forgot_the_job_is_named(head: Head, context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(job: dict[str, Any]) -> dict[str, Any]:
        head.jobs.clear()
        return job

    monkeypatch.setattr(head, "_one_step_on", forget)
    with pytest.raises(AirflowException, match="started anew"):
        task(GOOD.to_json()).execute(context)


def test_a_killed_task_ends_its_job(head: Head, context: Any) -> None:
    one = task(GOOD.to_json())
    one._job = job_of(context)
    head.jobs[one._job] = {"status": "PENDING", "entrypoint": "true"}
    one.on_kill()
    assert head.jobs[one._job]["status"] == "STOPPED"


def test_the_log_is_told_line_by_line_and_once(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    one = task("")
    monkeypatch.setattr(RayReceiptOperator, "log", SimpleNamespace(info=lambda form, line: told.append(line)), raising=False)
    one.jobs.submit(JOB, "exec echo ne", {})
    one._job = JOB
    one._follow()
    assert told == ["it starts", "half a line"]


def test_without_a_token_the_refusal_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse = httpx.MockTransport(lambda request: httpx.Response(401, text="Unauthorized: Missing authentication token"))
    with pytest.raises(RayError, match=r"Ray refused GET /api/jobs/x: 401 Unauthorized"):
        RayJobs("http://ray", transport=refuse).find("x")


class Cluster:
    """The RayJobs of a cluster: each is over when it is looked at the second time."""

    def __init__(self, ends: dict[str, Any], store: dict[str, Any] | None = None) -> None:
        self.ends, self.things = ends, {} if store is None else store
        self.calls: list[str] = []

    def patch_namespaced_custom_object(self, *where: Any, **how: Any) -> None:
        *_, name, body = where
        assert (where[:4], how) == (("ray.io", "v1", "clickstream-ray", "rayjobs"), rayjobs.APPLY)
        self.calls.append(f"apply {name}")
        self.things[name] = body

    def get_namespaced_custom_object(self, *where: str) -> dict[str, Any]:
        self.calls.append(f"get {where[-1]}")
        command = shlex.split(self.things[where[-1]]["spec"]["entrypoint"])
        first = self.calls.count(f"get {where[-1]}") == 1
        if not first:
            subprocess.run(command, check=False)
        return {} if first else {"status": self.ends}

    def delete_namespaced_custom_object(self, *where: str) -> None:
        self.calls.append(f"delete {where[-1]}")
        if self.things.pop(where[-1], None) is None:
            raise ApiException(status=404)


def there(cluster: Cluster, text: str) -> RayJobReceiptOperator:
    one = RayJobReceiptOperator(task_id="work", command=command(text), poll_seconds=0)
    one.__dict__["hook"] = SimpleNamespace(custom_object_client=cluster)
    return one


GOOD_END = {"jobDeploymentStatus": "Complete", "jobStatus": "SUCCEEDED"}


def test_there_a_rayjob_is_applied_followed_and_removed(context: Any) -> None:
    cluster = Cluster(GOOD_END)
    context["ti"].try_number = 2
    there(cluster, GOOD.to_json()).execute(context)
    assert context["ti"].pushed["return_value"]["facts"] == GOOD.facts
    first, second = job_of(context, 1), job_of(context, 2)
    assert cluster.calls == [f"delete {first}", f"apply {second}", f"get {second}", f"get {second}", f"delete {second}"]


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ({"jobDeploymentStatus": "Failed", "jobStatus": "FAILED", "message": "OOMKilled"}, "is FAILED: OOMKilled"),
        ({"jobDeploymentStatus": "ValidationFailed", "message": "no cluster"}, "is ValidationFailed: no cluster"),
        ({"jobDeploymentStatus": "Complete", "jobStatus": "STOPPED"}, "is STOPPED: no reason given"),
    ],
)
def test_there_a_failure_is_told_in_the_resources_words_and_left_to_look_at(ends: dict[str, Any], words: str, context: Any) -> None:
    cluster = Cluster(ends)
    with pytest.raises(AirflowException, match=words):
        there(cluster, "").execute(context)
    assert list(cluster.things) == [job_of(context)]


def test_a_rayjob_takes_airflows_settings_along() -> None:
    made = rayjobs.resource("x", ["python", "-m", "ray_apps.jobs.train", "--ref", "a b"], Settings(nessie_uri="http://n:1"))
    assert made["spec"]["entrypoint"] == "python -m ray_apps.jobs.train --ref 'a b'"
    assert '"CLICKSTREAM_NESSIE_URI": "http://n:1"' in made["spec"]["runtimeEnvYAML"]
