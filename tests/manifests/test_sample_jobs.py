"""submit-sample-jobs.sh: it waits for each DAG, says why it fails, and leaves no paused state changed silently."""

import time
from pathlib import Path

import pytest

from tests.manifests.stub import Response, StubKubectl, fails, ok

DAGS = ("clickstream_streams", "clickstream_nightly", "clickstream_features", "clickstream_train", "clickstream_rollout")
COMPLETE = {"metadata": {"name": "shop"}, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}


def runs(dag: str, state: str) -> Response:
    """What Airflow prints about the runs of a DAG: a header, a new run, and one of before."""
    header = "You might need to install the graphviz package\ndag_id run_id state run_after logical_date\n"
    new = f"{dag} sample_2026 {state} 2999-01-01T00:00:00.000000+00:00\n" if state else ""
    return ok(f"{header}{new}{dag} old_run failed 2000-01-01T00:00:00.000000+00:00\n")


@pytest.fixture
def kubectl(tmp_path: Path) -> StubKubectl:
    # The id of a triggered run is its time, which the stub does not know: a `date` that stands still.
    stub = StubKubectl(tmp_path)
    stub.add("date", "#!/bin/sh\necho 2026\n")
    stub.on("get jobs.batch", ok(COMPLETE))
    stub.on("states-for-dag-run", ok("clickstream_train 2999 gate failed 1 2\nclickstream_train 2999 train success 1 2\n"))
    return stub


def submit(kubectl: StubKubectl, dags: tuple[str, ...] = DAGS) -> tuple[int, str]:
    # The last rule, because the command `list-runs` contains these words too.
    kubectl.on("airflow dags list --output", ok("".join(f"{dag} {dag}.py me {dag == 'clickstream_train'}\n" for dag in dags)))
    done = kubectl.script("submit-sample-jobs", "--yes", POLL_SECONDS="0.2")
    return done.returncode, done.stderr


def test_it_waits_for_each_dag_of_the_chain_and_prints_the_states(kubectl: StubKubectl) -> None:
    for dag in DAGS:
        kubectl.on(f"list-runs {dag}", runs(dag, ""), runs(dag, "running"), runs(dag, "success"))
    exit_code, text = submit(kubectl)
    assert exit_code == 0, text
    assert [line.split()[0] for line in text.splitlines() if line.endswith(" success") and line.startswith("clickstream")] == list(DAGS)
    assert "clickstream_nightly sample_2026: running" in text


def test_a_failed_run_ends_it_at_once_and_names_the_tasks(kubectl: StubKubectl) -> None:
    for dag in DAGS:
        kubectl.on(f"list-runs {dag}", runs(dag, "failed" if dag == "clickstream_train" else "success"))
    start = time.monotonic()
    exit_code, text = submit(kubectl)
    assert exit_code == 1
    assert time.monotonic() - start < 15
    assert "error: DAG clickstream_train: state 'failed'" in text
    assert "    clickstream_train 2999 gate failed" in text
    assert "2999 train success" not in text
    assert not kubectl.calls("list-runs clickstream_rollout")


def test_it_says_which_dags_it_has_unpaused(kubectl: StubKubectl) -> None:
    for dag in DAGS:
        kubectl.on(f"list-runs {dag}", runs(dag, "success"))
    _, text = submit(kubectl)
    assert [line.split()[0] for line in text.splitlines() if "was paused" in line] == ["clickstream_train"]


def test_a_scheduler_that_restarts_is_waited_for(kubectl: StubKubectl) -> None:
    for dag in DAGS:
        kubectl.on(f"list-runs {dag}", fails("error: unable to upgrade connection: container not found\n"), runs(dag, "success"))
    assert submit(kubectl)[0] == 0


def test_a_scheduler_that_is_gone_is_reported(kubectl: StubKubectl) -> None:
    kubectl.on("list-runs", fails("error: unable to upgrade connection: container not found\n"))
    exit_code, text = submit(kubectl)
    assert exit_code == 1
    assert "error: the scheduler does not respond, 6 times: error: unable to upgrade connection: container not found" in text


def test_a_dag_that_is_not_loaded_is_reported(tmp_path: Path) -> None:
    exit_code, text = submit(StubKubectl(tmp_path), DAGS[:1])
    assert exit_code == 1
    assert "error: the DAG clickstream_nightly is not loaded" in text
