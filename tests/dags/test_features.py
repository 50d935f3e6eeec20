"""What the features' tasks run, and that a release of the nightly starts them with its day and its commit."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from clickstream.house import FEATURES, RELEASE
from clickstream_contracts import names
from tests.dags import rendering

BRANCH = "etl_clickstream_features_manual_2026-01-03T02_00_00_00_00"
ANSWERS = {
    "pin_main": "aa11",
    "features": {"app": "features", "outputs": {}},
    "seal": {"hash": "bb22", "tables": ["features.item_neighbours"]},
    "merge": {"day": "2026-01-02", "commit": "cc33"},
    "tag": "features_2026-01-02_cc33",
}


def event(hour: int, commit: str) -> Any:
    return SimpleNamespace(timestamp=datetime(2026, 1, 3, hour, tzinfo=UTC), extra={"day": "2026-01-02", "commit": commit})


# Events of one day that came while the features were busy start one run, in no promised order.
EVENTS = {RELEASE: [event(3, "new"), event(2, "old")]}


def rendered(bag: Any, task_id: str, partition_key: str | None = "2026-01-02", events: Any = EVENTS, **params: Any) -> Any:
    return rendering.rendered(bag.dags[names.FEATURES], task_id, ANSWERS, partition_key, events, **params)


@pytest.mark.parametrize("runtime", ["local", "kubernetes"])
@pytest.mark.parametrize("events", [EVENTS, {}])
def test_every_field_renders(bags: dict[str, Any], runtime: str, events: Any) -> None:
    for task_id in bags[runtime].dags[names.FEATURES].task_ids:
        assert rendering.left_over(rendered(bags[runtime], task_id, events=events)) == [], task_id


def test_the_neighbours_are_those_of_the_tag(bag: Any) -> None:
    assert rendered(bag, "neighbours").command[-2:] == ["--ref", "features_2026-01-02_cc33"]


def test_the_run_starts_from_a_main_that_holds_the_release(bag: Any) -> None:
    assert rendered(bag, "pin_main").after == "new"
    assert rendered(bag, "pin_main", events={}).after == ""


@pytest.mark.parametrize(("asked", "tail"), [(None, []), ("2025-12-24", ["--until=2025-12-24"])])
def test_the_app_gets_the_day_of_the_release_and_ends_with_a_day_only_when_asked(bag: Any, asked: str | None, tail: list[str]) -> None:
    task = rendered(bag, "features", day=asked)
    task.add_arguments([])
    assert rendering.arguments(task) == ["--ref", BRANCH, "--run", BRANCH, "--day", asked or "2026-01-02", *tail]
    assert "spark_apps.features" in task.command


def test_the_audit_asks_the_features_of_the_sealed_commit_only(bag: Any) -> None:
    args = rendering.arguments(rendered(bag, "audit"))
    assert args[:2] == ["--ref", f"{BRANCH}@bb22"]
    assert "--namespaces=features" in args


def test_both_runtimes_hand_over_the_same_arguments(bags: dict[str, Any]) -> None:
    for task_id in ("features", "audit"):
        local, there = rendered(bags["local"], task_id), rendered(bags["kubernetes"], task_id)
        assert rendering.arguments(local) == there.template_spec["spec"]["arguments"]


def test_the_tag_of_each_dag_announces_its_release_and_the_nightlys_starts_the_features(bag: Any) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    assert bag.dags[names.NIGHTLY].get_task("tag").outlets == [RELEASE]
    assert bag.dags[names.FEATURES].get_task("tag").outlets == [FEATURES]
    stored = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags[names.FEATURES])).timetable
    # Events with a partition start no DAG whose timetable knows of none.
    assert stored.partitioned
    assert [key.name for key, _ in stored.asset_condition.iter_assets()] == [RELEASE.name]
