"""From training sessions to the rollout pointer: training as a Ray job, registration of the model, each step of a rollout."""

import json
import shlex
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from clickstream_contracts.receipt import Receipt
from ray_apps.common import model_registry
from ray_apps.jobs import register, rollout
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


def run_rollout(lake: Lake, action: str, *more: str, run: str = "r1", code: int = 0) -> Receipt:
    arguments = [action, "--ref", "main", "--run", run, *more, "--receipt", lake.receipt_uri("rollout-1")]
    assert rollout.main(arguments) == code
    return lake.receipt("rollout-1")


def newest_step(lake: Lake) -> tuple[Any, ...]:
    row = model_registry.rollout_steps(lake.catalog())[-1]
    return tuple(row[name] for name in ("release", "stable", "candidate", "share", "action"))


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
    assert len(evaluations) == 2 * 2 * 4
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


def test_each_rollout_step_is_one_row_and_one_commit(lake: Lake, trained: Receipt) -> None:
    run_register(lake, trained)
    _publish(lake)
    sha = trained.content["model"]
    release = ("--release", "release_1")
    start = ("start", *release, "--candidate", sha, "--rule-version", "1")
    assert run_rollout(lake, *start).facts["message"] == "Rollout: start of release_1"
    assert lake.messages()[0] == "Rollout: start of release_1"
    assert newest_step(lake) == ("release_1", "", sha, 10, "start")
    assert run_rollout(lake, *start).rows == {"serving.rollout": 0}, "a retry of the same run adds no row"
    for share in ("50", "100"):
        run_rollout(lake, "step", *release, "--share", share)
    run_rollout(lake, "finish", *release)
    assert run_rollout(lake, "finish", *release).rows == {"serving.rollout": 0}
    assert newest_step(lake) == ("release_1", sha, "", 0, "finish")
    assert [row["share"] for row in model_registry.rollout_steps(lake.catalog())] == [10, 50, 100, 0]
    assert model_registry.champion(lake.catalog()) == (sha, trained.outputs["model"])


def test_back_and_rollback_restore_the_release_before(lake: Lake, trained: Receipt) -> None:
    sha = trained.content["model"]
    run_rollout(lake, "start", "--release", "release_2", "--candidate", sha, run="r2")
    run_rollout(lake, "back", "--release", "release_2", "--reason", "errors", run="r2")
    assert newest_step(lake) == ("release_1", sha, "", 0, "back")
    count = len(model_registry.rollout_steps(lake.catalog()))
    run_rollout(lake, "rollback", "--release", "release_1", run="r3")
    row = model_registry.rollout_steps(lake.catalog())[-1]
    assert (row["release"], row["data_tag"], row["rule_version"], row["action"]) == ("release_1", TAG, "1", "rollback")
    assert len(model_registry.rollout_steps(lake.catalog())) == count + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["start", "--release", "release_9", "--candidate", "0" * 64], "has 0 rows of model 000000000000"),
        (["start", "--release", "release_9", "--candidate", "latest"], "is not the sha256"),
        (["start", "--release", "release_9"], "needs --release and --candidate"),
        (["step", "--release", "release_9", "--share", "50"], "release_9 is not being rolled out"),
        (["rollback", "--release", "release_9"], "was never released; releases are release_1"),
    ],
)
def test_an_impossible_step_does_not_change_the_pointer(lake: Lake, arguments: list[str], message: str) -> None:
    before = newest_step(lake)
    assert message in run_rollout(lake, *arguments, run="r9", code=1).error
    assert newest_step(lake) == before


def _publish(lake: Lake) -> None:
    """Merge the training branch into main."""
    head = lake.nessie("GET", f"trees/{BRANCH}")["reference"]["hash"]
    main = lake.nessie("GET", "trees/main")["reference"]["hash"]
    merged = lake.nessie("POST", f"trees/main@{main}/history/merge", {"fromRefName": BRANCH, "fromHash": head, "message": "models"})
    assert merged["wasSuccessful"]
