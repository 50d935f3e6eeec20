"""The training, rollout and rollback DAGs: arguments of their apps, and the asset events that trigger them."""

import json
import shlex
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from clickstream.dag_defaults import FEATURES_ASSET, MODEL_ASSET, ROLLOUT_ASSET
from clickstream.runtime import rayjob_specs
from clickstream_contracts import names
from clickstream_contracts.fraud_rules import rules
from clickstream_contracts.settings import Settings
from tests.dags import rendering

SHA256 = "9f2c4e0b" * 8
FEATURES_TAG = "features_2026-01-02_1a2b3c4d"
RELEASE = "release_2026-01-02_1a2b3c4d"
TRAIN_RECEIPT = {
    "app": "train",
    "content": {"model": SHA256},
    "outputs": {"model": "s3://lake/models/m"},
    "facts": {"trials": [{"it's": 1}]},
}
REASON = '0 of 9 requests failed, p99 5.0 ms > 4.0 ms & it\'s "slow"'
CHECK_RECEIPT = {"facts": {"reason": REASON}}
STEP_FACTS = {"message": "Rollout: finish of r", "release": "r", "stable": SHA256, "data_tag": FEATURES_TAG, "rule_version": "1"}
STEP_RECEIPT = {"facts": STEP_FACTS}
XCOMS = {
    "pin_main": "aa11",
    "pin_data": {"ref": FEATURES_TAG, "commit": "dd44"},
    "train": TRAIN_RECEIPT,
    "register": {"facts": {"passed": True}},
    "seal": {"hash": "bb22", "tables": ["ml.models"]},
    "merge": {"day": "2026-01-02", "commit": "cc33"},
    "check_1": CHECK_RECEIPT,
    "check_10": CHECK_RECEIPT,
    "check_50": CHECK_RECEIPT,
    "check_100": CHECK_RECEIPT,
    "start": STEP_RECEIPT,
    "widen_10": STEP_RECEIPT,
    "widen_50": STEP_RECEIPT,
    "widen_100": STEP_RECEIPT,
    "finish": STEP_RECEIPT,
}
DAG_IDS = (names.TRAIN, names.ROLLOUT, names.ROLLBACK)
PARAMS = {"tag": None, "trials": 4, "seed": 7, "model": None, "accept_unmeasured": False, "accept_less_data": False, "release": RELEASE}


def asset_event(asset: Any, **extra: str) -> Any:
    return {asset: [SimpleNamespace(timestamp=datetime(2026, 1, 3, tzinfo=UTC), extra=extra)]}


EVENTS = {
    names.TRAIN: asset_event(FEATURES_ASSET, tag=FEATURES_TAG),
    names.ROLLOUT: asset_event(MODEL_ASSET, model_sha256=SHA256),
    names.ROLLBACK: {},
}


def render(bag: Any, dag_id: str, task_id: str, events: Any = None, **params: Any) -> Any:
    triggering_events = EVENTS[dag_id] if events is None else events
    return rendering.render(bag.dags[dag_id], task_id, XCOMS, "2026-01-02", triggering_events, **PARAMS | params)


def app_and_arguments(task: Any) -> list[str]:
    """Returns the module and the arguments of the task's app."""
    task.add_arguments([])
    command: list[str] = [*task.cmds, *task.arguments] if hasattr(task, "cmds") else task.command
    return command[command.index("-m") + 1 :]


def option(arguments: list[str], name: str) -> str:
    """Returns the value that follows an option."""
    return arguments[arguments.index(name) + 1]


@pytest.mark.parametrize("runtime", ["local", "kubernetes"])
@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_every_templated_field_renders(bags: dict[str, Any], runtime: str, dag_id: str) -> None:
    for task_id in bags[runtime].dags[dag_id].task_ids:
        assert rendering.unrendered(render(bags[runtime], dag_id, task_id)) == [], task_id


def test_training_reads_the_tag_and_evaluates_the_served_model_of_the_pinned_main(bag: Any) -> None:
    arguments = app_and_arguments(render(bag, names.TRAIN, "train"))
    assert arguments[:3] == ["ray_apps.jobs.train", "--ref", FEATURES_TAG]
    assert arguments[5:] == ["--champion-at", "main@aa11", "--trials", "4", "--seed", "7", "--ray", "auto"]


@pytest.mark.parametrize(("param", "events", "tag"), [("mine", None, "mine"), (None, None, FEATURES_TAG), (None, {}, "")])
def test_the_tag_is_the_parameter_or_that_of_the_event(bag: Any, param: str | None, events: Any, tag: str) -> None:
    assert render(bag, names.TRAIN, "pin_data", events=events, tag=param).tag == tag


def test_a_rerun_keeps_the_tag_and_the_day_of_the_run_that_it_repeats(bag: Any) -> None:
    rerun = render(bag, names.TRAIN, "rerun")
    assert rerun.run_conf == {"tag": FEATURES_TAG, "partition": "2026-01-02"}
    dag = bag.dags[names.TRAIN]
    assert rendering.render(dag, "merge", XCOMS, None, {}, **PARAMS | rerun.run_conf).day == "2026-01-02"
    assert rendering.render(dag, "pin_data", XCOMS, None, {}, **PARAMS | rerun.run_conf).tag == FEATURES_TAG


def test_registration_gets_the_whole_receipt_of_the_training_through_a_shell(bag: Any) -> None:
    command = render(bag, names.TRAIN, "register").command
    arguments = shlex.split(shlex.join(command))
    assert json.loads(option(arguments, "--training")) == TRAIN_RECEIPT
    assert option(arguments, "--data-commit") == "dd44"
    assert option(arguments, "--ref").startswith("etl_clickstream_train_")
    assert "--accept-less-data" not in arguments
    assert "--accept-less-data" in app_and_arguments(render(bag, names.TRAIN, "register", accept_less_data=True))


def test_the_steps_of_a_rollout_are_1_10_50_and_100_percent_with_a_check_between(bag: Any) -> None:
    dag = bag.dags[names.ROLLOUT]
    order = ["start", "check_1", "widen_10", "check_10", "widen_50", "check_50", "widen_100", "check_100", "finish", "tag"]
    for task_id, next_task_id in pairwise(order):
        assert next_task_id in dag.get_task(task_id).downstream_task_ids
    steps = [app_and_arguments(render(bag, names.ROLLOUT, step)) for step in ("start", "widen_10", "widen_50", "widen_100")]
    assert [option(arguments, "--share") for arguments in steps] == ["1", "10", "50", "100"]
    assert option(steps[0], "--release") == names.release_name("2026-01-02", SHA256)
    assert [option(arguments, "--reason") for arguments in steps[1:]] == [REASON] * 3, "plain text: no JSON, no HTML escapes"
    check = app_and_arguments(render(bag, names.ROLLOUT, "check_50"))
    assert check[:4] == ["tools.rollout", "check", "--candidate", SHA256]
    assert "--accept-unmeasured" not in check
    assert "--accept-unmeasured" in app_and_arguments(render(bag, names.ROLLOUT, "check_50", accept_unmeasured=True))
    rollback = dag.get_task("rollback")
    assert rollback.is_teardown
    assert rollback.upstream_task_ids == {*order, "pin_main"} - {"tag"}
    runs = {option(app_and_arguments(render(bag, names.ROLLOUT, step)), "--run") for step in ("start", "widen_50", "finish", "rollback")}
    assert len(runs) == 1, "the steps of a run find its release by the run"


def test_steps_of_a_rollout_and_rollbacks_need_no_ray_and_start_before_other_tasks(bags: dict[str, Any]) -> None:
    # The default rule of a task's weight adds those of all tasks after it.
    most = sum(task.priority_weight for dag_id in (names.NIGHTLY, names.FEATURES, names.TRAIN) for task in bags["local"].dags[dag_id].tasks)
    for runtime, operator in (("local", "CommandReceiptOperator"), ("kubernetes", "PodReceiptOperator")):
        dags = bags[runtime].dags
        steps = [dags[names.ROLLOUT].get_task(task_id) for task_id in ("start", "widen_50", "widen_100", "finish", "rollback")]
        for task in [*steps, dags[names.ROLLBACK].get_task("rollback")]:
            assert type(task).__name__ == operator
            assert task.priority_weight > most


def test_the_release_is_tagged_at_the_commit_that_finish_reports(bag: Any) -> None:
    tag = render(bag, names.ROLLOUT, "tag")
    assert (tag.tag, tag.commit_message, tag.pinned, tag.day) == ("r", "Rollout: finish of r", "aa11", "2026-01-02")
    assert tag.release == {"release": "r", "stable": SHA256, "data_tag": FEATURES_TAG, "rule_version": "1"}


def test_the_rollout_records_the_version_of_the_deployed_fraud_rules(bag: Any) -> None:
    arguments = app_and_arguments(render(bag, names.ROLLOUT, "start"))
    assert option(arguments, "--rule-version") == rules().version


def test_a_rollback_is_one_step(bag: Any) -> None:
    arguments = app_and_arguments(render(bag, names.ROLLBACK, "rollback"))
    assert arguments[:2] == ["tools.rollout", "rollback"]
    assert option(arguments, "--release") == RELEASE


def test_both_runtimes_pass_the_same_arguments(bags: dict[str, Any]) -> None:
    tasks = ((names.TRAIN, "train"), (names.TRAIN, "register"), (names.ROLLOUT, "start"), (names.ROLLBACK, "rollback"))
    for dag_id, task_id in tasks:
        local = app_and_arguments(render(bags["local"], dag_id, task_id))
        kubernetes = app_and_arguments(render(bags["kubernetes"], dag_id, task_id))
        assert local == kubernetes


def test_arguments_reach_a_ray_job_unchanged(bags: dict[str, Any]) -> None:
    arguments = app_and_arguments(render(bags["kubernetes"], names.TRAIN, "register"))
    manifest = rayjob_specs.manifest("x", ["python", "-m", *arguments], Settings())
    assert shlex.split(manifest["spec"]["entrypoint"])[2:] == arguments


def test_features_trigger_the_training_and_a_model_triggers_the_rollout(bag: Any) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    for dag_id, asset in ((names.TRAIN, FEATURES_ASSET), (names.ROLLOUT, MODEL_ASSET)):
        timetable = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags[dag_id])).timetable
        assert timetable.partitioned
        assert [key.name for key, _ in timetable.asset_condition.iter_assets()] == [asset.name]
    assert bag.dags[names.TRAIN].get_task("gate").outlets == [MODEL_ASSET]
    assert bag.dags[names.ROLLOUT].get_task("tag").outlets == [ROLLOUT_ASSET]
