"""Prints the state of each stream as one JSON line.

    python -m clickstream.streams.status

Exit code 1: a stream is not RUNNING with a completed checkpoint, or Flink cannot be reached.
"""

import json
import sys
import time
from typing import Any

from clickstream.hooks.flink import FlinkError, FlinkHook
from clickstream.streams.cluster import flink, running_jobs
from clickstream.streams.job_state import JobStateStore
from clickstream_contracts import names
from clickstream_contracts.settings import Settings


def status(cluster: FlinkHook, app: str, state: JobStateStore) -> dict[str, Any]:
    """Returns job, definition, last good definition and checkpoint of a stream; `problem` is '' if it runs with a checkpoint."""
    good = state.last_good()
    line: dict[str, Any] = {"stream": app, "last_good": vars(good) if good else None}
    try:
        jobs = running_jobs(cluster, app)
        if len(jobs) != 1:
            return line | {"state": "NOT RUNNING" if not jobs else "SEVERAL JOBS", "problem": f"{len(jobs)} jobs run instead of 1"}
        [job] = jobs
        health = cluster.health(job)
    except FlinkError as error:
        return line | {"state": "UNKNOWN", "problem": str(error)}
    problem = ""
    if health.state != "RUNNING":
        problem = f"the job is {health.state}: {cluster.last_failure(job)}"
    elif not health.last_checkpoint:
        problem = "the job has completed no checkpoint"
    return line | {
        "state": health.state,
        "job": job.id,
        "definition": job.name.partition("@")[2],
        "checkpoint_age_seconds": round(time.time() - health.last_checkpoint, 1) if health.last_checkpoint else None,
        "restarts": health.restarts,
        "lag": health.lag,
        "problem": problem,
    }


def main() -> int:
    """Print the status with the settings of the environment. Returns the exit code."""
    settings = Settings.from_env()
    cluster = flink(settings)
    lines = [status(cluster, app, JobStateStore(settings, app)) for app in names.STREAM_JOBS]
    for line in lines:
        print(json.dumps(line))
    return int(any(line["problem"] for line in lines))


if __name__ == "__main__":
    sys.exit(main())
