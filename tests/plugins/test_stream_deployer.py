"""The deployer of Flink streams with a fake cluster: start, upgrade, rollback, refused definitions and the health check."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clickstream.hooks.flink import FlinkError, FlinkUnreachable, Job, JobHealth
from clickstream.streams import deployer as deployer_module
from clickstream.streams.deployer import StreamDeployer
from clickstream_contracts import names

OLD, NEW = "0" * 64, "1" * 64
SAVEPOINTS = "s3://lake/flink/clicks_to_lake/savepoints"
SAVEPOINT = f"{SAVEPOINTS}/savepoint-1"
CHECKPOINT = "s3://lake/flink/clicks_to_lake/checkpoints/chk-7"
END_OFFSETS = {"clicks.v1": {0: 12}}


def job_name(definition: str) -> str:
    return names.flink_job_name("clicks_to_lake", definition)


@dataclass
class FakeCluster:
    """A cluster whose jobs complete a checkpoint at each request, except jobs of a definition in `failing`."""

    failing: set[str] = field(default_factory=set)
    unreachable: bool = False
    savepoint_fails: bool = False
    running: list[Job] = field(default_factory=list)
    starts: list[tuple[str, str | None]] = field(default_factory=list)
    lags: list[int] = field(default_factory=list)
    checkpoints: int = 0

    def jobs(self, app: str) -> list[Job]:
        return list(self.running)

    def run(self, driver: Path, arguments: list[str], restore: str | None) -> Job:
        if self.unreachable:
            raise FlinkUnreachable("cannot reach Flink")
        definition = arguments[arguments.index("--definition") + 1]
        job = Job(f"job{len(self.starts)}", job_name(definition), "RUNNING")
        self.starts.append((definition, restore))
        self.running = [job]
        return job

    def stop(self, job: Job, folder: str) -> str:
        if self.savepoint_fails:
            raise FlinkError("savepoint failed")
        self.running = []
        return f"{folder}/savepoint-1"

    def cancel(self, job: Job) -> None:
        self.running = []

    def health(self, job: Job) -> JobHealth:
        self.checkpoints += 1
        is_failing = any(job.name == job_name(definition) for definition in self.failing)
        lag = self.lags.pop(0) if self.lags else 0
        return JobHealth("RUNNING", self.checkpoints, False, restarts=int(is_failing), lag=lag)

    def trigger_checkpoint(self, job: Job) -> None:
        pass

    def last_failure(self, job: Job) -> str:
        return "ArithmeticException: / by zero"


@dataclass
class FakeState:
    """State of a stream that writes to the lake, in memory."""

    newest_state: str | None = None
    refusals: dict[str, dict[str, str]] = field(default_factory=dict)
    savepoint_folder: str = SAVEPOINTS
    written_tables: tuple[str, ...] = ("raw.clicks",)

    def newest(self) -> str | None:
        return self.newest_state

    def tables(self) -> tuple[str, ...]:
        return self.written_tables

    def lake_end_offsets(self) -> dict[str, dict[int, int]]:
        return END_OFFSETS

    def saved_statements(self, definition: str) -> str:
        return f"s3://lake/{definition}.sql"

    def refusal(self, definition: str) -> dict[str, str] | None:
        return self.refusals.get(definition)

    def record_refusal(self, definition: str, reason: str, instead: str) -> None:
        self.refusals[definition] = {"reason": reason, "instead": instead}


def deployer(cluster: FakeCluster, state: FakeState, **options: Any) -> StreamDeployer:
    """Returns the deployer of the definition NEW."""
    fakes: Any = {"cluster": cluster, "state": state}
    return StreamDeployer(app="clicks_to_lake", definition=NEW, driver=Path("driver.jar"), **fakes, **options)


def running(definition: str) -> list[Job]:
    return [Job("running", job_name(definition), "RUNNING")]


def test_a_stream_without_a_job_starts_from_its_newest_state() -> None:
    cluster = FakeCluster()
    receipt = deployer(cluster, FakeState(CHECKPOINT)).deploy()
    assert cluster.starts == [(NEW, CHECKPOINT)]
    assert (receipt["name"], receipt["restored_from"], receipt["replaced"]) == (job_name(NEW), CHECKPOINT, "")


@pytest.mark.parametrize(("newest", "start_fresh"), [(None, False), (CHECKPOINT, True)])
def test_without_state_or_with_start_fresh_a_stream_starts_at_the_end_offsets_of_the_lake(newest: str | None, start_fresh: bool) -> None:
    cluster = FakeCluster()
    receipt = deployer(cluster, FakeState(newest), start_fresh=start_fresh).deploy()
    assert cluster.starts == [(NEW, None)]
    assert receipt["restored_from"] == "the end offsets of the lake (clicks.v1 0: 12)"


def test_a_job_of_the_current_definition_is_left_alone() -> None:
    cluster = FakeCluster(running=running(NEW))
    assert deployer(cluster, FakeState()).deploy()["job"] == "running"
    assert cluster.starts == []


def test_another_definition_is_replaced_from_its_savepoint() -> None:
    cluster = FakeCluster(running=running(OLD))
    receipt = deployer(cluster, FakeState()).deploy()
    assert cluster.starts == [(NEW, SAVEPOINT)]
    assert receipt["replaced"] == job_name(OLD)


def test_a_failing_definition_is_rolled_back_and_not_deployed_again() -> None:
    cluster = FakeCluster(running=running(OLD), failing={NEW})
    state = FakeState(CHECKPOINT)
    with pytest.raises(FlinkError, match=rf"was rolled back, {job_name(OLD)} runs again\. .*/ by zero"):
        deployer(cluster, state).deploy()
    # From the savepoint, at the end offsets of the lake, then the old definition from the newest state.
    # A job's name holds the first 12 characters of its definition.
    assert cluster.starts == [(NEW, SAVEPOINT), (NEW, None), (OLD[:12], CHECKPOINT)]
    assert state.refusals[NEW]["instead"] == OLD[:12]
    with pytest.raises(FlinkError, match=r"failed before: .*retry_refused"):
        deployer(cluster, state).deploy()
    assert len(cluster.starts) == 3


def test_the_previous_definition_of_a_refused_one_is_started_if_nothing_runs() -> None:
    cluster = FakeCluster()
    state = FakeState(CHECKPOINT, refusals={NEW: {"reason": "failed", "instead": OLD}})
    with pytest.raises(FlinkError, match="failed before"):
        deployer(cluster, state).deploy()
    assert cluster.starts == [(OLD, CHECKPOINT)]


def test_an_unreachable_cluster_refuses_no_definition() -> None:
    cluster = FakeCluster(running=running(OLD), unreachable=True)
    state = FakeState()
    with pytest.raises(FlinkUnreachable):
        deployer(cluster, state).deploy()
    assert state.refusals == {}


@pytest.mark.parametrize(("tables", "starts"), [(("raw.clicks",), 1), ((), 2)])
def test_a_checkpoint_is_discarded_only_by_a_stream_that_writes_no_tables(tables: tuple[str, ...], starts: int) -> None:
    cluster = FakeCluster(failing={NEW})
    with pytest.raises(FlinkError, match="after 1 restarts"):
        deployer(cluster, FakeState(CHECKPOINT, written_tables=tables)).deploy()
    assert cluster.starts == [(NEW, CHECKPOINT), (NEW, None)][:starts]


def test_a_job_that_cannot_make_a_savepoint_is_replaced_from_its_newest_checkpoint() -> None:
    cluster = FakeCluster(running=running(OLD), savepoint_fails=True)
    deployer(cluster, FakeState(CHECKPOINT)).deploy()
    assert cluster.starts == [(NEW, CHECKPOINT)]


def test_two_jobs_of_one_stream_are_an_error() -> None:
    cluster = FakeCluster(running=[*running(OLD), *running(NEW)])
    with pytest.raises(FlinkError, match="2 jobs of clicks_to_lake run at once"):
        deployer(cluster, FakeState()).deploy()


def test_the_check_returns_checkpoints_restarts_and_lag_of_a_healthy_job() -> None:
    cluster = FakeCluster(running=running(NEW), lags=[20_000, 15_000])
    health = deployer(cluster, FakeState()).check()
    assert (health["job"], health["restarts"], health["lag"]) == ("running", 0, 15_000)


def test_the_check_fails_if_the_lag_grows_at_each_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployer_module, "LAG_CHECK_PAUSE_SECONDS", 0)
    cluster = FakeCluster(running=running(NEW), lags=[20_000, 30_000, 40_000, 50_000])
    with pytest.raises(FlinkError, match="falls behind: its Kafka lag grew from 40,000 to 50,000 records"):
        deployer(cluster, FakeState()).check()


def test_the_check_fails_without_a_job() -> None:
    with pytest.raises(FlinkError, match="clicks_to_lake does not run"):
        deployer(FakeCluster(), FakeState()).check()
