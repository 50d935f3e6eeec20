"""Deploys one Flink stream: start from the newest state, upgrade with a savepoint, rollback, and the health check."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clickstream.hooks.flink import FlinkError, FlinkHook, FlinkUnreachable, Job, JobHealth
from clickstream.streams.job_state import JobStateStore, Offsets
from clickstream_contracts import names

LOG = logging.getLogger(__name__)
SMALL_LAG = 10_000
# The lag of a job that has just started is complete only after a while, so the job falls behind only if the lag grows at each check.
LAG_CHECKS = 3
LAG_CHECK_PAUSE_SECONDS = 10
POLL_SECONDS = 2


@dataclass(frozen=True)
class StartPosition:
    """Where a job starts: a checkpoint or savepoint, else Kafka offsets by topic and partition, else the app's own start offsets."""

    state: str | None
    offsets: Offsets = field(default_factory=dict)

    def __str__(self) -> str:
        if self.state:
            return self.state
        offsets = [
            f"{topic} {partition}: {offset}"
            for topic, partitions in sorted(self.offsets.items())
            for partition, offset in sorted(partitions.items())
        ]
        return f"the end offsets of the lake ({', '.join(offsets)})" if offsets else "the app's own start offsets"


@dataclass(frozen=True)
class StreamDeployer:
    """One app on one cluster. `checkpoint_timeout` is the time in seconds in which a job must complete a checkpoint."""

    app: str
    definition: str
    cluster: FlinkHook
    state: JobStateStore
    driver: Path
    start_fresh: bool = False
    checkpoint_timeout: float = 300

    def deploy(self) -> dict[str, Any]:
        """Makes the current definition run with its state. Idempotent: a job that already runs it is left alone."""
        running = self._running_job()
        refusal = self.state.refusal(self.definition)
        if refusal:
            return self._keep_previous(running, refusal)
        if running is None:
            return self._start_current(self._start_position())
        if running.name == names.flink_job_name(self.app, self.definition):
            return _receipt(running, "")
        return self._upgrade(running)

    def check(self) -> dict[str, Any]:
        """Waits until the job completes a checkpoint. Raises FlinkError if the job restarts, falls behind or completes none."""
        job = self._running_job()
        if job is None:
            raise FlinkError(f"{self.app} does not run: the deploy task starts it from its newest state")
        current = self.cluster.health(job)
        for _ in range(LAG_CHECKS):
            previous = current
            current = self._wait_for_next_checkpoint(job, previous)
            if current.lag <= max(previous.lag, SMALL_LAG):
                return {
                    "job": job.id,
                    "name": job.name,
                    "checkpoints": current.completed_checkpoints,
                    "restarts": current.restarts,
                    "lag": current.lag,
                }
            time.sleep(LAG_CHECK_PAUSE_SECONDS)
        raise FlinkError(
            f"{job.name} falls behind: its Kafka lag grew from {previous.lag:,} to {current.lag:,} records;"
            " raise CLICKSTREAM_FLINK_PARALLELISM"
        )

    def _wait_for_next_checkpoint(self, job: Job, previous: JobHealth) -> JobHealth:
        def completed(health: JobHealth) -> bool:
            return health.completed_checkpoints > previous.completed_checkpoints

        return self._wait(job, completed, allowed_restarts=previous.restarts)

    def _running_job(self) -> Job | None:
        jobs = [job for job in self.cluster.jobs(self.app) if not job.ended]
        if len(jobs) > 1:
            job_ids = " and ".join(job.id for job in jobs)
            raise FlinkError(f"{len(jobs)} jobs of {self.app} run at once, {job_ids}: cancel all but the oldest")
        return jobs[0] if jobs else None

    def _start_position(self) -> StartPosition:
        """Returns the newest state; without state, the end offsets of the lake, so that no record is written twice."""
        state = None if self.start_fresh else self.state.newest()
        if state:
            return StartPosition(state)
        return StartPosition(None, self.state.lake_end_offsets())

    def _start(self, definition: str, position: StartPosition, statements: str | None = None) -> dict[str, Any]:
        LOG.info("Starting %s from %s", names.flink_job_name(self.app, definition), position)
        arguments = ["-pym", f"flink_apps.{self.app}", "--definition", definition, "--offsets", json.dumps(position.offsets)]
        if statements:
            arguments += ["--statements", statements]
        job = self.cluster.run(self.driver, arguments, position.state)
        self._wait(job, lambda health: health.completed_checkpoints > 0, allowed_restarts=0)
        return _receipt(job, str(position))

    def _upgrade(self, old: Job) -> dict[str, Any]:
        LOG.info("%s runs; the current definition is %s", old.name, self.definition[:12])
        position = self._stop(old)
        try:
            return self._start_current(position) | {"replaced": old.name}
        except FlinkUnreachable:
            # The cluster failed, not the definition: the next run finds no job and starts it.
            raise
        except FlinkError as error:
            restored = self._rollback(old.name.partition("@")[2], str(error))
            raise FlinkError(f"definition {self.definition[:12]} failed and was rolled back, {restored} runs again. {error}") from None

    def _start_current(self, position: StartPosition) -> dict[str, Any]:
        """Starts the current definition; if its job cannot restore the state, starts it at the end offsets of the lake."""
        try:
            return self._start(self.definition, position)
        except FlinkUnreachable:
            raise
        except FlinkError as error:
            LOG.warning("%s", error)
            self._cancel_running_job()
            if position.state is None or not self._may_discard_state(position.state):
                raise
            return self._start(self.definition, StartPosition(None, self.state.lake_end_offsets()))

    def _may_discard_state(self, state: str) -> bool:
        """Returns whether no data is lost without the state.

        A job that writes to the lake has committed everything it read only after a stop with a savepoint. Other jobs commit nothing.
        """
        return state.startswith(self.state.savepoint_folder) or not self.state.tables()

    def _stop(self, job: Job) -> StartPosition:
        """Stops the job and returns its state: a savepoint or, if that fails, the newest checkpoint."""
        try:
            return StartPosition(self.cluster.stop(job, self.state.savepoint_folder))
        except FlinkError as error:
            LOG.warning("%s; using the newest checkpoint instead", error)
            self.cluster.cancel(job)
            return self._start_position()

    def _rollback(self, definition: str, reason: str) -> str:
        """Starts the previous definition again, records that the current one failed, and returns the name of the job."""
        self._cancel_running_job()
        self.state.record_refusal(self.definition, reason, definition)
        # Not from the savepoint of the stop: what the failed job committed since then is in its own, newer checkpoint.
        return str(self._start(definition, self._start_position(), self._saved_statements(definition))["name"])

    def _cancel_running_job(self) -> None:
        job = self._running_job()
        if job:
            self.cluster.cancel(job)

    def _saved_statements(self, definition: str) -> str:
        saved = self.state.saved_statements(definition)
        if saved is None:
            raise FlinkError(
                f"cannot roll back to {names.flink_job_name(self.app, definition)}: its saved statements are not in the bucket"
            )
        return saved

    def _keep_previous(self, running: Job | None, refusal: dict[str, Any]) -> dict[str, Any]:
        """Keeps the previous definition running, and raises FlinkError because the current one was refused."""
        previous = str(refusal["instead"])
        if running is None:
            self._start(previous, self._start_position(), self._saved_statements(previous))
        raise FlinkError(
            f"{names.flink_job_name(self.app, previous)} runs, because definition {self.definition[:12]} failed before:"
            f" {refusal['reason']}. Change it, or trigger with retry_refused"
        )

    def _wait(self, job: Job, reached: Callable[[JobHealth], bool], allowed_restarts: int) -> JobHealth:
        """Waits until `reached(health)`. Raises FlinkError if the job ends or restarts, or after `checkpoint_timeout` seconds."""
        deadline = time.monotonic() + self.checkpoint_timeout
        while True:
            health = self.cluster.health(job)
            if health.restarts > allowed_restarts or health.state in ("FAILED", "CANCELED", "FINISHED"):
                raise FlinkError(f"{job.name} is {health.state} after {health.restarts} restarts: {self.cluster.last_failure(job)}")
            if health.state == "RUNNING" and reached(health):
                return health
            # The next periodic checkpoint may be minutes away.
            if health.state == "RUNNING" and not health.checkpoint_in_progress:
                self.cluster.trigger_checkpoint(job)
            if time.monotonic() > deadline:
                raise FlinkError(
                    f"{job.name} is {health.state} and completed no checkpoint in {self.checkpoint_timeout:.0f} s."
                    f" {self.cluster.last_failure(job)}"
                )
            time.sleep(POLL_SECONDS)


def _receipt(job: Job, restored_from: str) -> dict[str, Any]:
    return {
        "job": job.id,
        "name": job.name,
        "definition": job.name.partition("@")[2],
        "restored_from": restored_from,
        "replaced": "",
    }
