"""What the nightly's tasks run: every field renders, and the arguments are those of the apps."""

from typing import Any

import pytest

from clickstream_contracts import names
from tests.dags import rendering

BRANCH = "etl_clickstream_nightly_manual_2026-01-03T02_00_00_00_00"
ANSWERS = {
    "wait_for_lake": {"facts": {"end_offsets": {"0": 120, "1": 98}}},
    "pin_main": "aa11",
    "dimensions": {"app": "dimensions", "outputs": {}},
    "curate": {"app": "curate", "outputs": {}, "facts": {"days": ["2026-01-01", "2026-01-02"]}},
    "marts": {"app": "marts", "outputs": {}},
    "seal": {"hash": "bb22", "tables": ["curated.events"]},
    "merge": {"day": "2026-01-02", "commit": "cc33"},
}


def rendered(bag: Any, task_id: str, partition_key: str | None = "2026-01-02", **params: Any) -> Any:
    return rendering.rendered(bag.dags[names.NIGHTLY], task_id, ANSWERS, partition_key, **params)


@pytest.mark.parametrize("runtime", ["local", "kubernetes"])
def test_every_field_renders(bags: dict[str, Any], runtime: str) -> None:
    for task_id in bags[runtime].dags[names.NIGHTLY].task_ids:
        assert rendering.left_over(rendered(bags[runtime], task_id)) == [], task_id


@pytest.mark.parametrize(
    ("task_id", "tail"),
    [
        ("dimensions", []),
        ("curate", ["--cut", '{"0": 120, "1": 98}']),
        ("marts", ["--days=2026-01-01,2026-01-02"]),
    ],
)
def test_a_spark_app_gets_its_branch_its_day_and_what_came_before(bag: Any, task_id: str, tail: list[str]) -> None:
    task = rendered(bag, task_id)
    task.add_arguments([])
    assert rendering.arguments(task) == ["--ref", BRANCH, "--run", BRANCH, "--day", "2026-01-02", *tail]
    assert f"spark_apps.{task_id}" in task.command


def test_the_audit_reads_exactly_the_sealed_commit(bag: Any) -> None:
    assert rendering.arguments(rendered(bag, "audit"))[:2] == ["--ref", f"{BRANCH}@bb22"]


def test_both_runtimes_hand_over_the_same_arguments(bags: dict[str, Any]) -> None:
    for task_id in ("dimensions", "curate", "marts", "audit"):
        local, there = rendered(bags["local"], task_id), rendered(bags["kubernetes"], task_id)
        assert rendering.arguments(local) == there.template_spec["spec"]["arguments"]


@pytest.mark.parametrize(
    ("partition_key", "day", "expected"),
    [("2026-01-02", None, "2026-01-02"), ("2026-01-02", "2025-12-24", "2025-12-24"), (None, None, "2026-01-02")],
)
def test_the_day_is_asked_for_or_the_partition_or_yesterday(bag: Any, partition_key: str | None, day: str | None, expected: str) -> None:
    args = rendering.arguments(rendered(bag, "dimensions", partition_key=partition_key, day=day))
    assert args[args.index("--day") + 1] == expected


def test_rebuild_is_passed_on_only_when_asked(bag: Any) -> None:
    for asked in (True, False):
        task = rendered(bag, "curate", rebuild=asked)
        task.add_arguments([])
        assert ("--rebuild" in rendering.arguments(task)) == asked


def test_the_branch_is_kept_only_when_asked(bag: Any) -> None:
    assert [bool(rendered(bag, "drop_branch", keep_branch_on_failure=asked).keep_on_failure) for asked in (True, False)] == [True, False]


def test_the_run_of_a_night_has_the_day_before_as_its_partition(bag: Any) -> None:
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import TimeRestriction
    from pendulum import datetime as moment

    stored = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags[names.NIGHTLY]))
    asked = TimeRestriction(earliest=moment(2026, 1, 3), latest=None, catchup=True)
    info = stored.timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=asked)
    assert (info.run_after, info.partition_key) == (moment(2026, 1, 3, 2), "2026-01-02")


def test_on_kubernetes_a_job_is_a_spark_application_that_ends(bags: dict[str, Any]) -> None:
    found = rendered(bags["kubernetes"], "curate").template_spec
    assert (found["apiVersion"], found["kind"]) == ("sparkoperator.k8s.io/v1beta2", "SparkApplication")
    spec = found["spec"]
    assert spec["mainApplicationFile"] == "local:///opt/clickstream/spark_apps/curate.py"
    assert spec["restartPolicy"] == {"type": "Never"}
    assert spec["timeToLiveSeconds"] > 0
    assert spec["mode"] == "cluster"
    for half in (spec["driver"], spec["executor"]):
        pod = half["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
