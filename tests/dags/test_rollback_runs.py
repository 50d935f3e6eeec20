"""When Airflow runs the task `rollback` of a rollout, which takes the candidate back."""

import json
import os
import subprocess
import sys

import pytest

from tests.dags.test_asset_runs import BUNDLE
from tests.plugins.environment import ROOT


@pytest.mark.engine
def test_the_candidate_is_taken_back_also_when_the_run_is_marked_failed() -> None:
    environment = os.environ | {"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([BUNDLE])}
    command = [sys.executable, "-m", "tests.dags.rollback_runs"]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    cases = {case[0]: case[1:] for case in (json.loads(line) for line in result.stdout.splitlines() if line.startswith("["))}
    assert cases == {
        "a check failed": [["rollback"], "running", "failed"],
        "start failed": [["rollback"], "running", "failed"],
        # Airflow lets a run that is marked failed go on while it has a teardown, and skips its other tasks: it ends as a success.
        "marked failed while start runs": [["rollback"], "running", "success"],
        "marked failed while a check runs": [["rollback"], "running", "success"],
        "marked failed between two tasks": [["rollback"], "running", "success"],
        # Nothing was started.
        "pin_main failed": [[], "failed", "failed"],
        # There the task does nothing; it does not decide the state of the run.
        "finished": [["rollback"], "running", "success"],
    }
