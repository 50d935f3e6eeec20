"""The nightly DAG: every templated field renders, and the apps get the right arguments."""

from datetime import date, timedelta
from typing import Any

import pytest

from clickstream_contracts import names
from tests.dags import graph, rendering

BRANCH = "etl_clickstream_nightly_manual_2026-01-03T02_00_00_00_00"
XCOMS = {
    "wait_for_lake": {"facts": {"end_offsets": {"0": 120, "1": 98}}},
    "pin_main": "aa11",
    "dimensions": {"app": "dimensions", "outputs": {}},
    "curate": {"app": "curate", "outputs": {}, "facts": {"days": ["2026-01-01", "2026-01-02"]}},
    "marts": {"app": "marts", "outputs": {}},
    "seal": {"hash": "bb22", "tables": ["curated.events"]},
    "failed_audits": [{"name": "quarantine_rate", "severity": "warn", "rows": 2, "meaning": "m", "owner": "o", "sample": [], "error": ""}],
    "merge": {"day": "2026-01-02", "commit": "cc33"},
}


def render(bag: Any, task_id: str, partition_key: str | None = "2026-01-02", **params: Any) -> Any:
    return rendering.render(bag.dags[names.NIGHTLY], task_id, XCOMS, partition_key, **params)


@pytest.mark.parametrize("runtime", ["local", "kubernetes"])
def test_every_templated_field_renders(bags: dict[str, Any], runtime: str) -> None:
    for task_id in bags[runtime].dags[names.NIGHTLY].task_ids:
        assert rendering.unrendered(render(bags[runtime], task_id)) == [], task_id


@pytest.mark.parametrize(
    ("task_id", "options"),
    [
        ("dimensions", []),
        ("curate", ["--end-offsets", '{"0": 120, "1": 98}']),
        ("marts", ["--days=2026-01-01,2026-01-02"]),
    ],
)
def test_a_spark_app_gets_its_branch_its_day_and_the_facts_of_earlier_tasks(bag: Any, task_id: str, options: list[str]) -> None:
    task = render(bag, task_id)
    task.add_arguments([])
    assert rendering.arguments(task) == ["--ref", BRANCH, "--run", BRANCH, "--day", "2026-01-02", *options]
    assert f"spark_apps.{task_id}" in task.command


def test_the_audits_read_exactly_the_sealed_commit(bag: Any) -> None:
    assert rendering.arguments(render(bag, "audit"))[:2] == ["--ref", f"{BRANCH}@bb22"]


@pytest.mark.parametrize(
    ("day", "full_audit", "is_full"),
    [
        ("2026-01-04", "sunday", True),
        ("2026-01-03", "sunday", False),
        ("2026-01-03", "saturday", True),
        ("2026-01-03", "always", True),
        ("2026-01-04", "never", False),
    ],
)
def test_the_audits_read_all_days_once_a_week(bag: Any, day: str, full_audit: str, is_full: bool) -> None:
    task = render(bag, "audit", partition_key=day, full_audit=full_audit)
    task.add_arguments([])
    assert ("--full" in rendering.arguments(task)) == is_full


def test_both_runtimes_pass_the_same_arguments(bags: dict[str, Any]) -> None:
    for task_id in ("dimensions", "curate", "marts", "audit"):
        local = render(bags["local"], task_id)
        kubernetes = render(bags["kubernetes"], task_id)
        assert rendering.arguments(local) == kubernetes.template_spec["spec"]["arguments"]


@pytest.mark.parametrize(
    ("partition_key", "day", "expected"),
    [("2026-01-02", None, "2026-01-02"), ("2026-01-02", "2025-12-24", "2025-12-24"), (None, None, "2026-01-02")],
)
def test_the_day_is_the_parameter_or_the_partition_key_or_the_day_before_the_run(
    bag: Any, partition_key: str | None, day: str | None, expected: str
) -> None:
    arguments = rendering.arguments(render(bag, "dimensions", partition_key=partition_key, day=day))
    assert arguments[arguments.index("--day") + 1] == expected


def test_rebuild_is_passed_on_only_as_a_parameter(bag: Any) -> None:
    for rebuild in (True, False):
        task = render(bag, "curate", rebuild=rebuild)
        task.add_arguments([])
        assert ("--rebuild" in rendering.arguments(task)) == rebuild


def rendered_range(bag: Any, **params: Any) -> list[dict[str, Any]]:
    """What each run of a range of days gets: the first and the last day that it recomputes, and whether it triggers the features."""
    runs: list[dict[str, Any]] = []
    while len(runs) <= 500:
        curate, tag, next_days = (render(bag, task_id, partition_key=None, **params) for task_id in ("curate", "tag", "next_days"))
        curate.add_arguments([])
        arguments = rendering.arguments(curate)
        [first] = [argument.removeprefix("--rebuild-from=") for argument in arguments if argument.startswith("--rebuild-from=")]
        assert tag.day == arguments[arguments.index("--day") + 1]
        runs.append({"first": first, "last": tag.day, "announced": not tag.not_announced})
        if not next_days.first_day:
            break
        params = {**params, "first_day": next_days.first_day, "day": next_days.last_day}
    return runs


def test_a_range_of_400_days_is_40_runs_of_10_days_which_cover_each_day_once(bag: Any) -> None:
    runs = rendered_range(bag, first_day="2024-12-01", day="2026-01-04")
    assert len(runs) == 40
    days = [day for run in runs for day in days_between(run["first"], run["last"])]
    assert days == days_between("2024-12-01", "2026-01-04")
    assert len(days) == 400
    assert {len(days_between(run["first"], run["last"])) for run in runs} == {10}


def test_only_the_last_run_of_a_range_triggers_the_features(bag: Any) -> None:
    runs = rendered_range(bag, first_day="2026-01-01", day="2026-01-31", days_per_run=7)
    assert [(run["last"], run["announced"]) for run in runs] == [
        ("2026-01-07", False),
        ("2026-01-14", False),
        ("2026-01-21", False),
        ("2026-01-28", False),
        ("2026-01-31", True),
    ]


def test_a_range_without_a_day_ends_with_the_day_before_the_run(bag: Any) -> None:
    assert rendered_range(bag, first_day="2025-12-30", day=None)[-1]["last"] == "2026-01-02"


def test_a_run_without_a_range_is_announced_and_followed_by_none(bag: Any) -> None:
    for day in (None, "2025-12-24"):
        assert render(bag, "next_days", day=day).first_day == ""
        assert render(bag, "tag", day=day).not_announced == ""


def test_a_rerun_of_one_run_of_a_range_computes_the_same_days_and_continues_the_range(bag: Any) -> None:
    params: dict[str, Any] = {"first_day": "2026-01-01", "day": "2026-01-31", "days_per_run": 7}
    rerun = render(bag, "rerun", **params)
    assert rendered_range(bag, **params | rerun.run_conf) == rendered_range(bag, **params)


def test_a_range_that_ends_before_it_begins_is_an_error(bag: Any) -> None:
    with pytest.raises(ValueError, match="first_day 2026-02-01 is after day 2026-01-31"):
        render(bag, "curate", first_day="2026-02-01", day="2026-01-31")


def days_between(first: str, last: str) -> list[str]:
    """Returns all days from the first to the last one."""
    start = date.fromisoformat(first)
    return [str(start + timedelta(days=number)) for number in range((date.fromisoformat(last) - start).days + 1)]


def test_the_branch_is_kept_only_as_a_parameter(bag: Any) -> None:
    for keep in (True, False):
        assert bool(render(bag, "drop_branch", keep_branch_on_failure=keep).keep_on_failure) == keep


def test_a_scheduled_run_has_the_day_before_as_its_partition_key(bag: Any) -> None:
    from airflow.timetables.base import TimeRestriction
    from pendulum import datetime as pendulum_datetime

    restriction = TimeRestriction(earliest=pendulum_datetime(2026, 1, 3), latest=None, catchup=True)
    info = timetable(bag).next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)
    assert (info.run_after, info.partition_key) == (pendulum_datetime(2026, 1, 3, 4), "2026-01-02")


def timetable(bag: Any) -> Any:
    """Returns the scheduler's timetable of the DAG."""
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.from_dict(DagSerialization.to_dict(bag.dags[names.NIGHTLY])).timetable


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_the_nights_of_a_year_compute_each_day_of_the_shop_once_after_its_end(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.timetables.base import TimeRestriction
    from pendulum import datetime as pendulum_datetime

    monkeypatch.setenv("CLICKSTREAM_TIME_ZONE", zone)
    of_zone = timetable(graph.load("local"))
    restriction = TimeRestriction(earliest=pendulum_datetime(2026, 1, 3), latest=None, catchup=True)
    info, nights = None, {}
    for _ in range(365):
        info = of_zone.next_dagrun_info_v2(last_dagrun_info=info, restriction=restriction)
        nights[info.partition_key] = info.run_after.in_timezone(zone)
    first = min(nights)
    assert sorted(nights) == days_between(first, str(date.fromisoformat(first) + timedelta(days=364)))
    assert {(str(start.date() - timedelta(days=1)) == day, start.hour) for day, start in nights.items()} == {(True, 4)}


def test_a_manual_run_takes_the_day_of_the_shop_before_it(bag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Rendered at 2026-01-03T09:00 UTC.
    for zone, day in (("UTC", "2026-01-02"), ("Pacific/Kiritimati", "2026-01-02"), ("Pacific/Pago_Pago", "2026-01-01")):
        monkeypatch.setenv("CLICKSTREAM_TIME_ZONE", zone)
        assert render(bag, "tag", partition_key=None).day == day


def test_the_time_zone_is_changed_only_as_a_parameter(bag: Any) -> None:
    for change in (True, False):
        task = render(bag, "curate", change_time_zone=change)
        task.add_arguments([])
        assert ("--change-time-zone" in rendering.arguments(task)) == change


def test_on_kubernetes_a_spark_app_is_a_restricted_spark_application_with_a_ttl(bags: dict[str, Any]) -> None:
    application = render(bags["kubernetes"], "curate").template_spec
    assert (application["apiVersion"], application["kind"]) == ("sparkoperator.k8s.io/v1beta2", "SparkApplication")
    spec = application["spec"]
    assert spec["mainApplicationFile"] == "local:///opt/clickstream/spark_apps/curate/__main__.py"
    assert spec["restartPolicy"] == {"type": "Never"}
    assert spec["timeToLiveSeconds"] > 0
    assert spec["mode"] == "cluster"
    for role in (spec["driver"], spec["executor"]):
        pod = role["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
