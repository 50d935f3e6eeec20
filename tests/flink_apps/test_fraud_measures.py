"""The measures of the fraud rules over random events: Flink gives the numbers of the evaluator in plain Python."""

import json
import subprocess
import sys
from pathlib import Path

from tests.fraud_measures import evaluate, random_events

EVENTS = 300


def test_flink_computes_what_the_measure_language_says(flink_environment: dict[str, str], tmp_path: Path) -> None:
    events = random_events(seed=11, count=EVENTS)
    (tmp_path / "events.json").write_text("".join(json.dumps(event) + "\n" for event in events))
    command = [sys.executable, "-m", "tests.flink_apps.run_fraud_measures", str(tmp_path)]
    done = subprocess.run(command, env=flink_environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]

    computed = json.loads((tmp_path / "measures.json").read_text())
    assert computed == evaluate(events)
