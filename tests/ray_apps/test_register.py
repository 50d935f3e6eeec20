"""From training sessions to the champion: training as a Ray job, registration of the model, its rollout by the tool."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from clickstream_contracts.receipt import Receipt
from clickstream_contracts.rollout_pointer import Pointer
from ray_apps.common import model_registry
from ray_apps.jobs import register
from tests.ray_apps import lake as lakes
from tests.ray_apps import shop
from tests.ray_apps.lake import Lake

pytestmark = pytest.mark.engine
BRANCH, TAG = "etl_clickstream_train_test", "features_2026-01-02_test"
LISTS = shop.visits(1500, items=120)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    for lake in lakes.start(tmp_path_factory.mktemp("lake")):
        lake.fill(LISTS)
        lake.ref(TAG, "TAG")
        lake.ref(BRANCH, "BRANCH")
        yield lake


@pytest.fixture(autouse=True)
def _settings(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in lake.settings.to_env().items():
        monkeypatch.setenv(key, value)


def submit(lake: Lake, name: str, *arguments: str) -> str:
    """Run an app as a Ray job, as Airflow does. Returns its log."""
    command = [sys.executable, "-m", *arguments, "--receipt", lake.receipt_uri(name)]
    lake.job("POST", "", {"entrypoint": f"exec {shlex.join(command)}", "submission_id": name})
    deadline = time.monotonic() + 300
    while (job := lake.job("GET", name))["status"] not in ("SUCCEEDED", "FAILED", "STOPPED"):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    log = str(lake.job("GET", f"{name}/logs")["logs"])
    assert job["status"] == "SUCCEEDED", log
    return log


@pytest.fixture(scope="module")
def trained(lake: Lake) -> Receipt:
    arguments = ("--ref", TAG, "--run", BRANCH, "--champion-at", "main", "--trials", "2", "--ray", "auto")
    log = submit(lake, "train-1", "ray_apps.jobs.train", *arguments)
    assert "trial 2 of 2" in log
    return lake.receipt("train-1")


def run_register(lake: Lake, trained: Receipt, commit: str = "ab12") -> Receipt:
    training = ["--training", trained.to_json(), "--data-commit", commit]
    assert register.main(["--ref", BRANCH, "--run", BRANCH, *training, "--receipt", lake.receipt_uri("register-1")]) == 0
    return lake.receipt("register-1")


def run_rollout(lake: Lake, *arguments: str) -> None:
    """Take a step of a rollout with the tool, as Airflow does."""
    env = {**os.environ, **lake.settings.to_env(), "PYTHONPATH": f"{lakes.ROOT}:{lakes.ROOT / 'contracts'}"}
    command = [str(lakes.TOOLS), "-m", "tools.rollout", *arguments, "--run", "r1", "--receipt", lake.receipt_uri("rollout-1")]
    subprocess.run(command, cwd=lakes.ROOT, env=env, check=True)


def test_a_training_job_reads_the_tag_and_runs_its_trials_on_the_head(lake: Lake, trained: Receipt) -> None:
    assert trained.rows == {"features.training_sessions": len(LISTS)}
    assert trained.outputs["model"] == f"s3://lake/models/{BRANCH}"
    assert [trial["state"] for trial in trained.facts["trials"]] == ["done", "done"]
    assert (trained.facts["data"], trained.facts["champion"]) == (TAG, "")


def test_registering_a_model_twice_leaves_one_row(lake: Lake, trained: Receipt) -> None:
    first = run_register(lake, trained)
    assert (first.facts["passed"], first.facts["reasons"]) == (True, [])
    repeated = run_register(lake, trained)
    assert repeated.facts == first.facts
    [row] = lake.rows("ml.models", BRANCH)
    assert (row["model_sha256"], row["passed"], row["data_tag"], row["data_commit"]) == (trained.content["model"], True, TAG, "ab12")
    assert len(json.loads(row["trials"])) == 2
    evaluations = lake.rows("ml.evaluations", BRANCH)
    assert len(evaluations) == 3 * 2 * 4
    [gain] = [row for row in evaluations if (row["rival"], row["part"], row["metric"]) == ("popularity", "all", "hr20")]
    assert gain["lower_bound_of_gain"] > 0
    assert lake.rows("ml.models") == []


def test_a_model_with_a_flipped_byte_is_registered_as_refused_with_the_reason(lake: Lake, trained: Receipt) -> None:
    from ray_apps.common.storage import read_bytes, write_bytes

    uri = f"{trained.outputs['model']}/items.arrow"
    content = read_bytes(uri, lake.settings)
    write_bytes(uri, bytes([content[0] ^ 1]) + content[1:], lake.settings)
    try:
        refused = run_register(lake, trained)
        assert not refused.facts["passed"]
        assert "is not what was written" in refused.facts["reasons"][0]
        assert [row["passed"] for row in lake.rows("ml.models", BRANCH)] == [False]
    finally:
        write_bytes(uri, content, lake.settings)
    assert run_register(lake, trained).facts["passed"]


def test_a_registered_model_is_the_champion_after_its_rollout(lake: Lake, trained: Receipt) -> None:
    """The tool verifies the files that the training wrote, and what it writes is the pointer that Serve and training read."""
    run_register(lake, trained)
    _publish(lake)
    sha = trained.content["model"]
    run_rollout(lake, "start", "--release", "release_1", "--candidate", sha, "--rule-version", "1")
    assert model_registry.pointer(lake.catalog()) == Pointer("release_1", "", sha, 1, TAG, "1")
    assert model_registry.champion(lake.catalog()) == ("", "")
    run_rollout(lake, "finish")
    assert model_registry.champion(lake.catalog()) == (sha, trained.outputs["model"])


def _publish(lake: Lake) -> None:
    """Merge the training branch into main."""
    head = lake.nessie("GET", f"trees/{BRANCH}")["reference"]["hash"]
    main = lake.nessie("GET", "trees/main")["reference"]["hash"]
    merged = lake.nessie("POST", f"trees/main@{main}/history/merge", {"fromRefName": BRANCH, "fromHash": head, "message": "models"})
    assert merged["wasSuccessful"]
