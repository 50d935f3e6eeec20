"""The run that continues a range of days: its id, its parameters, and that the release before it is not announced."""

from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException, DagRunTriggerException

from clickstream.operators.nessie import TagReleaseOperator
from clickstream.operators.next_days import NextDaysOperator
from clickstream_contracts import names
from tests.plugins.conftest import Lake

RELEASES = Asset(name="releases", uri="clickstream://test/releases")


def next_days(first_day: str, last_day: str = "2026-01-31") -> NextDaysOperator:
    return NextDaysOperator(task_id="next_days", first_day=first_day, last_day=last_day)


@pytest.mark.parametrize(
    "run_id",
    [
        "manual__1",
        "days_2026-01-11_manual__1",
        "rerun1_0123abcd_manual__1",
        "rerun2_0123abcd_days_2026-01-11_manual__1",
    ],
)
def test_all_runs_of_a_range_have_the_id_of_its_first_run(run_id: str) -> None:
    assert names.next_days_id(run_id, "2026-01-21") == "days_2026-01-21_manual__1"


def test_a_run_of_a_range_can_be_rerun_after_a_conflict() -> None:
    first = names.rerun_id("days_2026-01-11_manual__1", "0123abcdef")
    assert first == "rerun1_0123abcd_days_2026-01-11_manual__1"
    assert names.rerun_id(first, "9999abcdef") == "rerun2_9999abcd_days_2026-01-11_manual__1"


def test_the_next_run_has_the_parameters_of_this_one_and_the_rest_of_the_range(context: Any) -> None:
    context["ti"].run_id = "manual__1"
    context["params"] = {"first_day": "2026-01-01", "day": None, "days_per_run": 10, "keep_branch_on_failure": True}
    with pytest.raises(DagRunTriggerException) as triggered:
        next_days("2026-01-11").execute(context)
    assert triggered.value.dag_run_id == "days_2026-01-11_manual__1"
    assert triggered.value.conf == context["params"] | {"first_day": "2026-01-11", "day": "2026-01-31"}


def test_after_the_last_run_there_is_none(context: Any) -> None:
    with pytest.raises(AirflowSkipException, match="no days are left"):
        next_days("").execute(context)


@pytest.mark.parametrize(("not_announced", "partitions"), [("2026-01-11", 0), ("", 1)])
def test_a_release_is_announced_only_if_no_run_follows(context: Any, lake: Lake, not_announced: str, partitions: int) -> None:
    release = {"commit": lake.write("main", "curated.events").hash}
    tag = TagReleaseOperator(task_id="tag", release=release, day="2026-01-10", asset=RELEASES, not_announced=not_announced)
    assert tag.execute(context) == names.release_tag("clickstream_nightly", "2026-01-10", release["commit"])
    event = context["outlet_events"][RELEASES]
    assert len(event.partition_keys) == partitions
    assert event.extra["commit"] == release["commit"]
