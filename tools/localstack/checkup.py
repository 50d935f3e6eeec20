"""What is stuck in a running stack: parts, Flink jobs, waiting records, forgotten branches. Each finding has its cure."""

import time
from collections.abc import Callable
from typing import Any

import httpx
from confluent_kafka import Consumer, KafkaException, TopicPartition
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from clickstream_contracts import names
from clickstream_contracts.settings import Settings, SettingsError
from tools.localstack import airflow, status
from tools.localstack.layout import Stack

Finding = tuple[str, str]
DONE = ("CANCELED", "FINISHED")
YOUNG_SECONDS = 120


def findings(stack: Stack, parts: list[status.PartStatus]) -> list[Finding]:
    """Everything that is wrong; what a part that is down would have told is left out."""
    up = {one.name for one in parts if one.state == "up"}
    found = [_sick(one) for one in parts if one.state == "sick"]
    asks: list[tuple[str, Callable[[], list[Finding]]]] = [
        ("flink-jobmanager", lambda: flink_jobs(stack.settings)),
        ("kafka", lambda: waiting_records(stack.settings, "flink-jobmanager" in up)),
        ("nessie", lambda: forgotten_branches(stack, "airflow-api-server" in up)),
    ]
    for part, ask in asks:
        if part in up:
            found += _asked(part, ask)
    return found


def _sick(one: status.PartStatus) -> Finding:
    return f"{one.name}: {one.problem}", f"read `make logs PART={one.name}`; `make down && make up` starts it afresh"


def _asked(part: str, ask: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return ask()
    except (httpx.HTTPError, KafkaException, SettingsError, KeyError, ValueError) as error:
        return [(f"{part} could not be asked: {error or type(error).__name__}", f"read `make logs PART={part}`")]


def flink_jobs(settings: Settings) -> list[Finding]:
    """Jobs that fail, restart again and again, or complete no checkpoint."""
    jobs = _json(f"{settings.flink_uri}/jobs/overview")["jobs"]
    newest = {job["name"]: job for job in sorted(jobs, key=lambda job: job["start-time"])}
    return [finding for job in newest.values() if job["state"] not in DONE for finding in _job(settings, job)]


def _job(settings: Settings, job: dict[str, Any]) -> list[Finding]:
    cure = f"look at {settings.flink_uri}/#/job/running/{job['jid']}/exceptions; the DAG {names.STREAMS} repairs it when it is switched on"
    if job["state"] != "RUNNING":
        return [(f"Flink job {job['name']} is {job['state'].lower()}", cure)]
    if job["duration"] / 1000 < YOUNG_SECONDS:
        return []
    checkpoints = _json(f"{settings.flink_uri}/jobs/{job['jid']}/checkpoints")
    if not checkpoints["counts"]["completed"]:
        return [(f"Flink job {job['name']} has completed no checkpoint in {job['duration'] // 1000} s", cure)]
    latest = checkpoints["latest"]
    last_good = (latest["completed"] or {}).get("latest_ack_timestamp", 0)
    age = time.time() - last_good / 1000
    if last_good and age > YOUNG_SECONDS:
        return [(f"the last checkpoint of Flink job {job['name']} is {age:.0f} s old", cure)]
    return []


def waiting_records(settings: Settings, flink_is_up: bool) -> list[Finding]:
    """Records of the clicks topic that the lake job has not taken, when it does not run or does not move."""
    before = _lag(settings)
    if not before:
        return []
    if not (flink_is_up and _lake_job_runs(settings)):
        return [(f"{before} records wait in {names.CLICKS_TOPIC} and no {names.CLICKS_TO_LAKE_JOB} job runs", f"switch on the DAG {names.STREAMS}")]
    time.sleep(2 * settings.checkpoint_seconds)
    after = _lag(settings)
    if after > before:
        cure = "start the stack with CLICKSTREAM_JIT=c2, give it more CPU, or raise CLICKSTREAM_FLINK_PARALLELISM"
        return [(f"the lag of {names.CLICKS_TO_LAKE_JOB} grows: {before} -> {after} records", cure)]
    return []


def _lake_job_runs(settings: Settings) -> bool:
    jobs = _json(f"{settings.flink_uri}/jobs/overview")["jobs"]
    return any(job["state"] == "RUNNING" and job["name"].startswith(f"{names.CLICKS_TO_LAKE_JOB}@") for job in jobs)


# A broker that has just started does not coordinate its groups yet.
@retry(retry=retry_if_exception_type(KafkaException), wait=wait_fixed(2), stop=stop_after_attempt(5), reraise=True)
def _lag(settings: Settings) -> int:
    consumer = Consumer({"bootstrap.servers": settings.kafka_bootstrap, "group.id": names.CLICKS_TO_LAKE_GROUP, "log_level": 0})
    try:
        topic = consumer.list_topics(names.CLICKS_TOPIC, timeout=10).topics[names.CLICKS_TOPIC]
        committed = consumer.committed([TopicPartition(names.CLICKS_TOPIC, number) for number in topic.partitions], timeout=10)
        lag = 0
        for one in committed:
            low, high = consumer.get_watermark_offsets(one, timeout=10)
            lag += high - max(low, one.offset)
        return lag
    finally:
        consumer.close()


def forgotten_branches(stack: Stack, airflow_is_up: bool) -> list[Finding]:
    """Branches of runs that are over."""
    trees = _json(f"{stack.settings.nessie_uri}/api/v2/trees")["references"]
    branches = [tree["name"] for tree in trees if tree["type"] == "BRANCH" and tree["name"].startswith(names.BRANCH_PREFIX)]
    if not branches:
        return []
    busy = _branches_of_running(stack) if airflow_is_up else set()
    cure = "when you have looked at it: `.venvs/tools/bin/python -m tools.lake.refs drop"
    return [(f"branch {name} is left over of a run that ended", f"{cure} {name}`") for name in branches if name not in busy]


def _branches_of_running(stack: Stack) -> set[str]:
    from tools.demo.airflow_api import Airflow

    runs: list[dict[str, Any]] = []
    with Airflow.of(stack.settings, airflow.password(stack, "admin")) as client:
        for state in ("running", "queued"):
            runs += client.call("GET", "/dags/~/dagRuns", params={"state": state, "limit": 100})["dag_runs"]
    return {names.branch(run["dag_id"], run["dag_run_id"]) for run in runs}


def _json(url: str) -> Any:
    answer = httpx.get(url, timeout=20, trust_env=False)
    answer.raise_for_status()
    return answer.json()
