"""What training, rollout and rollback run, and what starts them."""

import json
import shlex
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from clickstream.dag_defaults import FEATURES, MODEL, ROLLOUT
from clickstream.runtime import rayjobs
from clickstream_contracts import names
from clickstream_contracts.fraud_rules import rules
from clickstream_contracts.settings import Settings
from tests.dags import rendering

SHA = "9f2c4e0b" * 8
TRAINED = {"app": "train", "content": {"model": SHA}, "outputs": {"model": "s3://lake/models/m"}, "facts": {"trials": [{"it's": 1}]}}
ARM = {"facts": {"reason": "0 of 9 requests failed, p99 5.0 ms against 6.0 ms"}}
STEP = {"facts": {"message": "Rollout: finish of r", "release": "r"}}
ANSWERS = {
    "pin_main": "aa11",
    "pin_data": {"ref": "features_2026-01-02_1a2b3c4d", "commit": "dd44"},
    "train": TRAINED,
    "register": {"facts": {"passed": True}},
    "seal": {"hash": "bb22", "tables": ["ml.models"]},
    "merge": {"day": "2026-01-02", "commit": "cc33"},
    **dict.fromkeys(("check_10", "check_50", "check_100"), ARM),
    **dict.fromkeys(("start", "widen_50", "widen_100", "finish"), STEP),
}
DAGS = (names.TRAIN, names.ROLLOUT, names.ROLLBACK)
WORDS = {"tag": None, "trials": 4, "seed": 7, "model": None, "release": "release_2026-01-02_1a2b3c4d"}


def told(asset: Any, **extra: str) -> Any:
    return {asset: [SimpleNamespace(timestamp=datetime(2026, 1, 3, tzinfo=UTC), extra=extra)]}


EVENTS = {names.TRAIN: told(FEATURES, tag="features_2026-01-02_1a2b3c4d"), names.ROLLOUT: told(MODEL, model_sha256=SHA), names.ROLLBACK: {}}


def rendered(bag: Any, dag_id: str, task_id: str, events: Any = None, **params: Any) -> Any:
    started = EVENTS[dag_id] if events is None else events
    return rendering.rendered(bag.dags[dag_id], task_id, ANSWERS, "2026-01-02", started, **WORDS | params)


def words(task: Any) -> list[str]:
    """An app's name and arguments."""
    task.add_arguments([])
    command: list[str] = task.command
    return command[command.index("-m") + 1 :]


@pytest.mark.parametrize("runtime", ["local", "kubernetes"])
@pytest.mark.parametrize("dag_id", DAGS)
def test_every_field_renders(bags: dict[str, Any], runtime: str, dag_id: str) -> None:
    for task_id in bags[runtime].dags[dag_id].task_ids:
        assert rendering.left_over(rendered(bags[runtime], dag_id, task_id)) == [], task_id


def test_the_training_reads_the_tag_and_compares_with_what_serves_at_the_pinned_main(bag: Any) -> None:
    found = words(rendered(bag, names.TRAIN, "train"))
    assert found[:3] == ["ray_apps.jobs.train", "--ref", "features_2026-01-02_1a2b3c4d"]
    assert found[5:] == ["--champion-at", "main@aa11", "--trials", "4", "--seed", "7", "--ray", "auto"]


@pytest.mark.parametrize(("asked", "events", "tag"), [("mine", None, "mine"), (None, None, "features_2026-01-02_1a2b3c4d"), (None, {}, "")])
def test_the_tag_is_asked_for_or_told(bag: Any, asked: str | None, events: Any, tag: str) -> None:
    assert rendered(bag, names.TRAIN, "pin_data", events=events, tag=asked).tag == tag


def test_the_registration_gets_the_whole_receipt_of_the_training_through_a_shell(bag: Any) -> None:
    command = rendered(bag, names.TRAIN, "register").command
    again = shlex.split(shlex.join(command))
    assert json.loads(again[again.index("--training") + 1]) == TRAINED
    assert again[again.index("--data-commit") + 1] == "dd44"
    assert again[again.index("--ref") + 1].startswith("etl_clickstream_train_")


def test_the_steps_of_a_rollout_are_10_50_and_100_percent_with_a_check_between(bag: Any) -> None:
    dag = bag.dags[names.ROLLOUT]
    order = ["start", "check_10", "widen_50", "check_50", "widen_100", "check_100", "finish", "tag"]
    for before, after in pairwise(order):
        assert after in dag.get_task(before).downstream_task_ids
    shares = [words(rendered(bag, names.ROLLOUT, step)) for step in ("start", "widen_50", "widen_100")]
    assert [found[found.index("--share") + 1] for found in shares] == ["10", "50", "100"]
    release = names.release_name("2026-01-02", SHA)
    assert {found[found.index("--release") + 1] for found in shares} == {release}
    assert words(rendered(bag, names.ROLLOUT, "check_50"))[:4] == ["tools.rollout", "check", "--candidate", SHA]
    back = dag.get_task("back")
    assert back.trigger_rule == "one_failed"
    assert back.upstream_task_ids == {*order} - {"tag"}


def test_the_rollout_names_the_rules_that_are_deployed(bag: Any) -> None:
    found = words(rendered(bag, names.ROLLOUT, "start"))
    assert found[found.index("--rule-version") + 1] == rules().version


def test_a_rollback_is_one_step(bag: Any) -> None:
    found = words(rendered(bag, names.ROLLBACK, "rollback"))
    assert found[5:8] == ["rollback", "--release", "release_2026-01-02_1a2b3c4d"]


def test_both_runtimes_hand_over_the_same_arguments(bags: dict[str, Any]) -> None:
    for dag_id, task_id in ((names.TRAIN, "train"), (names.TRAIN, "register"), (names.ROLLOUT, "start"), (names.ROLLBACK, "rollback")):
        local, there = (words(rendered(bags[runtime], dag_id, task_id)) for runtime in ("local", "kubernetes"))
        assert local == there
        made = rayjobs.resource("x", ["python", "-m", *there], Settings())
        assert shlex.split(made["spec"]["entrypoint"])[2:] == there


def test_one_dag_starts_the_next(bag: Any) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    for dag_id, asset in ((names.TRAIN, FEATURES), (names.ROLLOUT, MODEL)):
        stored = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags[dag_id])).timetable
        assert stored.partitioned
        assert [key.name for key, _ in stored.asset_condition.iter_assets()] == [asset.name]
    assert bag.dags[names.TRAIN].get_task("gate").outlets == [MODEL]
    assert bag.dags[names.ROLLOUT].get_task("tag").outlets == [ROLLOUT]
