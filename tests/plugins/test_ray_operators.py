"""The Ray operator of the local runtime, with a fake Jobs API that runs the app as a process."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from pyarrow.fs import LocalFileSystem

from clickstream.hooks.ray import RayError, RayJobHook
from clickstream.operators.ray import RayReceiptOperator
from clickstream.operators.receipt import ReceiptStore
from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt
from tests.plugins.test_receipt_operators import APP, GOOD

JOB_ID = names.pod_name("clickstream_nightly", "r", "work", 1)


@dataclass
class FakeHead:
    """Jobs API of a Ray head: a job is pending at its first request, and the second request runs its command to the end."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    responses_to_lose: int = 0
    # A stopped job ends only after so many more requests about it.
    requests_until_stopped: int = 0
    # The states of the other jobs at each submission.
    states_at_submission: list[list[str]] = field(default_factory=list)

    def handle(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer secret"
        job_id = request.url.path.removeprefix("/api/jobs/").removesuffix("/stop").removesuffix("/logs")
        self.requests.append(f"{request.method} {request.url.path}")
        if request.method == "POST" and not job_id:
            return self._submit(request)
        if job_id not in self.jobs:
            return httpx.Response(404, text="no such job")
        if request.url.path.endswith("/stop"):
            self.jobs[job_id]["stopping"] = self.requests_until_stopped
        if request.url.path.endswith("/logs"):
            return httpx.Response(200, json={"logs": self.jobs[job_id].get("logs", "")})
        return httpx.Response(200, json=self._advance(self.jobs[job_id]))

    def _submit(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if body["submission_id"] in self.jobs:
            return httpx.Response(400, text="exists")
        self.states_at_submission.append([job["status"] for job in self.jobs.values()])
        self.jobs[body["submission_id"]] = {"status": "PENDING", "entrypoint": body["entrypoint"], "message": ""}
        if self.responses_to_lose:
            self.responses_to_lose -= 1
            raise httpx.ReadError("connection reset")
        return httpx.Response(200, json={"submission_id": body["submission_id"]})

    def _advance(self, job: dict[str, Any]) -> dict[str, Any]:
        if "stopping" in job:
            job["stopping"] -= 1
            job["status"] = "STOPPED" if job["stopping"] < 0 else "RUNNING"
            return job
        if job["status"] == "RUNNING":
            result = subprocess.run(["sh", "-c", job["entrypoint"]], capture_output=True, text=True, check=False)
            job["status"] = "FAILED" if result.returncode else "SUCCEEDED"
            job["message"] = f"exit code {result.returncode}"
            job["logs"] = job.get("logs", "") + result.stdout
        if job["status"] == "PENDING":
            job["status"] = "RUNNING"
            job["logs"] = "it starts\nhalf a li"
        return job


@pytest.fixture
def head() -> FakeHead:
    return FakeHead()


@pytest.fixture(autouse=True)
def _settings(head: FakeHead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ReceiptStore(LocalFileSystem(), str(tmp_path))
    monkeypatch.setattr(ReceiptStore, "from_settings", classmethod(lambda cls, settings: store))
    hook = RayJobHook("http://ray", "secret", attempts=3, transport=httpx.MockTransport(head.handle))
    monkeypatch.setattr(RayJobHook, "from_settings", classmethod(lambda cls, settings: hook))


def app_command(receipt_text: str) -> list[str]:
    """Returns the command of an app that writes this receipt, or that fails without one."""
    if not receipt_text:
        return [sys.executable, "-c", "raise SystemExit(3)"]
    return [sys.executable, "-c", APP, receipt_text, "0"]


def ray_task(command: list[str]) -> RayReceiptOperator:
    return RayReceiptOperator(task_id="work", command=command, poll_seconds=0)


def try_name(context: Any, number: int = 1) -> str:
    return names.pod_name(context["ti"].dag_id, context["ti"].run_id, "work", number)


def test_the_receipt_of_a_job_is_the_return_value_of_the_task(head: FakeHead, context: Any) -> None:
    ray_task(app_command(GOOD.to_json())).execute(context)
    assert context["ti"].pushed["return_value"]["facts"] == GOOD.facts
    assert list(head.jobs) == [try_name(context)]


def test_a_lost_response_does_not_submit_a_job_twice(head: FakeHead, context: Any) -> None:
    head.responses_to_lose = 1
    ray_task(app_command(GOOD.to_json())).execute(context)
    assert head.requests.count("POST /api/jobs/") == 1


def test_arguments_reach_the_app_unchanged_through_the_shell(context: Any) -> None:
    run = "it's; \"$(quoted)\" {'a': 1}"
    ray_task(app_command(Receipt(app="train", run=run).to_json())).execute(context)
    assert context["ti"].pushed["return_value"]["run"] == run


def test_a_failed_job_is_reported_with_the_message_of_ray_and_retried(context: Any) -> None:
    with pytest.raises(AirflowException, match=rf"{try_name(context)} is FAILED: exit code 3") as failure:
        ray_task(app_command("")).execute(context)
    assert not isinstance(failure.value, AirflowFailException)


def test_a_succeeded_job_without_a_receipt_fails_the_task(context: Any) -> None:
    with pytest.raises(AirflowFailException, match="exit code 0 but no receipt"):
        ray_task([sys.executable, "-c", "pass"]).execute(context)


def test_the_job_of_an_earlier_try_is_stopped_and_has_ended_before_the_next_starts(head: FakeHead, context: Any) -> None:
    head.requests_until_stopped = 3
    head.jobs[try_name(context)] = {"status": "STUCK", "entrypoint": "true"}
    context["ti"].try_number = 2
    ray_task(app_command(GOOD.to_json())).execute(context)
    assert [job["status"] for job in head.jobs.values()] == ["STOPPED", "SUCCEEDED"]
    assert head.states_at_submission == [["STOPPED"]]


def test_a_job_that_is_lost_with_the_head_is_reported(head: FakeHead, context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def restart_head(job: dict[str, Any]) -> dict[str, Any]:
        head.jobs.clear()
        return job

    monkeypatch.setattr(head, "_advance", restart_head)
    with pytest.raises(AirflowException, match=f"Ray lost the job {try_name(context)}: its head was restarted"):
        ray_task(app_command(GOOD.to_json())).execute(context)


def test_killing_a_task_stops_its_job(head: FakeHead, context: Any) -> None:
    task = ray_task(app_command(GOOD.to_json()))
    task._job_id = try_name(context)
    head.jobs[task._job_id] = {"status": "PENDING", "entrypoint": "true"}
    task.on_kill()
    assert head.jobs[task._job_id]["status"] == "STOPPED"


def test_each_line_of_output_is_logged_once_and_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    log = SimpleNamespace(info=lambda template, line: logged.append(line))
    monkeypatch.setattr(RayReceiptOperator, "log", log, raising=False)
    task = ray_task(app_command(""))
    task.hook.submit(JOB_ID, "exec echo ne", {})
    task._job_id = JOB_ID
    task._follow()
    assert logged == ["it starts", "half a line"]


def test_a_request_without_a_token_is_reported_in_one_line() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(401, text="Unauthorized: Missing authentication token"))
    with pytest.raises(RayError, match=r"Ray rejected GET /api/jobs/x: 401 Unauthorized"):
        RayJobHook("http://ray", transport=transport).find("x")
