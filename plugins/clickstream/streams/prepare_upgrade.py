"""Takes a savepoint of each running stream before Flink is upgraded; the jobs go on.

    python -m clickstream.streams.prepare_upgrade

Prints one line for each stream. Exit code 1: a savepoint failed, or Flink cannot be reached.
"""

import sys

from clickstream.hooks.flink import FlinkError, FlinkHook
from clickstream.streams.cluster import flink, running_jobs
from clickstream.streams.job_state import JobStateStore
from clickstream_contracts import names
from clickstream_contracts.settings import Settings


def take_savepoints(cluster: FlinkHook, states: dict[str, JobStateStore]) -> bool:
    """Takes a savepoint of each job, remembers it and prints a line for each stream. Returns whether all succeeded."""
    succeeded = True
    for app, state in states.items():
        try:
            jobs = running_jobs(cluster, app)
            for job in jobs:
                savepoint = cluster.savepoint(job, state.upgrade_savepoint_folder)
                state.record_good(job.name.partition("@")[2], savepoint)
                print(f"{job.name}: {savepoint}")
            if not jobs:
                print(f"{app}: does not run")
        except FlinkError as error:
            succeeded = False
            print(f"{app}: {error}")
    return succeeded


def main() -> int:
    """Prepare the upgrade with the settings of the environment. Returns the exit code."""
    settings = Settings.from_env()
    states = {app: JobStateStore(settings, app) for app in names.STREAM_JOBS}
    return 0 if take_savepoints(flink(settings), states) else 1


if __name__ == "__main__":
    sys.exit(main())
