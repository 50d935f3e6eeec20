"""A Flink session cluster over REST v1: what runs, how it fares, start, stop with a savepoint, cancel."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

ENTRY_CLASS = "org.apache.flink.client.python.PythonDriver"
ENDED = {"FINISHED", "CANCELED", "FAILED", "SUSPENDED"}
# The cluster answers a submission when Python has planned the job: a busy machine takes a minute for that.
PLANNING_SECONDS = 300


class FlinkError(RuntimeError):
    """The cluster refused or a job failed; the text says what, and why in the cluster's words."""


class FlinkUnreachable(FlinkError):
    """No answer: whether the request was carried out is unknown."""


@dataclass(frozen=True)
class Job:
    """A job that the cluster knows."""

    id: str
    name: str
    state: str

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True)
class Vitals:
    """What tells a sound job from one that only says RUNNING."""

    state: str
    checkpoints: int
    checkpointing: bool
    restarts: int
    lag: int


class FlinkHook:
    """One session cluster."""

    def __init__(self, uri: str, attempts: int = 6) -> None:
        self._uri = uri
        self._http = httpx.Client(base_url=uri, timeout=30)
        self._retrying = Retrying(
            retry=retry_if_exception_type(FlinkUnreachable),
            stop=stop_after_attempt(attempts),
            wait=wait_exponential(multiplier=0.5, max=10),
            reraise=True,
        )

    def jobs(self, app: str) -> list[Job]:
        """The app's jobs, newest first; a session cluster that lost its JobManager has forgotten all of them."""
        found = sorted(self._get("/jobs/overview")["jobs"], key=lambda j: -j["start-time"])
        return [Job(j["jid"], j["name"], j["state"]) for j in found if j["name"].startswith(f"{app}@")]

    def job(self, job_id: str) -> Job:
        """The job as it is now."""
        found = self._get(f"/jobs/{job_id}")
        return Job(job_id, found["name"], found["state"])

    def run(self, driver: Path, arguments: list[str], restore: str | None) -> Job:
        """Start a Python app from a savepoint or checkpoint, or without state if `restore` is None."""
        body: dict[str, Any] = {"entryClass": ENTRY_CLASS, "programArgsList": arguments, "allowNonRestoredState": False}
        body |= {"savepointPath": restore} if restore else {}
        try:
            started = self._send("POST", f"/jars/{self._driver(driver)}/run", json=body, timeout=PLANNING_SECONDS)
        except FlinkError as error:
            raise FlinkError(f"{error}; the JobManager's log holds what the app itself said") from None
        return self.job(started["jobid"])

    def stop(self, job: Job, folder: str, patience: float = 300) -> str:
        """Stop the job with a savepoint below `folder` and return the savepoint's address."""
        asked = self._send("POST", f"/jobs/{job.id}/stop", json={"targetDirectory": folder, "drain": False})
        status = f"/jobs/{job.id}/savepoints/{asked['request-id']}"
        end = time.monotonic() + patience
        while (answer := self._get(status))["status"]["id"] != "COMPLETED":
            if time.monotonic() > end:
                raise FlinkError(f"{job.name} did not stop with a savepoint in {patience:.0f} s")
            time.sleep(1)
        operation = answer["operation"]
        if "location" not in operation:
            raise FlinkError(f"{job.name} made no savepoint: {first_lines(operation['failure-cause'].get('stack-trace', ''))}")
        self._until_ended(job, patience)
        return str(operation["location"])

    def cancel(self, job: Job, patience: float = 120) -> None:
        """Cancel the job and wait for its end; its last checkpoint stays."""
        if self._alive(job):
            self._send("PATCH", f"/jobs/{job.id}", params={"mode": "cancel"})
            self._until_ended(job, patience)

    def vitals(self, job: Job) -> Vitals:
        """How the job fares at this moment."""
        counts = self._get(f"/jobs/{job.id}/checkpoints")["counts"]
        restarts = self._get(f"/jobs/{job.id}/metrics", params={"get": "numRestarts"})
        return Vitals(
            state=self.job(job.id).state,
            checkpoints=counts["completed"],
            checkpointing=counts["in_progress"] > 0,
            restarts=int(float(restarts[0]["value"])) if restarts else 0,
            lag=self._lag(job),
        )

    def checkpoint(self, job: Job) -> None:
        """Ask for a checkpoint now; one that cannot begin yet, since the job's tasks are still coming up, is none."""
        self._retrying(self._send, "POST", f"/jobs/{job.id}/checkpoints", json={"checkpointType": "CONFIGURED"})

    def cause(self, job: Job) -> str:
        """Why the job last failed, in one line; '' if it never did."""
        entries = self._get(f"/jobs/{job.id}/exceptions", params={"maxExceptions": 1})["exceptionHistory"]["entries"]
        return first_lines(entries[0]["stacktrace"]) if entries else ""

    def _lag(self, job: Job) -> int:
        """Records that Kafka holds and the job has not read."""
        total = 0
        for vertex in self._get(f"/jobs/{job.id}")["vertices"]:
            path = f"/jobs/{job.id}/vertices/{vertex['id']}/subtasks/metrics"
            names = [m["id"] for m in self._get(path) if m["id"].endswith(".pendingRecords")]
            found = self._get(path, params={"get": ",".join(names), "agg": "sum"}) if names else []
            total += sum(int(metric["sum"]) for metric in found)
        return total

    def _alive(self, job: Job) -> bool:
        """Whether the job has still to end; a JobManager that was started anew knows nothing of it."""
        return any(one["jid"] == job.id and one["state"] not in ENDED for one in self._get("/jobs/overview")["jobs"])

    def _until_ended(self, job: Job, patience: float) -> None:
        end = time.monotonic() + patience
        while self._alive(job):
            if time.monotonic() > end:
                raise FlinkError(f"{job.name} ({job.id}) did not end in {patience:.0f} s: look at {self._uri}/#/job/running/{job.id}")
            time.sleep(0.5)

    def _driver(self, jar: Path) -> str:
        """The id of the uploaded driver; it is uploaded once in the JobManager's life."""
        known = [f["id"] for f in self._get("/jars")["files"] if f["name"] == jar.name]
        if known:
            return str(known[0])
        with jar.open("rb") as file:
            answer = self._send("POST", "/jars/upload", files={"jarfile": (jar.name, file, "application/java-archive")}, timeout=120)
        return str(answer["filename"].rsplit("/", 1)[-1])

    def _get(self, path: str, params: dict[str, Any] | None = None) -> Any:
        return self._retrying(self._send, "GET", path, params=params)

    def _send(self, method: str, path: str, **request: Any) -> Any:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise FlinkUnreachable(
                f"Flink does not answer at {self._uri} ({error or type(error).__name__}): is its JobManager up?"
            ) from None
        if answer.is_error:
            raise FlinkError(f"Flink refused {method} {path}: {answer.status_code} {_refusal(answer)}")
        return answer.json()


def _refusal(answer: httpx.Response) -> str:
    try:
        return first_lines("\n".join(answer.json()["errors"]))
    except (ValueError, KeyError):
        return answer.text[:200]


def first_lines(stacktrace: str) -> str:
    """What was thrown and what caused it first, without the way there: a whole trace holds kilobytes."""
    lines = [line.strip() for line in stacktrace.splitlines() if line.strip() and not line.strip().startswith(("at ", "..."))]
    causes = [line for line in lines if line.startswith("Caused by: ")]
    return " <- ".join(dict.fromkeys(line[:300] for line in [*lines[:1], *causes[-1:]])) or "no reason given"
