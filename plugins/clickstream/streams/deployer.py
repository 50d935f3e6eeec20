"""Deploys one Flink stream: start from the newest state, upgrade with a savepoint, rollback to the last good definition."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clickstream.hooks import flink
from clickstream.hooks.flink import DefinitionMismatch, DefinitionNotTried, FlinkError, FlinkHook, Job
from clickstream.streams.health import HealthWatch
from clickstream.streams.job_state import JobStateStore, Offsets
from clickstream_contracts import names

LOG = logging.getLogger(__name__)
CHECKPOINT_TIMEOUT_SECONDS = 240
# What Flink says of a job whose definition is not the one of its state. The definition may run without that state.
INCOMPATIBLE_STATE = ("Cannot map checkpoint/savepoint state", "StateMigrationException")

_START_SECONDS = flink.SUBMIT_TIMEOUT_SECONDS + CHECKPOINT_TIMEOUT_SECONDS
# A stop without a savepoint, a start with state and one without it, and the rollback. The task's execution timeout must be longer.
LONGEST_DEPLOYMENT_SECONDS = (
    flink.CHECK_TIMEOUT_SECONDS + flink.STOP_TIMEOUT_SECONDS + 3 * flink.CANCEL_TIMEOUT_SECONDS + 3 * _START_SECONDS
)


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
    checkpoint_timeout: float = CHECKPOINT_TIMEOUT_SECONDS

    def deploy(self) -> dict[str, Any]:
        """Makes the current definition run with its state. Idempotent: a job that already runs it is left alone.

        The receipt's `waiting` says why an earlier definition still runs: the JobManager has another version of the code.
        """
        running = self._running_job()
        refusal = self.state.refusal(self.definition)
        if refusal:
            return self._keep_previous(running, refusal)
        if running is None:
            return self._start_without_job()
        if running.name == self._job_name(self.definition):
            return self._accept(running)
        return self._upgrade(running)

    def check(self) -> dict[str, Any]:
        """Waits until the job completes a checkpoint. Raises FlinkError if the job restarts, falls behind or completes none."""
        job = self._running_job()
        if job is None:
            raise FlinkError(f"{self.app} does not run: the deploy task starts it from its newest state")
        return self._watch.check(job)

    @property
    def _watch(self) -> HealthWatch:
        return HealthWatch(self.cluster, self.checkpoint_timeout)

    def _job_name(self, definition: str) -> str:
        return names.flink_job_name(self.app, definition)

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

    def _start_without_job(self) -> dict[str, Any]:
        """Starts the current definition after the cluster has lost its jobs; if it fails, the last good one."""
        try:
            return self._start_current(self._start_position())
        except DefinitionMismatch as mismatch:
            return self._wait_for_same_version(None, mismatch)
        except DefinitionNotTried:
            raise
        except FlinkError as error:
            raise self._rolled_back(error, self._last_good()) from None

    def _upgrade(self, old: Job) -> dict[str, Any]:
        """Replaces the job of another definition, which runs until the JobManager is known to have the current one."""
        LOG.info("%s runs; the current definition is %s", old.name, self.definition[:12])
        try:
            self.cluster.check_definition(self.driver, [*self._module, "--check", "--definition", self.definition])
        except DefinitionMismatch as mismatch:
            return self._wait_for_same_version(old, mismatch)
        previous = self._definition_to_roll_back_to(old)
        position = self._stop(old)
        try:
            return self._start_current(position) | {"replaced": old.name}
        except DefinitionMismatch as mismatch:
            return self._wait_for_same_version(None, mismatch)
        except DefinitionNotTried:
            raise
        except FlinkError as error:
            raise self._rolled_back(error, previous) from None

    def _accept(self, job: Job) -> dict[str, Any]:
        """Leaves a job of the current definition alone if that has completed a checkpoint once; else waits for its first one.

        A task that was killed between the start of the job and its first checkpoint leaves such a job.
        """
        previous = self._last_good()
        if previous != self.definition[:12]:
            try:
                self._watch.wait_for_first_checkpoint(job)
            except DefinitionNotTried:
                raise
            except FlinkError as error:
                raise self._rolled_back(error, previous) from None
            self.state.record_good(self.definition)
        return _receipt(job, "")

    def _start(self, definition: str, position: StartPosition, statements: str | None = None) -> dict[str, Any]:
        LOG.info("Starting %s from %s", self._job_name(definition), position)
        arguments = [*self._module, "--definition", definition, "--offsets", json.dumps(position.offsets)]
        if position.state is None:
            arguments.append("--without-state")
        if statements:
            arguments += ["--statements", statements]
        job = self.cluster.run(self.driver, arguments, position.state)
        self._watch.wait_for_first_checkpoint(job)
        self.state.record_good(definition)
        return _receipt(job, str(position))

    @property
    def _module(self) -> list[str]:
        return ["-pym", f"flink_apps.{self.app}"]

    def _start_current(self, position: StartPosition) -> dict[str, Any]:
        """Starts the current definition; if its job cannot restore the state, starts it at the end offsets of the lake."""
        try:
            return self._start(self.definition, position)
        except DefinitionNotTried:
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
        return self.state.is_of_a_stop(state) or not self.state.tables()

    def _stop(self, job: Job) -> StartPosition:
        """Stops the job and returns its state: a savepoint or, if that fails, the newest checkpoint."""
        try:
            return StartPosition(self.cluster.stop(job, self.state.savepoint_folder))
        except FlinkError as error:
            LOG.warning("%s; using the newest checkpoint instead", error)
            self.cluster.cancel(job)
            return self._start_position()

    def _last_good(self) -> str | None:
        good = self.state.last_good()
        return good.definition if good else None

    def _definition_to_roll_back_to(self, running: Job) -> str:
        """Returns the running definition if it completes checkpoints, else the last one that did."""
        if self.cluster.health(running).completed_checkpoints:
            return running.name.partition("@")[2]
        return self._last_good() or running.name.partition("@")[2]

    def _rolled_back(self, error: FlinkError, previous: str | None) -> FlinkError:
        """Starts the previous definition again and returns the error to raise; without a previous one that is `error`."""
        if previous in (None, self.definition[:12]):
            return error
        assert previous is not None
        self._cancel_running_job()
        short = self.definition[:12]
        if any(text in str(error) for text in INCOMPATIBLE_STATE) and self._is_waiting_for_a_stop():
            event = f"definition {short} cannot restore the newest checkpoint; it is deployed again after a stop with a savepoint:"
        else:
            self.state.record_refusal(self.definition, str(error), previous)
            event = f"definition {short} failed and was rolled back,"
        return FlinkError(f"{event} {self._start_previous(previous)} runs again. {error}")

    def _is_waiting_for_a_stop(self) -> bool:
        """Returns whether the newest state must not be discarded: only a stop of the previous definition can make one that may be."""
        newest = self.state.newest()
        return newest is not None and not self._may_discard_state(newest)

    def _start_previous(self, definition: str) -> str:
        """Starts an earlier definition from its saved statements and returns the name of the job."""
        statements = self.state.saved_statements(definition)
        if statements is None:
            raise FlinkError(f"cannot roll back to {self._job_name(definition)}: its saved statements are not in the bucket")
        # Not from the savepoint of a stop: what a failed job committed since then is in its own, newer checkpoint.
        return str(self._start(definition, self._start_position(), statements)["name"])

    def _cancel_running_job(self) -> None:
        job = self._running_job()
        if job:
            self.cluster.cancel(job)

    def _keep_previous(self, running: Job | None, refusal: dict[str, Any]) -> dict[str, Any]:
        """Keeps the previous definition running, and raises FlinkError because the current one was refused."""
        previous = str(refusal["instead"])
        if running and running.name == self._job_name(self.definition):
            self.cluster.cancel(running)
            running = None
        if running is None:
            self._start_previous(previous)
        raise FlinkError(
            f"{self._job_name(previous)} runs, because definition {self.definition[:12]} failed before:"
            f" {refusal['reason']}. Change it, or trigger with retry_refused"
        )

    def _wait_for_same_version(self, running: Job | None, mismatch: DefinitionMismatch) -> dict[str, Any]:
        """Lets the earlier definition run until Airflow and the JobManager have the same version; nothing is refused."""
        LOG.warning("Waiting to deploy definition %s: %s", self.definition[:12], mismatch)
        name = running.name if running else ""
        previous = self._last_good()
        if running is None and previous and previous != self.definition[:12]:
            name = self._start_previous(previous)
        return {"job": running.id if running else "", "name": name, "waiting": str(mismatch)}


def _receipt(job: Job, restored_from: str) -> dict[str, Any]:
    return {
        "job": job.id,
        "name": job.name,
        "definition": job.name.partition("@")[2],
        "restored_from": restored_from,
        "replaced": "",
        "waiting": "",
    }
