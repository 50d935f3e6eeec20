"""The clean-up of the local stack's Airflow: by command, and once a day at a start."""

import os
import time
from pathlib import Path

import pytest

from clickstream_contracts.settings import Settings
from tools.localstack import airflow
from tools.localstack.layout import Stack


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack whose Airflow is a program that writes its arguments to a file."""
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$(basename $0) $@" >>"$AIRFLOW_HOME/calls"\n')
    program.chmod(0o755)
    (tmp_path / "bin" / "airflow").symlink_to(program)
    monkeypatch.setattr(airflow, "BIN", program.parent)
    (tmp_path / "stack" / "secrets").mkdir(parents=True)
    return Stack(Settings(stack_dir=str(tmp_path / "stack")))


def calls(stack: Stack) -> list[str]:
    """Returns the commands of Airflow that a start ran."""
    path = stack.dir / "airflow" / "calls"
    path.parent.mkdir(exist_ok=True)
    path.touch()
    airflow.step(stack).run()
    lines = path.read_text().splitlines()
    path.unlink()
    return lines


def test_a_start_cleans_once_a_day_and_not_a_new_database(stack: Stack) -> None:
    clean = "python -m clickstream.cleanup"
    assert clean not in calls(stack), "the first start creates the database"
    assert calls(stack) == [clean]
    assert calls(stack) == []
    yesterday = time.time() - 90_000
    os.utime(stack.dir / "airflow" / "cleaned", (yesterday, yesterday))
    assert calls(stack) == [clean]


def test_the_days_are_passed_on_only_if_they_are_given() -> None:
    assert airflow.cleanup_command()[1:] == ["-m", "clickstream.cleanup"]
    assert airflow.cleanup_command(7)[-2:] == ["--days", "7"]
