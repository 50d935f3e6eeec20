"""The stream's definition changes while a shop sends: whatever becomes of the new one, each record is in the lake once."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from clickstream_contracts import names
from tests.shop_day import ROOT, Shop, eventually

pytestmark = pytest.mark.long
SQL = ROOT / "flink_apps" / "sql" / "clicks_to_lake.sql"
DEPLOY = f"deploy_{names.LAKE_JOB}"
SMALL = ("--users", "2000", "--products", "500")


@pytest.fixture
def sql() -> Iterator[Path]:
    """The job's statements, to be changed for the time of a test."""
    original = SQL.read_text()
    yield SQL
    SQL.write_text(original)


def send(shop: Shop) -> None:
    seed = str(int.from_bytes(os.urandom(2)))
    shop.run("tools.shop", "live", "--rate", "500", "--seconds", "4", "--seed", seed, *SMALL)


def deploy(shop: Shop, expect: str = "success", **params: bool) -> dict[str, str]:
    """One run of the streams' DAG; what its deploy task returned."""
    run_id = shop.finish(names.STREAMS, shop.airflow.trigger(names.STREAMS, params), expect)
    return shop.receipt(run_id, DEPLOY, names.STREAMS) if expect == "success" else {"log": shop.task_log(run_id, DEPLOY, names.STREAMS)}


def jobs(shop: Shop) -> list[str]:
    """The names of the running jobs."""
    found = httpx.get(f"{shop.settings.flink_uri}/jobs/overview", timeout=30).json()["jobs"]
    return [job["name"] for job in found if job["state"] == "RUNNING"]


def balances(shop: Shop) -> bool:
    return shop.run("tools.ledger", "check", ok=False).returncode == 0


def test_a_definition_that_cannot_take_the_state_over_goes_on_where_the_lake_ends(shop: Shop, sql: Path) -> None:
    send(shop)
    [before] = jobs(shop)
    sql.write_text(sql.read_text().replace("FROM records CROSS JOIN", "FROM (SELECT * FROM records WHERE kafka_offset >= 0) CROSS JOIN"))
    receipt = deploy(shop)
    assert receipt["restored_from"].startswith("the lake's end")
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
    [job] = [j["jid"] for j in httpx.get(f"{shop.settings.flink_uri}/jobs/overview", timeout=30).json()["jobs"] if j["state"] == "RUNNING"]
    httpx.patch(f"{shop.settings.flink_uri}/jobs/{job}", params={"mode": "cancel"}, timeout=30).raise_for_status()
    eventually(lambda: jobs(shop) == [], "the job has ended")
    assert deploy(shop, start_fresh=True)["restored_from"].startswith("the lake's end")
    send(shop)
    eventually(lambda: balances(shop), "the ledger balances")
