"""A wrong command line of any tool is one line that names the value, and exit code 2."""

import subprocess
import sys

import pytest

WRONG = {
    "arms": (["check", "--candidate", "x", "--receipt", "r", "--probes", "none"], "--probes"),
    "demo": (["--events", "few"], "--events"),
    "ledger": (["chek"], "chek"),
    "master_data": (["--users", "nowhere.csv"], "nowhere.csv"),
    "neighbours": (["--ref", "main"], "--receipt"),
    "refs": (["diff", "main"], "right"),
    "replay": (["--file", "nowhere.csv", "--mapping", "rees46"], "nowhere.csv"),
    "shop": (["history", "--days", "soon"], "--days"),
    "stack": (["logs", "kafka", "-n", "0"], "-n"),
}


@pytest.mark.parametrize("tool", WRONG)
def test_a_wrong_command_line_is_one_line(tool: str) -> None:
    argv, named = WRONG[tool]
    done = subprocess.run([sys.executable, "-m", f"tools.{tool}", *argv], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert named in line


@pytest.mark.parametrize("tool", WRONG)
def test_help_is_there(tool: str) -> None:
    done = subprocess.run([sys.executable, "-m", f"tools.{tool}", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert f"tools.{tool}" in done.stdout
