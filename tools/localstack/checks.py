"""What is wrong with a running stack: components, Flink jobs, lag, failed DAG runs, left-over branches. Each problem has its fix."""

import time
from collections.abc import Callable
from typing import Any

import httpx
from confluent_kafka import Consumer, KafkaException, TopicPartition
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from clickstream_contracts import kafka_clients, names
from clickstream_contracts.settings import Settings
from tools.common import http
from tools.lake import nessie
from tools.localstack import status
from tools.localstack.airflow_api import Airflow, AirflowError
from tools.localstack.layout import Stack

# What is wrong, and how to fix it.
Problem = tuple[str, str]

ENDED_STATES = ("CANCELED", "FINISHED")
# A job may take this long to its first checkpoint, and between two of them.
CHECKPOINT_SECONDS = 120


def problems(stack: Stack, components: list[status.ComponentStatus]) -> list[Problem]:
    """Returns all problems; what only a component that is down could report is left out."""
    up = {component.name for component in components if component.state == "up"}
    collected = [_unhealthy(component) for component in components if component.state == "unhealthy"]
    checks: list[tuple[str, Callable[[], list[Problem]]]] = [
        ("flink-jobmanager", lambda: flink_jobs(stack.settings)),
        ("kafka", lambda: consumer_lag(stack.settings, "flink-jobmanager" in up)),
        ("airflow-api-server", lambda: failed_runs(_newest_runs(stack))),
        ("nessie", lambda: left_over_branches(stack, "airflow-api-server" in up)),
    ]
    for name, check in checks:
        if name in up:
            collected += _run(name, check)
    return collected


def _unhealthy(component: status.ComponentStatus) -> Problem:
    logs = f"read `./clickstream stack logs {component.name}`"
    return f"{component.name}: {component.problem}", f"{logs}; `make down && make up` starts it again"


def _run(name: str, check: Callable[[], list[Problem]]) -> list[Problem]:
    try:
        return check()
    except (httpx.HTTPError, KafkaException, nessie.NessieUnreachable, AirflowError, KeyError, ValueError) as error:
        return [(f"{name} could not be checked: {error or type(error).__name__}", f"read `./clickstream stack logs {name}`")]


def flink_jobs(settings: Settings) -> list[Problem]:
    """Returns the jobs that are not running or complete no checkpoints; of each name, the newest job counts."""
    jobs = _json(f"{settings.flink_uri}/jobs/overview")["jobs"]
    newest = {job["name"]: job for job in sorted(jobs, key=lambda job: job["start-time"])}
    return [problem for job in newest.values() if job["state"] not in ENDED_STATES for problem in _flink_job(settings, job)]


def _flink_job(settings: Settings, job: dict[str, Any]) -> list[Problem]:
    exceptions = f"{settings.flink_uri}/#/job/running/{job['jid']}/exceptions"
    fix = f"read {exceptions}; the DAG {names.STREAMS} deploys the job again unless it is paused"
    if job["state"] != "RUNNING":
        return [(f"Flink job {job['name']} is {job['state'].lower()}", fix)]
    seconds = job["duration"] // 1000
    if seconds < CHECKPOINT_SECONDS:
        return []
    checkpoints = _json(f"{settings.flink_uri}/jobs/{job['jid']}/checkpoints")
    if not checkpoints["counts"]["completed"]:
        return [(f"Flink job {job['name']} has completed no checkpoint in {seconds} s", fix)]
    completed = (checkpoints["latest"]["completed"] or {}).get("latest_ack_timestamp", 0)
    age = time.time() - completed / 1000
    if completed and age > CHECKPOINT_SECONDS:
        return [(f"the last checkpoint of Flink job {job['name']} is {age:.0f} s old", fix)]
    return []


def consumer_lag(settings: Settings, flink_is_up: bool) -> list[Problem]:
    """Returns a problem when the lake job does not run, or falls behind, while records wait in the clicks topic."""
    before = _lag(settings)
    if not before:
        return []
    job = names.CLICKS_TO_LAKE_JOB
    if not (flink_is_up and _lake_job_runs(settings)):
        return [(f"consumer lag: {before} records wait in {names.CLICKS_TOPIC} and no {job} job runs", f"unpause the DAG {names.STREAMS}")]
    time.sleep(2 * settings.checkpoint_seconds)
    after = _lag(settings)
    if after > before:
        fix = "start the stack with CLICKSTREAM_JIT=c2, give it more CPU, or raise CLICKSTREAM_FLINK_PARALLELISM"
        return [(f"the consumer lag of {job} grows: {before} -> {after} records", fix)]
    return []


def _lake_job_runs(settings: Settings) -> bool:
    jobs = _json(f"{settings.flink_uri}/jobs/overview")["jobs"]
    return any(job["state"] == "RUNNING" and job["name"].startswith(f"{names.CLICKS_TO_LAKE_JOB}@") for job in jobs)


# A broker that has just started has no group coordinator yet.
@retry(retry=retry_if_exception_type(KafkaException), wait=wait_fixed(2), stop=stop_after_attempt(5), reraise=True)
def _lag(settings: Settings) -> int:
    """Returns how many records of the clicks topic are behind the committed offsets of the lake job's consumer group."""
    consumer = Consumer(kafka_clients.librdkafka(settings) | {"group.id": names.CLICKS_TO_LAKE_GROUP})
    try:
        topic = consumer.list_topics(names.CLICKS_TOPIC, timeout=10).topics[names.CLICKS_TOPIC]
        committed = consumer.committed([TopicPartition(names.CLICKS_TOPIC, number) for number in topic.partitions], timeout=10)
        lag = 0
        for partition in committed:
            low, high = consumer.get_watermark_offsets(partition, timeout=10)
            lag += high - max(low, partition.offset)
        return lag
    finally:
        consumer.close()


def left_over_branches(stack: Stack, airflow_is_up: bool) -> list[Problem]:
    """Returns the branches of DAG runs that have ended."""
    references = nessie.references(stack.settings, "BRANCH")
    branches = [reference["name"] for reference in references if reference["name"].startswith(names.BRANCH_PREFIX)]
    if not branches:
        return []
    in_use = _branches_of_active_runs(stack) if airflow_is_up else set()
    fix = "inspect it, then run `./clickstream refs drop"
    return [(f"branch {name} was left over by a run that ended", f"{fix} {name}`") for name in branches if name not in in_use]


def failed_runs(newest: list[dict[str, Any]]) -> list[Problem]:
    """Returns a problem for each DAG whose newest run failed; `newest` begins with the newest run of all DAGs."""
    by_dag: dict[str, dict[str, Any]] = {}
    for run in newest:
        by_dag.setdefault(run["dag_id"], run)
    fix = "open it in Airflow; the page of the DAG and docs/runbook.md say what its failed task means"
    return [(f"the last run of {dag} failed: {run['dag_run_id']}", fix) for dag, run in by_dag.items() if run["state"] == "failed"]


def _newest_runs(stack: Stack) -> list[dict[str, Any]]:
    with Airflow.of(stack.settings) as client:
        runs: list[dict[str, Any]] = client.call("GET", "/dags/~/dagRuns", params={"order_by": "-run_after", "limit": 100})["dag_runs"]
    return runs


def _branches_of_active_runs(stack: Stack) -> set[str]:
    runs: list[dict[str, Any]] = []
    with Airflow.of(stack.settings) as client:
        for state in ("running", "queued"):
            runs += client.call("GET", "/dags/~/dagRuns", params={"state": state, "limit": 100})["dag_runs"]
    return {names.branch(run["dag_id"], run["dag_run_id"]) for run in runs}


def _json(url: str) -> Any:
    response = http.get(url, timeout=20)
    response.raise_for_status()
    return response.json()
