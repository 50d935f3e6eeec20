"""After the audits in a real Airflow: one mapped task and one notification per audit that did not pass, no merge after a failed one."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.plugins.environment import ROOT
from tests.plugins.receivers import Webhook, webhook

DAG = """
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowFailException
from clickstream.dag_defaults import task_defaults
from clickstream.publication import _add_audit_results

def fact(name, severity, rows):
    return {"name": name, "severity": severity, "rows": rows, "meaning": "m", "owner": "o", "sample": [{"id": name}], "error": ""}

class Audit(BaseOperator):
    def execute(self, context):
        audits = [fact(*audit) for audit in context["params"]["audits"]]
        context["ti"].xcom_push("return_value", {"facts": {"audits": audits}})
        if any(audit["rows"] and audit["severity"] == "error" for audit in audits):
            raise AirflowFailException("audits failed")

class Merge(BaseOperator):
    def execute(self, context):
        return "merged"

with DAG("grid", schedule=None, params={"audits": []}, default_args=task_defaults(minutes=5, retries=0)):
    audit = Audit(task_id="audit")
    _add_audit_results(audit)
    audit >> Merge(task_id="merge")
"""
RUN = """
import json, os
from airflow.dag_processing.dagbag import DagBag
from airflow.utils.db import initdb
initdb()
dag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).dags["grid"]
results = []
for audits in json.loads(os.environ["TEST_AUDITS"]):
    run = dag.test(run_conf={"audits": audits})
    instances = run.get_task_instances()
    tasks = {f"{ti.task_id}:{ti.rendered_map_index or ti.map_index}": ti.state for ti in instances}
    results.append({"run": run.state, **tasks})
print(json.dumps(results))
"""
PASSED, WARNED, FAILED = ("orders", "error", 0), ("quarantine_rate", "warn", 3), ("events_unique", "error", 2)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Webhook]:
    """The webhook to which the runs of the fixture `grids` send."""
    with webhook() as server:
        yield server


@pytest.fixture(scope="module")
def grids(tmp_path_factory: pytest.TempPathFactory, receiver: Webhook) -> list[dict[str, Any]]:
    """The states of the tasks after a run without findings, one with a warning, and one with a failed audit too."""
    home = tmp_path_factory.mktemp("grid")
    connection = {"conn_type": "http", "password": receiver.uri, "extra": {"body": "fields"}}
    (home / "dags").mkdir()
    (home / "dags" / "grid.py").write_text(DAG)
    env = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT / 'contracts'}",
        "AIRFLOW_CONN_CLICKSTREAM_NOTIFICATIONS": json.dumps(connection),
        "TEST_AUDITS": json.dumps([[PASSED], [PASSED, WARNED], [PASSED, WARNED, FAILED]]),
    }
    result = subprocess.run([sys.executable, "-c", RUN], env=env, cwd=home, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    states: list[dict[str, Any]] = json.loads(result.stdout.splitlines()[-1])
    return states


def test_after_audits_without_findings_the_mapped_task_is_skipped_and_the_merge_runs(grids: list[dict[str, Any]]) -> None:
    assert grids[0] == {
        "run": "success",
        "audit:-1": "success",
        "failed_audits:-1": "success",
        "audit_result:-1": "skipped",
        "merge:-1": "success",
    }


def test_a_warning_is_one_green_instance_with_the_name_of_the_audit(grids: list[dict[str, Any]]) -> None:
    assert grids[1]["audit_result:quarantine_rate"] == "success"
    assert (grids[1]["merge:-1"], grids[1]["run"]) == ("success", "success")


def test_a_failed_audit_is_one_red_instance_and_nothing_is_merged(grids: list[dict[str, Any]]) -> None:
    assert grids[2] == {
        "run": "failed",
        "audit:-1": "failed",
        "failed_audits:-1": "success",
        "audit_result:quarantine_rate": "success",
        "audit_result:events_unique": "failed",
        "merge:-1": "upstream_failed",
    }


def test_warnings_and_failures_reach_the_webhook_and_nothing_else_does(grids: list[dict[str, Any]], receiver: Webhook) -> None:
    sent = [(body["kind"], body["task_id"], body["audit"], body["owner"], body["count"]) for body in receiver.bodies]
    warning = ("warning", "audit_result", "quarantine_rate", "o", 3)
    assert sent[0] == warning
    assert sorted(sent[1:], key=str) == sorted(
        [warning, ("failure", "audit", "", "", None), ("failure", "audit_result", "events_unique", "o", 2)], key=str
    )
    assert receiver.bodies[0]["rows"] == [{"id": "quarantine_rate"}]
    assert "audits failed" in next(body["reason"] for body in receiver.bodies if body["task_id"] == "audit")
