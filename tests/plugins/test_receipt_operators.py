"""A task is what its app's receipt says: real processes, with receipts in a folder in the place of the bucket."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from pyarrow.fs import LocalFileSystem

from clickstream.operators.command import CommandReceiptOperator
from clickstream.operators.receipt import ReceiptStore
from clickstream.operators.spark import SparkReceiptOperator
from clickstream_contracts.receipt import Receipt

GOOD = Receipt(app="curate", run="a_run", facts={"days": ["2026-01-02"]})
VERDICT = Receipt(
    app="audit", run="a_run", error="2 rules failed", facts={"failures": [{"name": "unique_event", "sample": [{"id": "e-1"}]}]}
)
UNASKED = Receipt(app="audit", run="a_run", error="unique_event: no Nessie", facts={"failures": [{"name": "unique_event", "sample": []}]})
BREAKDOWN = Receipt(app="curate", run="a_run", error="Connection refused")

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
    """Receipts lie below the test's folder."""
    found = ReceiptStore(LocalFileSystem(), str(tmp_path))
    monkeypatch.setattr(ReceiptStore, "from_settings", classmethod(lambda cls, settings: found))
    return found


def run(context: Any, text: str, code: int) -> None:
    CommandReceiptOperator(task_id="work", command=[sys.executable, "-c", APP, text or " ", str(code)], folder=".").execute(context)


def test_a_good_receipt_is_the_tasks_answer(context: Any) -> None:
    run(context, GOOD.to_json(), 0)
    assert context["ti"].pushed["return_value"]["facts"] == {"days": ["2026-01-02"]}


def test_a_verdict_is_final_and_keeps_its_samples(context: Any) -> None:
    with pytest.raises(AirflowFailException, match="audit: 2 rules failed"):
        run(context, VERDICT.to_json(), 1)
    assert context["ti"].pushed["return_value"]["facts"]["failures"][0]["name"] == "unique_event"


@pytest.mark.parametrize("receipt", [BREAKDOWN, UNASKED])
def test_a_breakdown_is_tried_again(context: Any, receipt: Receipt) -> None:
    with pytest.raises(AirflowException, match=receipt.error) as failure:
        run(context, receipt.to_json(), 1)
    assert not isinstance(failure.value, AirflowFailException)


def test_an_app_that_ends_well_without_a_receipt_fails(context: Any) -> None:
    command = [sys.executable, "-c", "pass"]
    with pytest.raises(AirflowFailException, match=r"wrote no receipt to s3://.*work_1\.json"):
        CommandReceiptOperator(task_id="work", command=command, folder=".").execute(context)


def test_an_app_that_dies_without_a_receipt_is_tried_again(context: Any) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no Kafka')"]
    with pytest.raises(AirflowException, match="exit code 1: no Kafka") as failure:
        CommandReceiptOperator(task_id="work", command=command, folder=".").execute(context)
    assert not isinstance(failure.value, AirflowFailException)


@pytest.mark.parametrize("text", [GOOD.to_json()[:-9], GOOD.to_json().replace("a_run", "b_run"), "hello"])
def test_a_torn_or_changed_receipt_is_not_believed(context: Any, text: str) -> None:
    with pytest.raises(AirflowFailException, match="receipt"):
        run(context, text, 0)


def test_a_receipt_of_an_earlier_life_is_not_believed(context: Any) -> None:
    run(context, GOOD.to_json(), 0)
    with pytest.raises(AirflowFailException, match="wrote no receipt"):
        CommandReceiptOperator(task_id="work", command=[sys.executable, "-c", "pass"], folder=".").execute(context)


def test_arguments_that_render_to_nothing_are_left_out() -> None:
    task = CommandReceiptOperator(task_id="work", command=["tool", "", "--day", "2026-01-02"], folder=".")
    task.add_arguments(["--receipt", "s3://lake/r.json"])
    assert task.command == ["tool", "--day", "2026-01-02", "--receipt", "s3://lake/r.json"]


def family(mark: str) -> list[int]:
    """Processes whose command line ends with `mark`."""
    found = psutil.process_iter(["pid", "cmdline"])
    return [p.info["pid"] for p in found if p.info["cmdline"] and p.info["cmdline"][-1].endswith(mark)]


def test_a_killed_task_takes_its_children_along(context: Any, tmp_path: Path) -> None:
    mark = f"# {tmp_path}"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600) {mark}'])"
    task = CommandReceiptOperator(task_id="work", command=[sys.executable, "-c", parent], folder=".")
    with ThreadPoolExecutor() as pool:
        work = pool.submit(task.execute, context)
        while not family(mark):
            assert not work.done()
            time.sleep(0.1)
        task.on_kill()
        with pytest.raises(AirflowException):
            work.result(timeout=60)
    assert family(mark) == []


def test_a_spark_app_learns_its_server_and_the_token_from_its_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("a/b c\n")
    monkeypatch.setenv("CLICKSTREAM_SPARK_REMOTE", "sc://localhost:15003")
    monkeypatch.setenv("CLICKSTREAM_SPARK_TOKEN_FILE", str(tmp_path / "token"))
    task = SparkReceiptOperator(task_id="work", command=["python", "-m", "spark_apps.curate"], folder=".")
    assert task.environment() == {"SPARK_REMOTE": "sc://localhost:15003/;token=a/b%20c"}
    assert "token" not in str([getattr(task, field) for field in task.template_fields])
