"""The features DAG: arguments of its apps, and the release event of the nightly run that triggers it."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from clickstream.dag_defaults import FEATURES_ASSET, RELEASE_ASSET
from clickstream_contracts import names
from tests.dags import rendering

BRANCH = "etl_clickstream_features_manual_2026-01-03T02_00_00_00_00"
XCOMS = {
    "pin_main": "aa11",
    "features": {"app": "features", "outputs": {}},
    "seal": {"hash": "bb22", "tables": ["features.item_neighbours"]},
    "failed_audits": [{"name": "quarantine_rate", "severity": "warn", "rows": 2, "meaning": "m", "owner": "o", "sample": [], "error": ""}],
    "merge": {"day": "2026-01-02", "commit": "cc33"},
    "tag": "features_2026-01-02_cc33",
}


def release_event(hour: int, commit: str) -> Any:
    return SimpleNamespace(timestamp=datetime(2026, 1, 3, hour, tzinfo=UTC), extra={"day": "2026-01-02", "commit": commit})


# Events of one day that arrive during a run trigger one run together, in no guaranteed order.
EVENTS = {RELEASE_ASSET: [release_event(3, "new"), release_event(2, "old")]}


def render(bag: Any, task_id: str, partition_key: str | None = "2026-01-02", events: Any = EVENTS, **params: Any) -> Any:
    return rendering.render(bag.dags[names.FEATURES], task_id, XCOMS, partition_key, events, **params)


@pytest.mark.parametrize("runtime", ["local", "kubernetes"])
@pytest.mark.parametrize("events", [EVENTS, {}])
def test_every_templated_field_renders(bags: dict[str, Any], runtime: str, events: Any) -> None:
    for task_id in bags[runtime].dags[names.FEATURES].task_ids:
        assert rendering.unrendered(render(bags[runtime], task_id, events=events)) == [], task_id


def test_item_neighbours_are_read_at_the_tag(bag: Any) -> None:
    command = render(bag, "neighbours").command
    assert "tools.kafka.item_neighbours" in command
    assert command[-2:] == ["--ref", "features_2026-01-02_cc33"]


def test_main_must_contain_the_newest_release_that_triggered_the_run(bag: Any) -> None:
    assert render(bag, "pin_main").must_contain == "new"
    assert render(bag, "pin_main", events={}).must_contain == ""


def test_a_rerun_keeps_the_day_and_the_release_of_the_run_that_it_repeats(bag: Any) -> None:
    """A rerun is a triggered run, long after the first one perhaps, without partition key and asset event."""
    rerun = render(bag, "rerun")
    assert rerun.run_conf == {"partition": "2026-01-02", "release_commit": "new"}
    assert rerun.trigger_run_id == names.rerun_id(rendering.RUN_ID, "aa11")
    assert render(bag, "rerun", None).run_conf["partition"] == "2026-01-02", "the day before a manual run without a partition"
    as_rerun = {"partition_key": None, "events": {}, **rerun.run_conf}
    assert render(bag, "pin_main", **as_rerun).must_contain == "new"
    assert render(bag, "tag", **as_rerun).day == "2026-01-02"
    assert render(bag, "rerun", **as_rerun).run_conf == rerun.run_conf
    task = render(bag, "features", **as_rerun)
    task.add_arguments([])
    assert rendering.arguments(task)[4:] == ["--day", "2026-01-02"]


@pytest.mark.parametrize("extra", [{}, None, {"day": "2026-01-02"}])
def test_an_event_that_was_created_by_hand_is_an_error_that_says_what_to_do(bag: Any, extra: Any) -> None:
    events = {RELEASE_ASSET: [SimpleNamespace(timestamp=datetime(2026, 1, 3, tzinfo=UTC), extra=extra)]}
    with pytest.raises(ValueError, match=r"has no 'commit' in its extra: an event that is created by hand needs .* trigger the DAG"):
        render(bag, "pin_main", events=events)


@pytest.mark.parametrize(("day", "options"), [(None, []), ("2025-12-24", ["--until=2025-12-24"])])
def test_the_app_gets_the_day_of_the_release_and_an_end_day_only_as_a_parameter(bag: Any, day: str | None, options: list[str]) -> None:
    task = render(bag, "features", day=day)
    task.add_arguments([])
    assert rendering.arguments(task) == ["--ref", BRANCH, "--run", BRANCH, "--day", day or "2026-01-02", *options]
    assert "spark_apps.features" in task.command


def test_the_audits_read_only_the_features_of_the_sealed_commit(bag: Any) -> None:
    arguments = rendering.arguments(render(bag, "audit"))
    assert arguments[:2] == ["--ref", f"{BRANCH}@bb22"]
    assert "--namespaces=features" in arguments


def test_both_runtimes_pass_the_same_arguments(bags: dict[str, Any]) -> None:
    for task_id in ("features", "audit"):
        local = render(bags["local"], task_id)
        kubernetes = render(bags["kubernetes"], task_id)
        assert rendering.arguments(local) == kubernetes.template_spec["spec"]["arguments"]


def test_the_tag_of_the_nightly_run_triggers_the_features(bag: Any) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    assert bag.dags[names.NIGHTLY].get_task("tag").outlets == [RELEASE_ASSET]
    assert bag.dags[names.FEATURES].get_task("tag").outlets == [FEATURES_ASSET]
    timetable = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags[names.FEATURES])).timetable
    # Events with a partition key trigger only DAGs with a partitioned timetable.
    assert timetable.partitioned
    assert [key.name for key, _ in timetable.asset_condition.iter_assets()] == [RELEASE_ASSET.name]
