"""Operators that require a receipt, with real processes; receipts are in a local folder instead of the bucket."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from pyarrow.fs import LocalFileSystem

from clickstream.operators import processes
from clickstream.operators.command import CommandReceiptOperator
from clickstream.operators.processes import end_processes
from clickstream.operators.receipt import ReceiptStore
from clickstream.operators.spark import SparkReceiptOperator
from clickstream.task_names import receipt_key
from clickstream_contracts.receipt import Receipt

GOOD = Receipt(app="curate", run="a_run", facts={"days": ["2026-01-02"]})
FAILED_AUDIT = Receipt(
    app="audits", run="a_run", error="2 rules failed", facts={"failures": [{"name": "unique_event", "sample": [{"id": "e-1"}]}]}
)
AUDIT_ERROR = Receipt(
    app="audits", run="a_run", error="unique_event: no Nessie", facts={"failures": [{"name": "unique_event", "sample": []}]}
)
APP_ERROR = Receipt(app="curate", run="a_run", error="Connection refused")

# Arguments: the text of the receipt, the exit code, then --receipt URI.
APP = """
import pathlib, sys
text, code, uri = sys.argv[1], int(sys.argv[2]), sys.argv[sys.argv.index("--receipt") + 1]
path = pathlib.Path(uri.removeprefix("s3://"))
if text:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
sys.exit(code)
"""


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReceiptStore:
    """A store of receipts in the test's folder."""
    local_store = ReceiptStore(LocalFileSystem(), str(tmp_path))
    monkeypatch.setattr(ReceiptStore, "from_settings", classmethod(lambda cls, settings: local_store))
    return local_store


def task(*python_arguments: str) -> CommandReceiptOperator:
    """Returns a task that runs Python with these arguments."""
    return CommandReceiptOperator(task_id="work", command=[sys.executable, *python_arguments], folder=".")


def run_app(context: Any, receipt_text: str, exit_code: int) -> None:
    task("-c", APP, receipt_text, str(exit_code)).execute(context)


def test_a_valid_receipt_is_the_return_value_of_the_task(context: Any) -> None:
    run_app(context, GOOD.to_json(), 0)
    assert context["ti"].pushed["return_value"]["facts"] == {"days": ["2026-01-02"]}


def test_a_failed_audit_is_not_retried_and_its_sample_rows_are_kept(context: Any) -> None:
    with pytest.raises(AirflowFailException, match="audits: 2 rules failed"):
        run_app(context, FAILED_AUDIT.to_json(), 1)
    assert context["ti"].pushed["return_value"]["facts"]["failures"][0]["name"] == "unique_event"


@pytest.mark.parametrize("receipt", [APP_ERROR, AUDIT_ERROR])
def test_an_error_of_the_app_is_retried(context: Any, receipt: Receipt) -> None:
    with pytest.raises(AirflowException, match=receipt.error) as failure:
        run_app(context, receipt.to_json(), 1)
    assert not isinstance(failure.value, AirflowFailException)


def test_exit_code_0_without_a_receipt_fails_the_task(context: Any) -> None:
    with pytest.raises(AirflowFailException, match=r"work: exit code 0 but no receipt at s3://.*work_1\.json; the task is failed"):
        task("-c", "pass").execute(context)


def test_an_app_that_fails_without_a_receipt_is_retried(context: Any) -> None:
    with pytest.raises(AirflowException, match="exit code 1: no Kafka") as failure:
        task("-c", "raise SystemExit('no Kafka')").execute(context)
    assert not isinstance(failure.value, AirflowFailException)


@pytest.mark.parametrize("text", [GOOD.to_json()[:-9], GOOD.to_json().replace("a_run", "b_run"), "hello"])
def test_a_truncated_or_changed_receipt_fails_the_task(context: Any, text: str) -> None:
    with pytest.raises(AirflowFailException, match="invalid receipt at s3://"):
        run_app(context, text, 0)


def test_the_receipt_of_an_earlier_run_of_the_same_try_is_not_accepted(context: Any) -> None:
    run_app(context, GOOD.to_json(), 0)
    with pytest.raises(AirflowFailException, match="no receipt"):
        task("-c", "pass").execute(context)


def test_arguments_that_render_to_the_empty_string_are_removed() -> None:
    operator = CommandReceiptOperator(task_id="work", command=["tool", "", "--day", "2026-01-02"], folder=".")
    operator.add_arguments(["--receipt", "s3://lake/r.json"])
    assert operator.command == ["tool", "--day", "2026-01-02", "--receipt", "s3://lake/r.json"]


def process_ids(suffix: str) -> list[int]:
    """Returns the ids of processes whose last argument ends with `suffix`."""
    processes = [process.info for process in psutil.process_iter(["pid", "cmdline"])]
    return [info["pid"] for info in processes if info["cmdline"] and info["cmdline"][-1].endswith(suffix)]


def test_killing_a_task_kills_the_child_processes_of_its_command(context: Any, tmp_path: Path) -> None:
    suffix = f"# {tmp_path}"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600) {suffix}'])"
    operator = task("-c", parent)
    with ThreadPoolExecutor() as pool:
        execution = pool.submit(operator.execute, context)
        while not process_ids(suffix):
            assert not execution.done()
            time.sleep(0.1)
        operator.on_kill()
        with pytest.raises(AirflowException):
            execution.result(timeout=60)
    assert process_ids(suffix) == []


# Writes a line until it is ended; SIGTERM alone does not end it. Its child does the same.
STUBBORN_WRITER = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
while True:
    open(sys.argv[1], "a").write("line\\n")
    time.sleep(0.02)
"""
# What a task runner does: runs the operator's command. It is killed without a chance to end the command, as by the OOM killer.
TASK_RUNNER = """
import sys
from airflow.providers.standard.hooks.subprocess import SubprocessHook
SubprocessHook().run_command(sys.argv[1:])
"""


def test_a_retry_ends_the_command_of_a_try_whose_task_runner_was_killed(
    context: Any, tmp_path: Path, store: ReceiptStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.2)
    output = tmp_path / "output"
    first_receipt = store.uri(receipt_key(context["ti"], 1))
    command = [sys.executable, "-c", STUBBORN_WRITER, str(output), "--receipt", first_receipt]
    runner = subprocess.Popen([sys.executable, "-c", TASK_RUNNER, *command])
    while not output.exists():
        time.sleep(0.1)
    runner.kill()
    runner.wait()
    context["ti"].try_number = 2
    other_run = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", f"{first_receipt}.other"])
    try:
        run_app(context, GOOD.to_json(), 0)
        assert context["ti"].pushed["return_value"]["facts"] == GOOD.facts
        size = output.stat().st_size
        time.sleep(0.3)
        assert output.stat().st_size == size, "nothing of the first try writes any more"
        assert other_run.poll() is None
    finally:
        other_run.kill()
        other_run.wait()
        end_processes([first_receipt], 0.1)


def test_a_spark_app_gets_its_server_and_token_only_by_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("a/b c\n")
    monkeypatch.setenv("CLICKSTREAM_SPARK_REMOTE", "sc://localhost:15003")
    monkeypatch.setenv("CLICKSTREAM_SPARK_TOKEN_FILE", str(tmp_path / "token"))
    operator = SparkReceiptOperator(task_id="work", command=["python", "-m", "spark_apps.curate"], folder=".")
    assert operator.extra_environment() == {"SPARK_REMOTE": "sc://localhost:15003/;token=a/b%20c"}
    assert "token" not in str([getattr(operator, field) for field in operator.template_fields])
