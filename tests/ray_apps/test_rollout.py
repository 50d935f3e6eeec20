"""From the lake's sessions to a pointer that serves: training by the head's Job REST, the gate's rows, every step of a rollout."""

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


def submitted(lake: Lake, name: str, *words: str) -> str:
    """Run an app as a job of the head, as Airflow does; its log."""
    command = [sys.executable, "-m", *words, "--receipt", lake.place(name)]
    lake.job("POST", "", {"entrypoint": f"exec {shlex.join(command)}", "submission_id": name})
    deadline = time.monotonic() + 300
    while (found := lake.job("GET", name))["status"] not in ("SUCCEEDED", "FAILED", "STOPPED"):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    log = str(lake.job("GET", f"{name}/logs")["logs"])
    assert found["status"] == "SUCCEEDED", log
    return log


@pytest.fixture(scope="module")
def trained(lake: Lake) -> Receipt:
    words = ("--ref", TAG, "--run", BRANCH, "--champion-at", "main", "--trials", "2", "--ray", "auto")
    log = submitted(lake, "train-1", "ray_apps.jobs.train", *words)
    assert "trial 2 of 2" in log
    return lake.receipt("train-1")


def registered(lake: Lake, trained: Receipt, commit: str = "ab12") -> Receipt:
    made = ["--training", trained.to_json(), "--data-commit", commit]
    assert register.main(["--ref", BRANCH, "--run", BRANCH, *made, "--receipt", lake.place("register-1")]) == 0
    return lake.receipt("register-1")


def step(lake: Lake, action: str, *more: str, run: str = "r1", code: int = 0) -> Receipt:
    words = [action, "--ref", "main", "--run", run, *more, "--receipt", lake.place("rollout-1")]
    assert rollout.main(words) == code
    return lake.receipt("rollout-1")


def pointer(lake: Lake) -> tuple[Any, ...]:
    row = model_registry.steps(lake.catalog())[-1]
    return tuple(row[name] for name in ("release", "stable", "candidate", "share", "action"))


def test_a_training_by_the_job_rest_reads_the_tag_and_tries_on_the_head(lake: Lake, trained: Receipt) -> None:
    assert trained.rows == {"features.training_sessions": len(LISTS)}
    assert trained.outputs["model"] == f"s3://lake/models/{BRANCH}"
    assert [trial["state"] for trial in trained.facts["trials"]] == ["done", "done"]
    assert (trained.facts["data"], trained.facts["champion"]) == (TAG, "")


def test_a_model_is_written_down_once_however_often_it_is_registered(lake: Lake, trained: Receipt) -> None:
    first = registered(lake, trained)
    assert (first.facts["passed"], first.facts["reasons"]) == (True, [])
    again = registered(lake, trained)
    assert again.facts == first.facts
    [row] = lake.rows("ml.models", BRANCH)
    assert (row["model_sha256"], row["passed"], row["data_tag"], row["data_commit"]) == (trained.content["model"], True, TAG, "ab12")
    assert len(json.loads(row["trials"])) == 2
    found = lake.rows("ml.evaluations", BRANCH)
    assert len(found) == 2 * 2 * 4
    [gain] = [r for r in found if (r["rival"], r["part"], r["metric"]) == ("popularity", "all", "hr20")]
    assert gain["lower_bound_of_gain"] > 0
    assert lake.rows("ml.models") == []


def test_a_flipped_byte_is_refused_and_written_down_with_its_reason(lake: Lake, trained: Receipt) -> None:
    from ray_apps.common.storage import read_bytes, write_bytes

    uri = f"{trained.outputs['model']}/items.arrow"
    whole = read_bytes(uri, lake.settings)
    write_bytes(uri, bytes([whole[0] ^ 1]) + whole[1:], lake.settings)
    try:
        refused = registered(lake, trained)
        assert not refused.facts["passed"]
        assert "is not what was written" in refused.facts["reasons"][0]
        assert [row["passed"] for row in lake.rows("ml.models", BRANCH)] == [False]
    finally:
        write_bytes(uri, whole, lake.settings)
    assert registered(lake, trained).facts["passed"]


def test_a_rollout_is_a_row_and_a_commit_for_each_step(lake: Lake, trained: Receipt) -> None:
    registered(lake, trained)
    _publish(lake)
    sha = trained.content["model"]
    release = ("--release", "release_1")
    start = ("start", *release, "--candidate", sha, "--rule-version", "1")
    assert step(lake, *start).facts["message"] == "Rollout: start of release_1"
    assert lake.messages()[0] == "Rollout: start of release_1"
    assert pointer(lake) == ("release_1", "", sha, 10, "start")
    assert step(lake, *start).rows == {"serving.rollout": 0}, "a retry of the same run adds no row"
    for share in ("50", "100"):
        step(lake, "step", *release, "--share", share)
    step(lake, "finish", *release)
    assert step(lake, "finish", *release).rows == {"serving.rollout": 0}
    assert pointer(lake) == ("release_1", sha, "", 0, "finish")
    assert [row["share"] for row in model_registry.steps(lake.catalog())] == [10, 50, 100, 0]
    assert model_registry.champion(lake.catalog()) == (sha, trained.outputs["model"])


def test_the_way_back_restores_what_served_before(lake: Lake, trained: Receipt) -> None:
    sha = trained.content["model"]
    step(lake, "start", "--release", "release_2", "--candidate", sha, run="r2")
    step(lake, "back", "--release", "release_2", "--reason", "errors", run="r2")
    assert pointer(lake) == ("release_1", sha, "", 0, "back")
    count = len(model_registry.steps(lake.catalog()))
    step(lake, "rollback", "--release", "release_1", run="r3")
    row = model_registry.steps(lake.catalog())[-1]
    assert (row["release"], row["data_tag"], row["rule_version"], row["action"]) == ("release_1", TAG, "1", "rollback")
    assert len(model_registry.steps(lake.catalog())) == count + 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["start", "--release", "release_9", "--candidate", "0" * 64], "holds 0 rows of model 000000000000"),
        (["start", "--release", "release_9", "--candidate", "latest"], "is no sha256"),
        (["start", "--release", "release_9"], "needs --release and --candidate"),
        (["step", "--release", "release_9", "--share", "50"], "release_9 is not being rolled out"),
        (["rollback", "--release", "release_9"], "was never released: known are release_1"),
    ],
)
def test_a_step_that_makes_no_sense_leaves_the_pointer(lake: Lake, words: list[str], says: str) -> None:
    before = pointer(lake)
    assert says in step(lake, *words, run="r9", code=1).error
    assert pointer(lake) == before


def _publish(lake: Lake) -> None:
    head = lake.nessie("GET", f"trees/{BRANCH}")["reference"]["hash"]
    main = lake.nessie("GET", "trees/main")["reference"]["hash"]
    merged = lake.nessie("POST", f"trees/main@{main}/history/merge", {"fromRefName": BRANCH, "fromHash": head, "message": "models"})
    assert merged["wasSuccessful"]
