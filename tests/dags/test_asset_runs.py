"""What Airflow's scheduler itself makes of the arrows between the DAGs."""

import json
import os
import subprocess
import sys

import pytest

from clickstream_contracts import names
from tests.plugins.environment import ROOT

BUNDLE = {"classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {"path": str(ROOT / "dags")}}
BUNDLES = {"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([{"name": "clickstream", **BUNDLE}])}


@pytest.mark.engine
def test_a_release_starts_the_features_of_its_day_whoever_started_the_night() -> None:
    command = [sys.executable, "-m", "tests.dags.asset_runs", names.NIGHTLY, "tag"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | BUNDLES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert found == [
        [None, [[names.FEATURES, "2026-01-02", [{"from": "None"}]]]],
        ["2026-01-02", [[names.FEATURES, "2026-01-02", [{"from": "2026-01-02"}]]]],
    ]
