"""validate-deployment.sh: a check that fails, prints nothing or cannot run is a failure; all passed is success."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.kube import scheduler_checks
from tests.manifests.rendered import ROOT
from tests.manifests.stub import StubKubectl, fails, ok

EXPECTED = (ROOT / "scripts" / "kube" / "expected_checks.txt").read_text().splitlines()
COMPLETE = {"metadata": {"name": "validation"}, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}


def lines(names: list[str], failed: str = "") -> str:
    """The lines of the checks, among lines of a log."""
    results = [
        {"check": name, "passed": name != failed, "detail": f"saw {name}", "fix": "repair it" * (name == failed), "seconds": 1.0}
        for name in names
    ]
    return "some warning\n" + "".join(json.dumps(result) + "\n" for result in results)


def validate(tmp_path: Path, failed: str = "", *options: str, exec_fails: bool = False, without: str = "") -> "tuple[int, str, str]":
    kubectl = StubKubectl(tmp_path).on("get jobs.batch", ok(COMPLETE))
    kubectl.on("exec -i deploy/airflow-scheduler", fails("error: pod not found\n") if exec_fails else ok(lines(EXPECTED[:3], failed)))
    kubectl.on("logs job/validation", ok(lines([name for name in EXPECTED[3:] if name != without], failed)))
    done = kubectl.script("validate-deployment", *options)
    return done.returncode, done.stdout, done.stderr


def test_all_outcomes_are_printed(tmp_path: Path) -> None:
    exit_code, table, errors = validate(tmp_path)
    assert exit_code == 0, errors
    assert re.findall(r"^PASS (.*?)  +saw", table, re.M) == EXPECTED
    assert "all 8 checks passed" in table


@pytest.mark.parametrize("failed", EXPECTED)
def test_each_missing_outcome_fails_and_prints_its_fix(tmp_path: Path, failed: str) -> None:
    exit_code, table, _ = validate(tmp_path, failed)
    assert exit_code == 1
    assert re.findall(r"^FAIL (.*?)  +saw", table, re.M) == [failed]
    assert "fix: repair it" in table
    assert "1 of 8 checks failed" in table


def test_a_check_without_a_result_fails(tmp_path: Path) -> None:
    exit_code, table, _ = validate(tmp_path, without="planted fraud alerted")
    assert exit_code == 1
    assert re.search(r"^FAIL planted fraud alerted +no result", table, re.M)


def test_a_scheduler_that_runs_nothing_fails_its_checks_only(tmp_path: Path) -> None:
    exit_code, table, errors = validate(tmp_path, exec_fails=True)
    assert exit_code == 1
    assert "error: pod not found" in errors
    assert table.count("FAIL ") == 3
    assert table.count("PASS ") == 5


def test_before_the_first_nightly_run_two_checks_are_left_out(tmp_path: Path) -> None:
    exit_code, table, _ = validate(tmp_path, "nightly run published", "--before-first-nightly")
    assert exit_code == 0
    assert re.findall(r"^SKIP (.*)$", table, re.M) == ["nightly run published", "recommendations from the model"]


def health(**states: str | None) -> dict[str, Any]:
    return {name: {"status": status} for name, status in states.items()}


def test_airflow_is_healthy_only_if_each_component_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its response has status 200 in any case."""
    monkeypatch.setattr(scheduler_checks, "get", lambda address: health(metadatabase="healthy", scheduler="healthy", triggerer=None))
    assert scheduler_checks.airflow_healthy() == "metadatabase, scheduler"
    monkeypatch.setattr(scheduler_checks, "get", lambda address: health(metadatabase="healthy", scheduler="unhealthy"))
    with pytest.raises(RuntimeError, match="scheduler is unhealthy"):
        scheduler_checks.airflow_healthy()


def test_a_dag_that_is_not_loaded_or_has_an_import_error_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also an import error without a traceback, such as a cycle."""
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(ROOT / "dags"))
    files = sorted(path.stem for path in (ROOT / "dags").glob("clickstream_*.py"))
    errors: list[dict[str, Any]] = []
    loaded = [{"dag_id": name} for name in files]
    monkeypatch.setattr(scheduler_checks, "airflow", lambda *arguments: errors if "list-import-errors" in arguments else loaded)
    assert scheduler_checks.dags_loaded() == f"{len(files)} DAGs, no import error"
    errors.append({"filepath": "clickstream_train.py", "error": "Cycle detected in DAG"})
    with pytest.raises(RuntimeError, match=r"clickstream_train.py: Cycle detected in DAG"):
        scheduler_checks.dags_loaded()
    errors.clear()
    loaded.pop()
    with pytest.raises(RuntimeError, match=f"not loaded: {files[-1]}"):
        scheduler_checks.dags_loaded()


def test_a_stream_without_a_fresh_checkpoint_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    from clickstream_contracts import names

    monkeypatch.setenv("CLICKSTREAM_FLINK_URI", "http://flink")
    age = dict.fromkeys(names.STREAM_JOBS, 5.0)
    states = dict.fromkeys(names.STREAM_JOBS, "RUNNING")

    def get(address: str) -> dict[str, Any]:
        if address.endswith("/jobs/overview"):
            return {"jobs": [{"jid": name, "name": names.flink_job_name(name, "0" * 64), "state": state} for name, state in states.items()]}
        return {"latest": {"completed": {"latest_ack_timestamp": 1000 * (time.time() - age[address.split("/")[-2]])}}}

    monkeypatch.setattr(scheduler_checks, "get", get)
    assert scheduler_checks.streams_running() == "4 streams, oldest of their newest checkpoints 5 s"
    age["fraud_scores"] = 3600.0
    states["recommendations"] = "RESTARTING"
    with pytest.raises(RuntimeError, match=r"fraud_scores: newest checkpoint is 3600 s old; recommendations is RESTARTING"):
        scheduler_checks.streams_running()
