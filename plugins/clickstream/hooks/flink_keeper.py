"""Keeps one stream running in its present definition: start, upgrade, repair, and the way back."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickstream.hooks.flink import FlinkError, FlinkHook, Job, Vitals
from clickstream.hooks.flink_states import FlinkStates
from clickstream_contracts import names

LOG = logging.getLogger(__name__)
SMALL_LAG = 10_000


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
            return self._start(self.definition, self._last_state())
        if running.name == names.flink_job(self.app, self.definition):
            return _receipt(running, "", "")
        return self._upgrade(running)

    def check(self) -> dict[str, Any]:
        """Watch the job until it completes a checkpoint; FlinkError if it restarts, falls behind or does not."""
        job = self._running()
        if job is None:
            raise FlinkError(f"{self.app} does not run: the deploy task starts it from its last state")
        before = self.cluster.vitals(job)
        after = self._watch(job, lambda now: now.checkpoints > before.checkpoints, allowed_restarts=before.restarts)
        if after.lag > max(before.lag, SMALL_LAG):
            raise FlinkError(
                f"{job.name} falls behind: {before.lag:,} records waited, now {after.lag:,}; raise CLICKSTREAM_FLINK_PARALLELISM"
            )
        return {"job": job.id, "name": job.name, "checkpoints": after.checkpoints, "restarts": after.restarts, "lag": after.lag}

    def _running(self) -> Job | None:
        alive = [job for job in self.cluster.jobs(self.app) if not job.ended]
        if len(alive) > 1:
            raise FlinkError(f"{len(alive)} jobs of {self.app} run at once, {' and '.join(j.id for j in alive)}: cancel all but the oldest")
        return alive[0] if alive else None

    def _last_state(self) -> str | None:
        state = self.states.newest()
        if state is None and not self.start_fresh and self.states.wrote_before():
            raise FlinkError(
                f"{self.app} has written to the lake but no checkpoint is left below {self.states.savepoints.rsplit('/', 1)[0]}:"
                " a start from the beginning would write all of Kafka again. Put the checkpoints back, or trigger with start_fresh"
            )
        return state

    def _start(self, definition: str, restore: str | None, statements: str | None = None) -> dict[str, Any]:
        LOG.info("Starting %s from %s", names.flink_job(self.app, definition), restore or "the beginning of the topic")
        old = ["--statements", statements] if statements else []
        arguments = ["-pym", f"flink_apps.{self.app}", "--definition", definition, *old]
        job = self.cluster.run(self.driver, arguments, restore)
        self._watch(job, lambda now: now.checkpoints > 0, allowed_restarts=0)
        return _receipt(job, restore or "", "")

    def _upgrade(self, old: Job) -> dict[str, Any]:
        LOG.info("%s runs; the present definition is %s", old.name, self.definition[:12])
        state = self._stop(old)
        try:
            return self._start(self.definition, state) | {"replaced": old.name}
        except FlinkError as error:
            back = self._way_back(old.name.partition("@")[2], str(error))
            raise FlinkError(f"definition {self.definition[:12]} did not run, {back} runs again. {error}") from None

    def _stop(self, job: Job) -> str | None:
        """Stop the job and return its state; a job that cannot make a savepoint any more has its last checkpoint."""
        try:
            return self.cluster.stop(job, self.states.savepoints)
        except FlinkError as error:
            LOG.warning("%s; going on from its last checkpoint", error)
            self.cluster.cancel(job)
            return self._last_state()

    def _way_back(self, definition: str, reason: str) -> str:
        failed = self._running()
        if failed:
            self.cluster.cancel(failed)
        self.states.refuse(self.definition, reason, definition)
        # not the savepoint of the stop: what the failed job committed meanwhile is in its own, newer checkpoint
        return str(self._start(definition, self._last_state(), self._saved(definition))["name"])

    def _saved(self, definition: str) -> str:
        saved = self.states.statements(definition)
        if saved is None:
            raise FlinkError(f"the statements of {names.flink_job(self.app, definition)} are not in the bucket: there is no way back to it")
        return saved

    def _keep_old(self, running: Job | None, refused: dict[str, Any]) -> dict[str, Any]:
        old = str(refused["instead"])
        if running is None:
            self._start(old, self._last_state(), self._saved(old))
        raise FlinkError(
            f"{names.flink_job(self.app, old)} runs, because definition {self.definition[:12]} failed before: {refused['reason']}."
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
