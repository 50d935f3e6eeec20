"""Flink REST API v1 of a session cluster: list, start, stop and cancel jobs, and read their health metrics."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from clickstream.hooks.http_client import HttpClient
from clickstream_contracts import names

ENTRY_CLASS = "org.apache.flink.client.python.PythonDriver"
TERMINAL_STATES = {"FINISHED", "CANCELED", "FAILED", "SUSPENDED"}
# Flink responds to a submission after Python has planned the job, which takes up to a minute on a busy machine.
SUBMIT_TIMEOUT_SECONDS = 240
CHECK_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 180
CANCEL_TIMEOUT_SECONDS = 60
UPLOAD_TIMEOUT_SECONDS = 120
LOG_LINE_LENGTH = 300
# What Flink reports after an app ended without a job, and after an app ended because its definition is another one.
NO_JOB = "No jobs included in application"
MISMATCH = f"Python process exits with code: {names.DEFINITION_MISMATCH_EXIT_CODE}"


class FlinkError(RuntimeError):
    """Flink rejected a request or a job failed; the text holds Flink's reason."""


class DefinitionNotTried(FlinkError):
    """The failure says nothing about the definition that was to start."""


class FlinkUnreachable(DefinitionNotTried):
    """The connection to Flink failed: whether the request took effect is unknown."""


class StorageUnavailable(DefinitionNotTried):
    """The object store rejected requests for the time being."""


class DefinitionMismatch(DefinitionNotTried):
    """The code or the settings of the JobManager make another definition than Airflow's."""


@dataclass(frozen=True)
class Job:
    """A job that the JobManager knows."""

    id: str
    name: str
    state: str

    @property
    def ended(self) -> bool:
        return self.state in TERMINAL_STATES


@dataclass(frozen=True)
class JobHealth:
    """Health metrics of a Flink job.

    lag: number of Kafka records that its sources have not read yet.
    last_checkpoint: time of the newest completed checkpoint in seconds since 1970; 0 without one.
    """

    state: str
    completed_checkpoints: int
    checkpoint_in_progress: bool
    restarts: int
    lag: int
    last_checkpoint: float = 0


class FlinkHook:
    """One session cluster."""

    def __init__(self, uri: str, attempts: int = 6) -> None:
        self._uri = uri
        self._http = HttpClient(uri, _rejection_error, attempts, timeout=30)

    def jobs(self, app: str) -> list[Job]:
        """Returns the app's jobs, newest first. A JobManager without high availability forgets its jobs when it restarts."""
        details = sorted(self._get("/jobs/overview")["jobs"], key=lambda job: -job["start-time"])
        return [Job(job["jid"], job["name"], job["state"]) for job in details if job["name"].startswith(f"{app}@")]

    def job(self, job_id: str) -> Job:
        """Returns the job in its current state."""
        details = self._get(f"/jobs/{job_id}")
        return Job(job_id, details["name"], details["state"])

    def run(self, driver: Path, arguments: list[str], restore: str | None) -> Job:
        """Starts a Python app from a savepoint or checkpoint, or without state if `restore` is None."""
        body: dict[str, Any] = {"entryClass": ENTRY_CLASS, "programArgsList": arguments, "allowNonRestoredState": False}
        if restore:
            body["savepointPath"] = restore
        try:
            started = self._send("POST", f"/jars/{self._jar_id(driver)}/run", json=body, timeout=SUBMIT_TIMEOUT_SECONDS)
        except DefinitionNotTried:
            raise
        except FlinkError as error:
            raise FlinkError(f"{error}; see the JobManager's log for the output of the app") from None
        return self.job(started["jobid"])

    def check_definition(self, driver: Path, arguments: list[str]) -> None:
        """Runs an app that only compares its definition. Raises DefinitionMismatch if it makes another one."""
        body = {"entryClass": ENTRY_CLASS, "programArgsList": arguments}
        try:
            self._send("POST", f"/jars/{self._jar_id(driver)}/run", json=body, timeout=CHECK_TIMEOUT_SECONDS)
        except FlinkError as error:
            if NO_JOB not in str(error):
                raise

    def savepoint(self, job: Job, folder: str, timeout: float = STOP_TIMEOUT_SECONDS) -> str:
        """Takes a savepoint below `folder`, after which the job goes on, and returns its URI. `timeout` is in seconds."""
        request = self._send("POST", f"/jobs/{job.id}/savepoints", json={"target-directory": folder, "cancel-job": False})
        return self._savepoint_uri(job, request["request-id"], time.monotonic() + timeout)

    def stop(self, job: Job, folder: str, timeout: float = STOP_TIMEOUT_SECONDS) -> str:
        """Stops the job with a savepoint below `folder` and returns the savepoint's URI. `timeout` is in seconds."""
        deadline = time.monotonic() + timeout
        request = self._send("POST", f"/jobs/{job.id}/stop", json={"targetDirectory": folder, "drain": False})
        uri = self._savepoint_uri(job, request["request-id"], deadline)
        self._wait_until_ended(job, deadline)
        return uri

    def _savepoint_uri(self, job: Job, request_id: str, deadline: float) -> str:
        while True:
            savepoint = self._get(f"/jobs/{job.id}/savepoints/{request_id}")
            if savepoint["status"]["id"] == "COMPLETED":
                break
            if time.monotonic() > deadline:
                raise FlinkError(f"{job.name} completed no savepoint in time: see {self._uri}/#/job/running/{job.id}")
            time.sleep(1)
        operation = savepoint["operation"]
        if "location" not in operation:
            cause = error_and_root_cause(operation["failure-cause"].get("stack-trace", ""))
            raise FlinkError(f"savepoint of {job.name} failed: {cause}")
        return str(operation["location"])

    def cancel(self, job: Job, timeout: float = CANCEL_TIMEOUT_SECONDS) -> None:
        """Cancels the job and waits until it ended; its last checkpoint is retained. `timeout` is in seconds."""
        if self._is_running(job):
            self._send("PATCH", f"/jobs/{job.id}", params={"mode": "cancel"})
            self._wait_until_ended(job, time.monotonic() + timeout)

    def health(self, job: Job) -> JobHealth:
        """Returns the current health metrics of the job."""
        checkpoints = self._get(f"/jobs/{job.id}/checkpoints")
        counts, last = checkpoints["counts"], checkpoints["latest"]["completed"]
        restarts = self._get(f"/jobs/{job.id}/metrics", params={"get": "numRestarts"})
        return JobHealth(
            state=self.job(job.id).state,
            completed_checkpoints=counts["completed"],
            checkpoint_in_progress=counts["in_progress"] > 0,
            restarts=int(float(restarts[0]["value"])) if restarts else 0,
            lag=self._lag(job),
            last_checkpoint=last["latest_ack_timestamp"] / 1000 if last else 0,
        )

    def trigger_checkpoint(self, job: Job) -> None:
        """Triggers a checkpoint. Flink declines it without an error while the job's tasks are still starting."""
        self._call(self._http.request, "POST", f"/jobs/{job.id}/checkpoints", json={"checkpointType": "CONFIGURED"})

    def last_failure(self, job: Job) -> str:
        """Returns why the job last failed, in one line; '' if it never did."""
        entries = self._get(f"/jobs/{job.id}/exceptions", params={"maxExceptions": 1})["exceptionHistory"]["entries"]
        return error_and_root_cause(entries[0]["stacktrace"]) if entries else ""

    def _lag(self, job: Job) -> int:
        total = 0
        for vertex in self._get(f"/jobs/{job.id}")["vertices"]:
            path = f"/jobs/{job.id}/vertices/{vertex['id']}/subtasks/metrics"
            metric_ids = [metric["id"] for metric in self._get(path) if metric["id"].endswith(".pendingRecords")]
            if metric_ids:
                metrics = self._get(path, params={"get": ",".join(metric_ids), "agg": "sum"})
                total += sum(int(metric["sum"]) for metric in metrics)
        return total

    def _is_running(self, job: Job) -> bool:
        """Returns whether the job has not ended; a JobManager that was restarted does not list it any more."""
        details = self._get("/jobs/overview")["jobs"]
        return any(listed["jid"] == job.id and listed["state"] not in TERMINAL_STATES for listed in details)

    def _wait_until_ended(self, job: Job, deadline: float) -> None:
        while self._is_running(job):
            if time.monotonic() > deadline:
                raise FlinkError(f"{job.name} ({job.id}) did not end in time: see {self._uri}/#/job/running/{job.id}")
            time.sleep(0.5)

    def _jar_id(self, jar: Path) -> str:
        """Returns the id of the uploaded driver jar; it is uploaded once for the lifetime of the JobManager."""
        for uploaded in self._get("/jars")["files"]:
            if uploaded["name"] == jar.name:
                return str(uploaded["id"])
        with jar.open("rb") as file:
            files = {"jarfile": (jar.name, file, "application/java-archive")}
            response = self._send("POST", "/jars/upload", files=files, timeout=UPLOAD_TIMEOUT_SECONDS)
        return str(response["filename"].rsplit("/", 1)[-1])

    def _get(self, path: str, params: dict[str, Any] | None = None) -> Any:
        return self._call(self._http.request, "GET", path, params=params)

    def _send(self, method: str, path: str, **options: Any) -> Any:
        """Sends a request that must not be repeated."""
        return self._call(self._http.request_once, method, path, **options)

    def _call(self, request: Callable[..., httpx.Response], method: str, path: str, **options: Any) -> Any:
        try:
            return request(method, path, **options).json()
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise FlinkUnreachable(f"cannot reach Flink at {self._uri} ({reason}): check that the JobManager runs") from None
        except httpx.HTTPStatusError as error:
            raise _rejection_error(f"{method} {path}", error.response) from None


def _rejection_error(request: str, response: httpx.Response) -> FlinkError:
    if MISMATCH in response.text:
        return DefinitionMismatch(
            "the image of the JobManager has other code or other settings than Airflow: deploy the same version and the same"
            " CLICKSTREAM_* settings to both"
        )
    return FlinkError(f"Flink rejected {request}: {response.status_code} {_reason(response)}")


def _reason(response: httpx.Response) -> str:
    try:
        return error_and_root_cause("\n".join(response.json()["errors"]))
    except (ValueError, KeyError):
        return response.text[:200]


def error_and_root_cause(stacktrace: str) -> str:
    """Returns the exception and its root cause from a Java stack trace, in one line."""
    lines = [line.strip() for line in stacktrace.splitlines() if line.strip()]
    messages = [line[:LOG_LINE_LENGTH] for line in lines if not line.startswith(("at ", "..."))]
    causes = [message for message in messages if message.startswith("Caused by: ")]
    if not messages:
        return "no reason given"
    if not causes or causes[-1] == messages[0]:
        return messages[0]
    return f"{messages[0]} <- {causes[-1]}"
