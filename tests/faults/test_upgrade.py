"""The stream's definition changes while a shop sends: whatever becomes of the new one, each record is in the lake once."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from clickstream_contracts import names
from tests.shop_day import ROOT, Shop, eventually

pytestmark = pytest.mark.long
SQL = ROOT / "flink_apps" / "clicks_to_lake" / "pipeline.sql"
PATTERN = ROOT / "flink_apps" / "fraud_scores" / "pattern.sql"
SMALL = ("--users", "2000", "--products", "500")


@pytest.fixture
def sql() -> Iterator[Path]:
    """The lake job's statements, to be changed for the time of a test."""
    with kept(SQL):
        yield SQL


@contextmanager
def kept(path: Path) -> Iterator[None]:
    """Afterwards the file is as it was."""
    original = path.read_text()
    try:
        yield
    finally:
        path.write_text(original)


def send(shop: Shop) -> None:
    seed = str(int.from_bytes(os.urandom(2)))
    shop.run("tools.shop", "live", "--rate", "500", "--seconds", "4", "--seed", seed, *SMALL)


def deploy(shop: Shop, expect: str = "success", app: str = names.CLICKS_TO_LAKE_JOB, **params: bool) -> dict[str, str]:
    """One run of the streams' DAG; what the deploy task of one stream returned."""
    run_id = shop.finish(names.STREAMS, shop.airflow.trigger(names.STREAMS, params), expect)
    task = f"deploy_{app}"
    return shop.receipt(run_id, task, names.STREAMS) if expect == "success" else {"log": shop.task_log(run_id, task, names.STREAMS)}


def running(shop: Shop, app: str = names.CLICKS_TO_LAKE_JOB) -> dict[str, str]:
    """The names of a stream's running jobs, by their ids."""
    found = httpx.get(f"{shop.settings.flink_uri}/jobs/overview", timeout=30).json()["jobs"]
    return {job["jid"]: job["name"] for job in found if job["state"] == "RUNNING" and job["name"].startswith(f"{app}@")}


def jobs(shop: Shop) -> list[str]:
    return list(running(shop).values())


def cancel(shop: Shop, app: str) -> None:
    """End a stream without a savepoint."""
    [job] = running(shop, app)
    httpx.patch(f"{shop.settings.flink_uri}/jobs/{job}", params={"mode": "cancel"}, timeout=30).raise_for_status()
    eventually(lambda: not running(shop, app), "the job has ended")


def balances(shop: Shop) -> bool:
    return shop.run("tools.ledger", "check", ok=False).returncode == 0


def test_a_definition_that_cannot_take_the_state_over_goes_on_where_the_lake_ends(shop: Shop, sql: Path) -> None:
    send(shop)
    [before] = jobs(shop)
    sql.write_text(sql.read_text().replace("FROM records CROSS JOIN", "FROM (SELECT * FROM records WHERE kafka_offset >= 0) CROSS JOIN"))
    receipt = deploy(shop)
    assert receipt["restored_from"].startswith("the end offsets of the lake")
    assert receipt["replaced"] == before
    assert jobs(shop) == [receipt["name"]] != [before]
    send(shop)
    eventually(lambda: balances(shop), "the ledger balances")


def test_a_definition_that_does_not_run_is_taken_back(shop: Shop, sql: Path) -> None:
    deploy(shop)
    [before] = jobs(shop)
    sql.write_text(sql.read_text().replace("FROM records CROSS JOIN", "FROM nowhere CROSS JOIN"))
    assert f"{before} runs again" in deploy(shop, "failed")["log"]
    assert jobs(shop) == [before]
    # The next run does not try it again.
    assert "retry_refused" in deploy(shop, "failed")["log"]
    send(shop)
    eventually(lambda: balances(shop), "the ledger balances")


def test_a_stream_without_state_goes_on_where_the_lake_ends(shop: Shop) -> None:
    deploy(shop)
    send(shop)
    eventually(lambda: balances(shop), "the ledger balances")
    cancel(shop, names.CLICKS_TO_LAKE_JOB)
    assert deploy(shop, start_fresh=True)["restored_from"].startswith("the end offsets of the lake")
    send(shop)
    eventually(lambda: balances(shop), "the ledger balances")


def test_a_stream_outside_the_lake_begins_anew_when_nobody_can_read_its_state(shop: Shop) -> None:
    """A checkpoint is no savepoint, but this stream has nothing to commit."""
    deploy(shop)
    cancel(shop, names.FRAUD_SCORES_JOB)
    with kept(PATTERN):
        matched = "matched AS (\n  SELECT *,"
        PATTERN.write_text(PATTERN.read_text().replace(matched, f"{matched} 'more' AS {{{{ pattern.name }}}}_more,"))
        assert deploy(shop, app=names.FRAUD_SCORES_JOB)["restored_from"] == "the app's own start offsets"
    # with the savepoint of a stop the way back is the same
    assert deploy(shop, app=names.FRAUD_SCORES_JOB)["restored_from"] == "the app's own start offsets"
