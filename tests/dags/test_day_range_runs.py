"""A long range of days goes on after each run of it, stops at one that fails, and goes on when that one was cleared."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.dags.test_asset_runs import BUNDLE
from tests.plugins.environment import ROOT

TRIGGER = """
import json, os
from airflow.dag_processing.dagbag import DagBag
from airflow.models.dagrun import DagRun
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from sqlalchemy import select
initdb()
dag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).dags["range"]
for _ in range(2):
    first = dag.test(run_conf={"first_day": "2026-01-01", "day": "2026-01-25"})
    assert first.state == "success", first.state
with create_session() as session:
    runs = [(run.run_id, run.conf) for run in session.scalars(select(DagRun)) if run.run_id.startswith("days_")]
print(json.dumps(runs))
"""
DAG = """
from airflow.sdk import DAG
from clickstream.operators.next_days import NextDaysOperator
from clickstream.templates import LAST_DAY, MACROS, NEXT_FIRST_DAY
with DAG("range", schedule=None, params={"first_day": None, "day": None, "days_per_run": 10}, user_defined_macros=MACROS):
    NextDaysOperator(task_id="next_days", first_day=NEXT_FIRST_DAY, last_day=LAST_DAY)
"""


def last_line(*command: str, **environment: str) -> list[str]:
    result = subprocess.run([sys.executable, *command], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-3000:]
    return result.stdout.splitlines()


@pytest.mark.engine
def test_the_next_days_follow_a_run_that_published_or_had_nothing_to_publish_and_no_other() -> None:
    lines = last_line("-m", "tests.dags.day_range_runs", AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST=json.dumps([BUNDLE]))
    cases = {case[0]: case[1:] for case in (json.loads(line) for line in lines if line.startswith("["))}
    assert cases == {
        "published": [True, "running"],
        "nothing to publish": [True, "running"],
        "still running": [False, "running"],
        # The results of its audits are still to be shown.
        "an audit failed": [False, "running"],
        "a merge conflict": [False, "failed"],
        "curate failed": [False, "failed"],
        "an audit failed, then the cleared run published": [True, "running"],
    }


def test_airflow_creates_the_next_run_with_the_rest_of_the_range(tmp_path: Any) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "range.py").write_text(DAG)
    lines = last_line(
        "-c",
        TRIGGER,
        AIRFLOW_HOME=str(tmp_path),
        AIRFLOW__CORE__DAGS_FOLDER=str(tmp_path / "dags"),
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{tmp_path}/airflow.db",
        PYTHONPATH=f"{ROOT / 'plugins'}:{ROOT / 'contracts'}",
    )
    runs = json.loads(lines[-1])
    # One for each of the two runs, whose ids differ.
    assert len(runs) == 2
    for run_id, conf in runs:
        assert run_id.startswith("days_2026-01-11_manual__")
        assert conf == {"first_day": "2026-01-11", "day": "2026-01-25", "days_per_run": 10}
