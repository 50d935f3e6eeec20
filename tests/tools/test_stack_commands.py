"""Commands of the local stack: wrong usage, and stacks that never started."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.local_stack import command, port_in_use, stack
from tools.localstack import doctor, layout

__all__ = ["port_in_use", "stack"]


def test_the_doctor_prints_a_fix_for_each_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.report([("no Java", "install one")], "") == 1
    assert "fix: install one" in capsys.readouterr().err
    assert doctor.report([], "checked") == 0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["up", "--only", "flonk"], "no component 'flonk'"),
        (["logs", "flonk"], "no component 'flonk'"),
        (["restart", "flonk"], "no component 'flonk'"),
        (["up", "--deadline"], "No such option"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(tmp_path: Path, argv: list[str], message: str) -> None:
    done = command(tmp_path, *argv)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_setting_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = command(tmp_path, "up", CLICKSTREAM_KAFKA_PORT="ninety")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "CLICKSTREAM_KAFKA_PORT='ninety'" in done.stderr


def test_down_and_status_of_a_stack_that_never_started_leave_its_folder_alone(tmp_path: Path) -> None:
    down = command(tmp_path / "stack", "down")
    assert down.returncode == 0
    assert "none was ever started" in down.stderr
    status = command(tmp_path / "stack", "status", "--json")
    assert {component["state"] for component in json.loads(status.stdout)["components"]} == {"down"}
    assert command(tmp_path / "stack", "logs", "kafka").returncode == 0
    # `up` refuses a folder with other files than a stack's.
    assert not (tmp_path / "stack").exists()


def test_down_and_status_need_neither_jdk_nor_maven(tmp_path: Path, stack: layout.Stack) -> None:
    for verb in ("status", "down"):
        done = command(stack.dir, verb, PATH=str(tmp_path), JAVA_HOME="")
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_a_stack_whose_s3_server_was_uninstalled_is_stopped_but_not_started(tmp_path: Path, stack: layout.Stack) -> None:
    layout.save(layout.Stack(replace(stack.settings, s3_server="minio")))
    for verb in ("status", "down"):
        assert command(stack.dir, verb, PATH=str(tmp_path)).returncode == 0
    started = command(stack.dir, "up", "--only", "s3", PATH=str(tmp_path), CLICKSTREAM_S3_SERVER="minio")
    assert (started.returncode, started.stderr.count("\n")) == (2, 1)
    assert "no program `minio` on PATH" in started.stderr
