"""What every app promises: a receipt, one line of text, an exit code."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from pyspark import inheritable_thread_target
from pyspark.errors.exceptions.connect import SparkConnectGrpcException, SparkException

from clickstream_contracts.receipt import Receipt
from spark_apps import entry, marts
from spark_apps.engine import Lake
from tests.spark_apps.little_lake import LittleLake


def test_a_receipt_names_the_state_that_each_table_was_left_in(lake: LittleLake) -> None:
    code, receipt = lake.run(marts, "--days", "2026-01-02")
    assert code == 0
    now = {table: lake.iceberg(table).operations().current().metadataFileLocation() for table in receipt.rows}
    assert "marts.funnel_daily" in now
    assert receipt.outputs == now


def test_a_failure_is_a_receipt_one_line_and_exit_code_1(lake: LittleLake, capsys: pytest.CaptureFixture[str]) -> None:
    lake.spark.sql(f"DROP TABLE {lake.catalog.name('curated.sessions')}")
    code, receipt = lake.run(marts, "--days", "2026-01-02")
    error = capsys.readouterr().err
    assert code == 1
    assert "sessions" in receipt.error
    # Spark logs to the same place; the last line is ours.
    assert error.splitlines()[-1] == f"spark_apps.marts: {receipt.error}"


def test_a_receipt_that_cannot_be_written_is_a_failure(lake: LittleLake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    place = (tmp_path / "file" / "receipt.json").as_uri()
    words = ["--ref", "b", "--run", "r", "--day", "2026-01-02", "--receipt", place, "--days", ""]
    assert marts.main(words, lambda settings, ref, name: lake.lake) == 1
    assert f"cannot write the receipt {place}" in capsys.readouterr().err


def test_a_cluster_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(settings: object, ref: str, app: str) -> Lake:
        raise ConnectionError("nobody answers")

    words = ["--ref", "b", "--run", "r", "--day", "2026-01-02", "--receipt", "file:///tmp/none.json", "--days", ""]
    assert marts.main(words, refuse) == 1
    assert capsys.readouterr().err == "spark_apps.marts: no Spark session: nobody answers; is Spark up?\n"


def test_an_app_that_is_told_to_stop_stops_its_queries(lake: LittleLake) -> None:
    ended: list[str] = []
    threads: list[threading.Thread] = []

    def count_for_ever() -> None:
        try:
            lake.spark.range(10**15).selectExpr("sum(id % 7)").collect()
        except Exception as error:
            ended.append(str(error))

    def work(given: Lake, args: object) -> Receipt:
        threads.append(threading.Thread(target=inheritable_thread_target(lake.spark)(count_for_ever)))
        threads[0].start()
        time.sleep(3)
        os.kill(os.getpid(), signal.SIGTERM)
        threads[0].join()
        raise AssertionError("the signal did not end the work")

    words = ["--ref", "b", "--run", "r", "--day", "2026-01-02", "--receipt", "file:///tmp/none.json"]
    with pytest.raises(SystemExit) as left:
        entry.run("app", entry.parser("app", ""), work, words, lambda settings, ref, name: lake.lake)
    assert left.value.code == 128 + signal.SIGTERM
    threads[0].join(timeout=60)
    assert "cancelled" in ended[0].lower()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (SparkConnectGrpcException('<_Rendezvous of RPC that terminated with:\n\tdetails = "Connection refused"\n>'), "Connection refused"),
        (
            SparkException("Job aborted.", server_stacktrace="SparkException: Job aborted.\nCaused by: IOException: disk is full"),
            "IOException: disk is full",
        ),
        (ValueError("first\nsecond"), "first"),
        (KeyError(), "KeyError"),
    ],
)
def test_an_error_is_told_by_what_caused_it(error: Exception, line: str) -> None:
    assert entry.one_line(error) == line
