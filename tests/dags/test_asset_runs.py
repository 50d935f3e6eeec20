"""Which runs Airflow's scheduler creates for the asset events of the DAGs."""

import json
import os
import subprocess
import sys

import pytest

from clickstream_contracts import names
from tests.plugins.environment import ROOT

BUNDLE = {
    "name": "clickstream",
    "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
    "kwargs": {"path": str(ROOT / "dags")},
}


@pytest.mark.engine
def test_a_release_triggers_the_features_of_its_day_after_manual_and_scheduled_nightly_runs() -> None:
    command = [sys.executable, "-m", "tests.dags.asset_runs", names.NIGHTLY, "tag"]
    environment = os.environ | {"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([BUNDLE])}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    runs = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("[")]
    assert runs == [
        # A release in the middle of a range of days is not announced.
        [None, []],
        [None, [[names.FEATURES, "2026-01-02", [{"from": "None True"}]]]],
        ["2026-01-02", [[names.FEATURES, "2026-01-02", [{"from": "2026-01-02 True"}]]]],
    ]
