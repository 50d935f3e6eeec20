"""The checks that need Airflow and Flink; runs in the scheduler's pod, which reaches both, and prints one JSON line for each.

It is sent to the pod's Python on standard input, so it imports only what is in the image.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

API_SERVER = "http://airflow-api-server.clickstream-airflow.svc:8080"
# A checkpoint is taken every few seconds; an older one means that a stream does not commit.
NEWEST_CHECKPOINT_SECONDS = 300
Json = dict[str, Any]


def get(address: str) -> Json:
    """Returns the JSON of a GET request without a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=30) as response:
        return dict(json.load(response))


def airflow(*arguments: str) -> list[Json]:
    """Returns what the Airflow command line prints as JSON; its log lines come before."""
    command = ["airflow", *arguments, "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    lines = done.stdout.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("[")]
    # Without rows Airflow prints a sentence instead of an empty list.
    return list(json.loads("\n".join(lines[starts[-1] :]))) if starts else []


def airflow_healthy() -> str:
    """Every component of Airflow says that it is healthy; the status of the response is 200 in any case."""
    components = get(f"{API_SERVER}/api/v2/monitor/health")
    states = {name: state["status"] for name, state in components.items() if state["status"] is not None}
    unhealthy = [f"{name} is {status}" for name, status in states.items() if status != "healthy"]
    if unhealthy:
        raise RuntimeError(", ".join(unhealthy))
    return ", ".join(sorted(states))


def dags_loaded() -> str:
    """No DAG file has an import error, and every file of a DAG has its DAG."""
    errors = airflow("dags", "list-import-errors")
    if errors:
        raise RuntimeError("; ".join(f"{error.get('filepath')}: {str(error.get('error')).strip().splitlines()[-1]}" for error in errors))
    loaded = {str(dag["dag_id"]) for dag in airflow("dags", "list")}
    folder = os.environ.get("AIRFLOW__CORE__DAGS_FOLDER", "/opt/clickstream/dags")
    expected = {name[:-3] for name in os.listdir(folder) if name.startswith("clickstream_") and name.endswith(".py")}
    if not expected:
        raise RuntimeError(f"no file clickstream_*.py in {folder}")
    if expected - loaded:
        raise RuntimeError(f"not loaded: {', '.join(sorted(expected - loaded))}")
    return f"{len(expected)} DAGs, no import error"


def streams_running() -> str:
    """Each stream has a running job with a fresh checkpoint."""
    from clickstream_contracts import names

    flink = os.environ["CLICKSTREAM_FLINK_URI"]
    jobs = {job["name"]: job for job in get(f"{flink}/jobs/overview")["jobs"] if job["state"] not in ("CANCELED", "FINISHED", "FAILED")}
    problems, ages = [], []
    for name in names.STREAM_JOBS:
        job = next((job for title, job in jobs.items() if title.startswith(f"{name}@")), None)
        if job is None or job["state"] != "RUNNING":
            problems.append(f"{name} is {job['state'] if job else 'not there'}")
            continue
        latest = get(f"{flink}/jobs/{job['jid']}/checkpoints")["latest"]["completed"]
        age = time.time() - latest["latest_ack_timestamp"] / 1000 if latest else None
        if age is None or age > NEWEST_CHECKPOINT_SECONDS:
            problems.append(f"{name}: {'no checkpoint' if age is None else f'newest checkpoint is {age:.0f} s old'}")
        else:
            ages.append(age)
    if problems:
        raise RuntimeError("; ".join(problems))
    return f"{len(ages)} streams, oldest of their newest checkpoints {max(ages):.0f} s"


CHECKS = {
    "Airflow healthy": (airflow_healthy, "kubectl -n clickstream-airflow get pods, and the log of the component that is unhealthy"),
    "DAGs loaded": (dags_loaded, "the image of Airflow and its DAG files do not fit together: build and deploy both again"),
    "streams running": (streams_running, "unpause the DAG clickstream_streams and look at its last run"),
}


def run_check(name: str, check: Callable[[], str], fix: str) -> Json:
    """Returns the result of one check as a JSON line has it."""
    start = time.monotonic()
    try:
        passed, detail = True, check()
    except Exception as error:
        passed, detail = False, " ".join(str(error).split()) or type(error).__name__
    return {"check": name, "passed": passed, "detail": detail, "fix": "" if passed else fix, "seconds": round(time.monotonic() - start, 1)}


if __name__ == "__main__":
    for name, (check, fix) in CHECKS.items():
        print(json.dumps(run_check(name, check, fix)))
    sys.exit(0)
