"""Airflow's own backfill of the nightly DAG: each run has its day, and keeps the configuration of the backfill."""

import json
import os
import subprocess
import sys

import pytest

from tests.dags.test_asset_runs import BUNDLE
from tests.plugins.environment import ROOT


@pytest.mark.engine
def test_each_run_of_a_backfill_has_its_day_and_rebuilds_it() -> None:
    command = [sys.executable, "-m", "tests.dags.backfill_runs", "2026-01-01T00:00:00+00:00", "2026-01-03T23:00:00+00:00"]
    environment = os.environ | {"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([BUNDLE])}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    runs = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("[")]
    assert runs == [[day, {"rebuild": True}, "backfill"] for day in ("2026-01-01", "2026-01-02", "2026-01-03")]
