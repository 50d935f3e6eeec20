"""What every app does: a receipt, an error of one line, an exit code, and the end of its queries on SIGTERM."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from pyspark import inheritable_thread_target
from pyspark.errors.exceptions.connect import SparkConnectGrpcException, SparkException

from clickstream_contracts.receipt import Receipt
from spark_apps.common import cli
from spark_apps.common.lake import Lake
from spark_apps.marts import app as marts
from tests.spark_apps.local_lake import LocalLake

ARGUMENTS = ["--ref", "b", "--run", "r", "--day", "2026-01-02"]


def test_a_receipt_names_the_metadata_file_of_each_table(lake: LocalLake) -> None:
    code, receipt = lake.run(marts, "--days", "2026-01-02")
    assert code == 0
    metadata_files = {table: lake.iceberg(table).operations().current().metadataFileLocation() for table in receipt.rows}
    assert "marts.funnel_daily" in metadata_files
    assert receipt.outputs == metadata_files


def test_a_failure_gives_a_receipt_one_line_and_exit_code_1(lake: LocalLake, capsys: pytest.CaptureFixture[str]) -> None:
    lake.spark.sql(f"DROP TABLE {lake.catalog.name('curated.sessions')}")
    code, receipt = lake.run(marts, "--days", "2026-01-02")
    error = capsys.readouterr().err
    assert code == 1
    assert "sessions" in receipt.error
    # Spark writes its log to stderr too; the app's line is the last one.
    assert error.splitlines()[-1] == f"spark_apps.marts: {receipt.error}"


def test_a_receipt_that_cannot_be_written_is_a_failure(lake: LocalLake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    uri = (tmp_path / "file" / "receipt.json").as_uri()
    argv = [*ARGUMENTS, "--receipt", uri, "--days", ""]
    assert marts.main(argv, lambda settings, ref, name: lake.lake) == 1
    assert f"cannot write the receipt {uri}" in capsys.readouterr().err


def test_an_unreachable_spark_is_reported_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(settings: object, ref: str, app: str) -> Lake:
        raise ConnectionError("connection refused")

    argv = [*ARGUMENTS, "--receipt", "file:///tmp/none.json", "--days", ""]
    assert marts.main(argv, refuse) == 1
    assert capsys.readouterr().err == (
        "spark_apps.marts: cannot open a Spark session: connection refused: check that Spark is running and SPARK_REMOTE is right\n"
    )


def test_sigterm_interrupts_the_queries_of_the_app(lake: LocalLake) -> None:
    errors: list[str] = []
    threads: list[threading.Thread] = []

    def run_long_query() -> None:
        try:
            lake.spark.range(10**15).selectExpr("sum(id % 7)").collect()
        except Exception as error:
            errors.append(str(error))

    def compute(opened: Lake, args: object) -> Receipt:
        threads.append(threading.Thread(target=inheritable_thread_target(lake.spark)(run_long_query)))
        threads[0].start()
        time.sleep(3)
        os.kill(os.getpid(), signal.SIGTERM)
        threads[0].join()
        raise AssertionError("the signal did not end the app")

    argv = [*ARGUMENTS, "--receipt", "file:///tmp/none.json"]
    with pytest.raises(SystemExit) as exit_info:
        cli.run_app("app", cli.argument_parser("app", ""), compute, argv, lambda settings, ref, name: lake.lake)
    assert exit_info.value.code == 128 + signal.SIGTERM
    threads[0].join(timeout=60)
    assert "cancelled" in errors[0].lower()


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
def test_an_error_is_summarised_by_its_innermost_cause(error: Exception, line: str) -> None:
    assert cli.error_summary(error) == line
