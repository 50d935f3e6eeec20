"""Watches a Flink job: its first or next checkpoint, its restarts and its Kafka lag."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clickstream.hooks.flink import FlinkError, FlinkHook, Job, JobHealth, StorageUnavailable

SMALL_LAG = 10_000
# The lag of a job that has just started is complete only after a while, so the job falls behind only if the lag grows at each check.
LAG_CHECKS = 3
LAG_CHECK_PAUSE_SECONDS = 10
POLL_SECONDS = 2
# Restarts of a job that has just started, e.g. because its slots are not free yet. A broken definition restarts again and again.
TOLERATED_RESTARTS = 3
STORAGE_UNAVAILABLE = re.compile(r"SlowDown|Service ?Unavailable|Status Code: 50[03]\b")


@dataclass(frozen=True)
class HealthWatch:
    """Watches jobs of one cluster. `checkpoint_timeout` is the time in seconds in which a job must complete a checkpoint."""

    cluster: FlinkHook
    checkpoint_timeout: float

    def wait_for_first_checkpoint(self, job: Job) -> None:
        """Waits until a job that was started has completed a checkpoint.

        Raises FlinkError if it ends, restarts again and again or completes none; StorageUnavailable if the object store is the cause.
        """
        allowed_restarts = self.cluster.health(job).restarts + TOLERATED_RESTARTS
        self._wait(job, lambda health: health.completed_checkpoints > 0, allowed_restarts)

    def check(self, job: Job) -> dict[str, Any]:
        """Waits for the next checkpoint. Raises FlinkError if the job restarts, falls behind or completes none."""
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

    def _wait(self, job: Job, reached: Callable[[JobHealth], bool], allowed_restarts: int) -> JobHealth:
        deadline = time.monotonic() + self.checkpoint_timeout
        while True:
            health = self.cluster.health(job)
            if health.restarts > allowed_restarts or health.state in ("FAILED", "CANCELED", "FINISHED"):
                raise self._failure(job, f"is {health.state} after {health.restarts} restarts:")
            if health.state == "RUNNING" and reached(health):
                return health
            # The next periodic checkpoint may be minutes away.
            if health.state == "RUNNING" and not health.checkpoint_in_progress:
                self.cluster.trigger_checkpoint(job)
            if time.monotonic() > deadline:
                raise self._failure(job, f"is {health.state} and completed no checkpoint in {self.checkpoint_timeout:.0f} s.")
            time.sleep(POLL_SECONDS)

    def _failure(self, job: Job, event: str) -> FlinkError:
        reason = self.cluster.last_failure(job)
        error_type = StorageUnavailable if STORAGE_UNAVAILABLE.search(reason) else FlinkError
        return error_type(f"{job.name} {event} {reason}")
