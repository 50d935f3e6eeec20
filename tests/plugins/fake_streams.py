"""A fake Flink cluster and the state of a stream in memory, for the deployer."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clickstream.hooks.flink import DefinitionMismatch, FlinkError, FlinkUnreachable, Job, JobHealth
from clickstream.streams.deployer import StreamDeployer
from clickstream.streams.job_state import LastGood
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
    """A cluster whose jobs complete a checkpoint at each request.

    failing: definitions whose jobs restart again and again, with the reason.
    restarts: of a job before its first checkpoint.
    runs_code_of: the only definition that its image makes; '' makes any.
    """

    failing: dict[str, str] = field(default_factory=dict)
    restarts: int = 0
    runs_code_of: str = ""
    unreachable: bool = False
    killed_after_start: bool = False
    savepoint_fails: bool = False
    running: list[Job] = field(default_factory=list)
    starts: list[tuple[str, str | None]] = field(default_factory=list)
    stops: int = 0
    lags: list[int] = field(default_factory=list)
    checkpoints: int = 0
    _restarts: int = 0

    def jobs(self, app: str) -> list[Job]:
        return list(self.running)

    def run(self, driver: Path, arguments: list[str], restore: str | None) -> Job:
        if self.unreachable:
            raise FlinkUnreachable("cannot reach Flink")
        definition = arguments[arguments.index("--definition") + 1]
        if "--statements" not in arguments:
            self.check_definition(driver, arguments)
        assert ("--without-state" in arguments) == (restore is None)
        self.checkpoints = 0
        job = Job(f"job{len(self.starts)}", job_name(definition), "RUNNING")
        self.starts.append((definition, restore))
        self.running = [job]
        if self.killed_after_start:
            raise KeyboardInterrupt
        return job

    def check_definition(self, driver: Path, arguments: list[str]) -> None:
        definition = arguments[arguments.index("--definition") + 1]
        if self.runs_code_of not in ("", definition):
            raise DefinitionMismatch("the image of the JobManager has other code or other settings than Airflow")

    def stop(self, job: Job, folder: str) -> str:
        if self.savepoint_fails:
            raise FlinkError("savepoint failed")
        self.stops += 1
        self.running = []
        return f"{folder}/savepoint-1"

    def cancel(self, job: Job) -> None:
        self.running = []

    def health(self, job: Job) -> JobHealth:
        lag = self.lags.pop(0) if self.lags else 0
        if self._reason(job):
            self._restarts += 1
            return JobHealth("RESTARTING", 0, False, self._restarts, lag)
        if self._restarts < self.restarts:
            self._restarts += 1
            return JobHealth("RESTARTING", 0, False, self._restarts, lag)
        self.checkpoints += 1
        return JobHealth("RUNNING", self.checkpoints, False, self._restarts, lag)

    def trigger_checkpoint(self, job: Job) -> None:
        pass

    def last_failure(self, job: Job) -> str:
        return self._reason(job)

    def _reason(self, job: Job) -> str:
        return next((reason for definition, reason in self.failing.items() if job.name == job_name(definition)), "")


@dataclass
class FakeState:
    """State of a stream that writes to the lake, in memory."""

    newest_state: str | None = None
    refusals: dict[str, dict[str, str]] = field(default_factory=dict)
    savepoint_folder: str = SAVEPOINTS
    written_tables: tuple[str, ...] = ("raw.clicks",)
    good: str = ""

    def newest(self) -> str | None:
        return self.newest_state

    def tables(self) -> tuple[str, ...]:
        return self.written_tables

    def lake_end_offsets(self) -> dict[str, dict[int, int]]:
        return END_OFFSETS

    def saved_statements(self, definition: str) -> str:
        return f"s3://lake/{definition}.sql"

    def is_of_a_stop(self, state: str) -> bool:
        return state.startswith(f"{SAVEPOINTS}/savepoint-")

    def last_good(self) -> LastGood | None:
        return LastGood(self.good, "0.1.0") if self.good else None

    def record_good(self, definition: str) -> None:
        self.good = definition[:12]

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
