"""Keeps one stream running in its present definition: start, upgrade, repair, and the way back."""

import json
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clickstream.hooks.flink import FlinkError, FlinkHook, FlinkUnreachable, Job, Vitals
from clickstream.hooks.flink_states import FlinkStates, Offsets
from clickstream_contracts import names

LOG = logging.getLogger(__name__)
SMALL_LAG = 10_000
# A job that has just started knows its whole lag only after a while: it falls behind if the lag grows every time.
LOOKS, PAUSE_SECONDS = 3, 10


@dataclass(frozen=True)
class Origin:
    """Where a job goes on: a checkpoint or savepoint, else Kafka offsets by topic and partition, else where its app begins."""

    state: str | None
    offsets: Offsets = field(default_factory=dict)

    def __str__(self) -> str:
        ends = [f"{topic} {p}: {at}" for topic, places in sorted(self.offsets.items()) for p, at in sorted(places.items())]
        return self.state or (f"the lake's end ({', '.join(ends)})" if ends else "its own beginning")


@dataclass(frozen=True)
class StreamKeeper:
    """One app on one cluster. `patience` is how long, in seconds, a job may take to complete a checkpoint."""

    app: str
    definition: str
    cluster: FlinkHook
    states: FlinkStates
    driver: Path
    start_fresh: bool = False
    patience: float = 300

    def deploy(self) -> dict[str, Any]:
        """Make the present definition run, with all state. Safe to repeat: what already runs is left alone."""
        running = self._running()
        refused = self.states.refusal(self.definition)
        if refused:
            return self._keep_old(running, refused)
        if running is None:
            return self._start_as_new(self._origin())
        if running.name == names.flink_job_name(self.app, self.definition):
            return _receipt(running, "", "")
        return self._upgrade(running)

    def check(self) -> dict[str, Any]:
        """Watch the job until it completes a checkpoint; FlinkError if it restarts, falls behind or does not."""
        job = self._running()
        if job is None:
            raise FlinkError(f"{self.app} does not run: the deploy task starts it from its last state")
        now = self.cluster.vitals(job)
        for _ in range(LOOKS):
            before = now
            now = self._next_checkpoint(job, before)
            if now.lag <= max(before.lag, SMALL_LAG):
                return {"job": job.id, "name": job.name, "checkpoints": now.checkpoints, "restarts": now.restarts, "lag": now.lag}
            time.sleep(PAUSE_SECONDS)
        raise FlinkError(f"{job.name} falls behind: {before.lag:,} records waited, now {now.lag:,}; raise CLICKSTREAM_FLINK_PARALLELISM")

    def _next_checkpoint(self, job: Job, before: Vitals) -> Vitals:
        return self._watch(job, lambda now: now.checkpoints > before.checkpoints, allowed_restarts=before.restarts)

    def _running(self) -> Job | None:
        alive = [job for job in self.cluster.jobs(self.app) if not job.ended]
        if len(alive) > 1:
            raise FlinkError(f"{len(alive)} jobs of {self.app} run at once, {' and '.join(j.id for j in alive)}: cancel all but the oldest")
        return alive[0] if alive else None

    def _origin(self) -> Origin:
        """The newest state; without one, the end of the lake, so that nothing is written twice."""
        state = None if self.start_fresh else self.states.newest()
        return Origin(state) if state else Origin(None, self.states.lake_end())

    def _start(self, definition: str, origin: Origin, statements: str | None = None) -> dict[str, Any]:
        LOG.info("Starting %s from %s", names.flink_job_name(self.app, definition), origin)
        old = ["--statements", statements] if statements else []
        arguments = ["-pym", f"flink_apps.{self.app}", "--definition", definition, "--offsets", json.dumps(origin.offsets), *old]
        job = self.cluster.run(self.driver, arguments, origin.state)
        self._watch(job, lambda now: now.checkpoints > 0, allowed_restarts=0)
        return _receipt(job, str(origin), "")

    def _upgrade(self, old: Job) -> dict[str, Any]:
        LOG.info("%s runs; the present definition is %s", old.name, self.definition[:12])
        origin = self._stop(old)
        try:
            return self._start_as_new(origin) | {"replaced": old.name}
        except FlinkUnreachable:
            # The cluster's fault, not the definition's: the next run finds nothing running and starts it.
            raise
        except FlinkError as error:
            back = self._way_back(old.name.partition("@")[2], str(error))
            raise FlinkError(f"definition {self.definition[:12]} did not run, {back} runs again. {error}") from None

    def _start_as_new(self, origin: Origin) -> dict[str, Any]:
        """Start the present definition; if it cannot take the old one's state over, from where that one left the lake."""
        try:
            return self._start(self.definition, origin)
        except FlinkUnreachable:
            raise
        except FlinkError as error:
            LOG.warning("%s", error)
            self._cancel_running()
            if origin.state is None or not self._may_begin_without(origin.state):
                raise
            return self._start(self.definition, Origin(None, self.states.lake_end()))

    def _may_begin_without(self, state: str) -> bool:
        """A job of the lake has committed all that it read only when it was stopped with a savepoint; others commit nothing."""
        return state.startswith(self.states.savepoints) or not self.states.tables()

    def _stop(self, job: Job) -> Origin:
        """Stop the job and return its state; a job that cannot make a savepoint any more has its last checkpoint."""
        try:
            return Origin(self.cluster.stop(job, self.states.savepoints))
        except FlinkError as error:
            LOG.warning("%s; going on from its last checkpoint", error)
            self.cluster.cancel(job)
            return self._origin()

    def _way_back(self, definition: str, reason: str) -> str:
        self._cancel_running()
        self.states.refuse(self.definition, reason, definition)
        # not the savepoint of the stop: what the failed job committed meanwhile is in its own, newer checkpoint
        return str(self._start(definition, self._origin(), self._saved(definition))["name"])

    def _cancel_running(self) -> None:
        if failed := self._running():
            self.cluster.cancel(failed)

    def _saved(self, definition: str) -> str:
        saved = self.states.statements(definition)
        if saved is None:
            raise FlinkError(f"the statements of {names.flink_job_name(self.app, definition)} are not in the bucket: cannot roll back to it")
        return saved

    def _keep_old(self, running: Job | None, refused: dict[str, Any]) -> dict[str, Any]:
        old = str(refused["instead"])
        if running is None:
            self._start(old, self._origin(), self._saved(old))
        raise FlinkError(
            f"{names.flink_job_name(self.app, old)} runs, because definition {self.definition[:12]} failed before: {refused['reason']}."
            " Change it, or trigger with retry_refused"
        )

    def _watch(self, job: Job, reached: Any, allowed_restarts: int) -> Vitals:
        """Wait until `reached(vitals)`; FlinkError as soon as the job ends or restarts, or when patience ends."""
        end = time.monotonic() + self.patience
        while True:
            now = self.cluster.vitals(job)
            if now.restarts > allowed_restarts or now.state in ("FAILED", "CANCELED", "FINISHED"):
                raise FlinkError(f"{job.name} is {now.state} after {now.restarts} restarts: {self.cluster.cause(job)}")
            if now.state == "RUNNING" and reached(now):
                return now
            # Waiting for the next one by the clock would take up to an interval; it may be minutes long.
            if now.state == "RUNNING" and not now.checkpointing:
                self.cluster.checkpoint(job)
            if time.monotonic() > end:
                raise FlinkError(
                    f"{job.name} is {now.state} and completed no checkpoint in {self.patience:.0f} s. {self.cluster.cause(job)}"
                )
            time.sleep(2)


def _receipt(job: Job, restored_from: str, replaced: str) -> dict[str, Any]:
    return {
        "job": job.id,
        "name": job.name,
        "definition": job.name.partition("@")[2],
        "restored_from": restored_from,
        "replaced": replaced,
    }
