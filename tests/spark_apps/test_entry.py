"""What every app promises: a receipt, one line of text, an exit code."""

from pathlib import Path

import pytest

from spark_apps import marts
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
    assert capsys.readouterr().err == "spark_apps.marts: no Spark session: nobody answers; is the Spark master up?\n"
