"""The commands that scripts run in the scheduler's pod: savepoints before an upgrade, and the status of the streams."""

import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from clickstream.hooks.flink import FlinkError, FlinkUnreachable, Job, JobHealth
from clickstream.streams import prepare_upgrade, status
from clickstream.streams.job_state import LastGood
from clickstream_contracts import names

DEFINITION = "a" * 12


@dataclass
class Cluster:
    """A cluster with one job of each app in `states`, in that state."""

    states: dict[str, str]
    checkpoint_age: float | None = 5
    savepoint_error: FlinkError | None = None
    savepoints: list[str] = field(default_factory=list)

    def jobs(self, app: str) -> list[Job]:
        return [Job(f"id of {app}", f"{app}@{DEFINITION}", self.states[app])] if app in self.states else []

    def savepoint(self, job: Job, folder: str) -> str:
        if self.savepoint_error and job.name.startswith(names.FRAUD_SCORES_JOB):
            raise self.savepoint_error
        self.savepoints.append(job.name)
        return f"{folder}/savepoint-1"

    def health(self, job: Job) -> JobHealth:
        last = time.time() - self.checkpoint_age if self.checkpoint_age is not None else 0
        return JobHealth(job.state, 7, False, restarts=1, lag=3, last_checkpoint=last)

    def last_failure(self, job: Job) -> str:
        return "OutOfMemoryError: Java heap space"


@dataclass
class State:
    """What a stream remembers in the bucket."""

    app: str
    good: LastGood | None = None
    upgrade_savepoint_folder: str = "s3://lake/upgrade"

    def record_good(self, definition: str, savepoint: str) -> None:
        self.good = LastGood(definition, "0.1.0", savepoint)

    def last_good(self) -> LastGood | None:
        return self.good


def take(cluster: Cluster) -> tuple[bool, dict[str, Any]]:
    states: Any = {app: State(app) for app in names.STREAM_JOBS}
    fake: Any = cluster
    return prepare_upgrade.take_savepoints(fake, states), states


def test_each_running_stream_takes_a_savepoint_that_is_remembered(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Cluster(dict.fromkeys(names.STREAM_JOBS, "RUNNING") | {names.RECOMMENDATIONS_JOB: "CANCELED"})
    succeeded, states = take(cluster)
    lines = capsys.readouterr().out.splitlines()
    assert succeeded
    assert lines[0] == f"clicks_to_lake@{DEFINITION}: s3://lake/upgrade/savepoint-1"
    assert lines[3] == "recommendations: does not run"
    assert states[names.CLICKS_TO_LAKE_JOB].good == LastGood(DEFINITION, "0.1.0", "s3://lake/upgrade/savepoint-1")
    assert len(cluster.savepoints) == 3


def test_nothing_that_runs_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert take(Cluster({}))[0]
    assert len(capsys.readouterr().out.splitlines()) == len(names.STREAM_JOBS)


@pytest.mark.parametrize("error", [FlinkError("savepoint of fraud_scores failed: disk full"), FlinkUnreachable("cannot reach Flink")])
def test_a_savepoint_that_fails_is_reported_and_the_other_streams_take_theirs(
    error: FlinkError, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = Cluster(dict.fromkeys(names.STREAM_JOBS, "RUNNING"), savepoint_error=error)
    assert not take(cluster)[0]
    assert f"fraud_scores: {error}" in capsys.readouterr().out.splitlines()
    assert len(cluster.savepoints) == 3


def line_of(cluster: Cluster, app: str = names.CLICKS_TO_LAKE_JOB) -> dict[str, Any]:
    fake: Any = cluster
    state: Any = State(app, LastGood("b" * 12, "0.1.0"))
    return status.status(fake, app, state)


def test_a_running_stream_has_definition_checkpoint_age_and_no_problem() -> None:
    line = line_of(Cluster({names.CLICKS_TO_LAKE_JOB: "RUNNING"}))
    assert (line["state"], line["definition"], line["last_good"]["definition"]) == ("RUNNING", DEFINITION, "b" * 12)
    assert 5 <= line["checkpoint_age_seconds"] < 60
    assert line["problem"] == ""


@pytest.mark.parametrize(
    ("cluster", "problem"),
    [
        (Cluster({}), "0 jobs run instead of 1"),
        (Cluster({names.CLICKS_TO_LAKE_JOB: "CANCELED"}), "0 jobs run instead of 1"),
        (Cluster({names.CLICKS_TO_LAKE_JOB: "RESTARTING"}), "the job is RESTARTING: OutOfMemoryError: Java heap space"),
        (Cluster({names.CLICKS_TO_LAKE_JOB: "RUNNING"}, checkpoint_age=None), "the job has completed no checkpoint"),
    ],
)
def test_a_stream_that_does_not_run_with_a_checkpoint_has_a_problem(cluster: Cluster, problem: str) -> None:
    assert line_of(cluster)["problem"] == problem
