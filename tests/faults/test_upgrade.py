"""Deployments of changed streams between events: each record is in the lake once, whether the new definition runs or not."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from clickstream_contracts import names
from tests.faults.test_kill import is_restarted, kill, pid_of
from tests.shop_day import ROOT, Shop, eventually
from tools.localstack import airflow, layout

pytestmark = pytest.mark.long
SQL = ROOT / "flink_apps" / "clicks_to_lake" / "pipeline.sql"
PATTERN = ROOT / "flink_apps" / "fraud_scores" / "pattern.sql"
SMALL = ("--users", "2000", "--products", "500")


@pytest.fixture
def sql() -> Iterator[Path]:
    """The SQL of clicks_to_lake, which a test may change."""
    with restored(SQL):
        yield SQL


@contextmanager
def restored(path: Path) -> Iterator[None]:
    """Restores the file at the end."""
    original = path.read_text()
    try:
        yield
    finally:
        path.write_text(original)


def send(shop: Shop) -> None:
    """Send events of a random seed."""
    seed = str(int.from_bytes(os.urandom(2)))
    shop.run("tools.shop", "live", "--rate", "500", "--seconds", "4", "--seed", seed, *SMALL)


def deploy(shop: Shop, expect: str = "success", app: str = names.CLICKS_TO_LAKE_JOB, **params: bool) -> dict[str, str]:
    """Run the streams' DAG; returns the receipt of a stream's deploy task, or its log if the run is expected to fail."""
    run_id = shop.finish(names.STREAMS, shop.airflow.trigger(names.STREAMS, params), expect)
    task = f"deploy_{app}"
    if expect == "success":
        return shop.receipt(run_id, task, names.STREAMS)
    return {"log": shop.task_log(run_id, task, names.STREAMS)}


def running_jobs(shop: Shop, app: str = names.CLICKS_TO_LAKE_JOB) -> dict[str, str]:
    """Returns the names of a stream's running jobs by job id."""
    overview = httpx.get(f"{shop.settings.flink_uri}/jobs/overview", timeout=30).json()["jobs"]
    return {job["jid"]: job["name"] for job in overview if job["state"] == "RUNNING" and job["name"].startswith(f"{app}@")}


def job_names(shop: Shop) -> list[str]:
    return list(running_jobs(shop).values())


def cancel(shop: Shop, app: str) -> None:
    """Cancel a stream without a savepoint."""
    [job] = running_jobs(shop, app)
    httpx.patch(f"{shop.settings.flink_uri}/jobs/{job}", params={"mode": "cancel"}, timeout=30).raise_for_status()
    eventually(lambda: not running_jobs(shop, app), "the job has ended")


def balances(shop: Shop) -> bool:
    return shop.run("tools.ledger", "check", ok=False).returncode == 0


def test_a_definition_that_cannot_restore_the_state_starts_at_the_end_offsets_of_the_lake(shop: Shop, sql: Path) -> None:
    send(shop)
    [before] = job_names(shop)
    sql.write_text(sql.read_text().replace("FROM records CROSS JOIN", "FROM (SELECT * FROM records WHERE kafka_offset >= 0) CROSS JOIN"))
    receipt = deploy(shop)
    assert receipt["restored_from"].startswith("the end offsets of the lake")
    assert receipt["replaced"] == before
    assert job_names(shop) == [receipt["name"]] != [before]
    send(shop)
    eventually(lambda: balances(shop), "the ledger balances")


def test_a_definition_that_does_not_run_is_rolled_back(shop: Shop, sql: Path) -> None:
    deploy(shop)
    [before] = job_names(shop)
    sql.write_text(sql.read_text().replace("FROM records CROSS JOIN", "FROM nowhere CROSS JOIN"))
    assert f"{before} runs again" in deploy(shop, "failed")["log"]
    assert job_names(shop) == [before]
    # The next run refuses to deploy the failed definition again.
    assert "retry_refused" in deploy(shop, "failed")["log"]
    send(shop)
    eventually(lambda: balances(shop), "the ledger balances")


def test_a_stream_without_state_starts_at_the_end_offsets_of_the_lake(shop: Shop) -> None:
    deploy(shop)
    send(shop)
    eventually(lambda: balances(shop), "the ledger balances")
    cancel(shop, names.CLICKS_TO_LAKE_JOB)
    assert deploy(shop, start_fresh=True)["restored_from"].startswith("the end offsets of the lake")
    send(shop)
    eventually(lambda: balances(shop), "the ledger balances")


def test_a_stream_that_writes_no_table_uses_its_own_start_offsets_when_the_state_cannot_be_restored(shop: Shop) -> None:
    """After a cancel there is only a checkpoint. This stream has no commits to the lake that it could repeat."""
    deploy(shop)
    cancel(shop, names.FRAUD_SCORES_JOB)
    with restored(PATTERN):
        matched = "matched AS (\n  SELECT *,"
        PATTERN.write_text(PATTERN.read_text().replace(matched, f"{matched} 'more' AS {{{{ pattern.name }}}}_more,"))
        assert deploy(shop, app=names.FRAUD_SCORES_JOB)["restored_from"] == "the app's own start offsets"
    # The rollback to the original SQL, this time from the savepoint of a stop, cannot restore the state either.
    assert deploy(shop, app=names.FRAUD_SCORES_JOB)["restored_from"] == "the app's own start offsets"


def restart_jobmanager(shop: Shop) -> None:
    """Kill the JobManager and wait for the next one, which on this machine knows no jobs."""
    old_pid = pid_of(shop, "flink-jobmanager")
    kill(shop, "flink-jobmanager")
    eventually(lambda: is_restarted(shop, "flink-jobmanager", old_pid), "the JobManager is restarted")


def streams_command(shop: Shop, name: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the streams as scripts do in the scheduler's pod."""
    command = [str(ROOT / ".venvs/airflow/bin/python"), "-m", f"clickstream.streams.{name}"]
    env = shop.env | airflow.environment(layout.Stack(shop.settings))
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_a_definition_that_does_not_run_is_rolled_back_when_the_jobmanager_has_lost_its_jobs(shop: Shop, sql: Path) -> None:
    deploy(shop)
    [before] = job_names(shop)
    send(shop)
    sql.write_text(sql.read_text().replace("FROM records CROSS JOIN", "FROM nowhere CROSS JOIN"))
    restart_jobmanager(shop)
    # A scheduled run may have rolled back first; then this one says that the definition failed before.
    assert f"{before} runs" in deploy(shop, "failed")["log"]
    assert job_names(shop) == [before]
    send(shop)
    eventually(lambda: balances(shop), "the ledger balances")


def test_savepoints_before_an_upgrade_and_a_restart_of_the_jobmanager_lose_no_record(shop: Shop) -> None:
    deploy(shop)
    [before] = job_names(shop)
    send(shop)
    savepoints = streams_command(shop, "prepare_upgrade")
    assert savepoints.returncode == 0, savepoints.stdout + savepoints.stderr
    assert f"{before}: s3://{shop.settings.s3_bucket}/{names.upgrade_savepoint_prefix(names.CLICKS_TO_LAKE_JOB)}/" in savepoints.stdout
    assert job_names(shop) == [before]
    restart_jobmanager(shop)
    send(shop)
    deploy(shop)
    status = streams_command(shop, "status")
    assert status.returncode == 0, status.stdout + status.stderr
    lines = {line["stream"]: line for line in map(json.loads, status.stdout.splitlines())}
    assert set(lines) == set(names.STREAM_JOBS)
    assert lines[names.CLICKS_TO_LAKE_JOB]["last_good"]["definition"] == before.partition("@")[2]
    eventually(lambda: balances(shop), "the ledger balances")
