"""Operators of a run's branch against a real Nessie: pin, seal, publish once, rerun after a conflict, drop or keep."""

from typing import Any

import pytest
from airflow.sdk import DAG, Asset
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, DagRunTriggerException

from clickstream.hooks.nessie import Ref
from clickstream.operators.nessie import (
    CreateBranchOperator,
    DropBranchOperator,
    PinMainOperator,
    PublishBranchOperator,
    SealBranchOperator,
    TagReleaseOperator,
    remember_head,
)
from clickstream.operators.rerun import RerunOperator
from clickstream_contracts import names
from tests.plugins.conftest import Lake

DAY = "2026-01-02"
RELEASE_ASSET = Asset("a_release")
# By task id. The ids differ from the names of the apps, which the seal must not rely on.
WRITERS = {"curate_days": "spark_apps.curate", "marts_days": "spark_apps.marts"}


def run_writer(context: Any, lake: Lake, branch: str, task_id: str, *tables: str) -> None:
    """Does what a writing task does: commits, if it has tables to write, and pushes the head of the branch."""
    context["ti"].task_id = task_id
    if tables:
        lake.write(branch, *tables)
    remember_head(context)


def seal(context: Any, pinned: str) -> dict[str, Any]:
    result: dict[str, Any] = SealBranchOperator(task_id="seal", pinned=pinned, writers=WRITERS).execute(context)
    return result


def publish(context: Any, pinned: str, sealed: dict[str, Any]) -> dict[str, Any]:
    task = PublishBranchOperator(task_id="merge", pinned=pinned, sealed=sealed, day=DAY)
    result: dict[str, Any] = task.execute(context)
    return result


def create_branch(context: Any, pinned: str) -> str:
    name: str = CreateBranchOperator(task_id="create_branch", pinned=pinned).execute(context)
    return name


def drop_branch(context: Any) -> None:
    DropBranchOperator(task_id="drop_branch", keep_on_failure="").execute(context)


@pytest.fixture
def pinned(context: Any, lake: Lake) -> str:
    commit: str = PinMainOperator(task_id="pin_main").execute(context)
    return commit


@pytest.fixture
def branch(context: Any, pinned: str) -> str:
    return create_branch(context, pinned)


@pytest.fixture
def sealed(context: Any, lake: Lake, pinned: str, branch: str) -> dict[str, Any]:
    """The result of the seal after both writers ran."""
    run_writer(context, lake, branch, "curate_days", "curated.events")
    run_writer(context, lake, branch, "marts_days", "marts.funnel_daily")
    return seal(context, pinned)


def test_main_is_pinned_only_if_it_contains_the_release_that_triggered_the_run(context: Any, lake: Lake, sealed: dict[str, Any]) -> None:
    release = lake.write("main", "curated.users").hash
    pinned = lake.write("main", "raw.clicks").hash
    assert PinMainOperator(task_id="pin_main", must_contain=release).execute(context) == pinned
    with pytest.raises(AirflowFailException, match=f"does not contain commit {sealed['hash']} of the release that triggered this run"):
        PinMainOperator(task_id="pin_main", must_contain=sealed["hash"]).execute(context)


def test_the_seal_returns_the_head_and_the_changed_tables(lake: Lake, sealed: dict[str, Any], branch: str) -> None:
    assert sealed == {"hash": lake.hook.head(branch).hash, "tables": ["curated.events", "marts.funnel_daily"]}


def test_a_branch_that_was_created_again_after_a_writer_ran_is_not_sealed(context: Any, lake: Lake, pinned: str, branch: str) -> None:
    run_writer(context, lake, branch, "curate_days", "curated.events")
    drop_branch(context)
    create_branch(context, pinned)
    run_writer(context, lake, branch, "marts_days", "marts.funnel_daily")
    with pytest.raises(AirflowFailException, match=r"the commits of task curate_days are missing, .*Clear.* from pin_main"):
        seal(context, pinned)


def test_a_kept_branch_is_sealed_again(context: Any, lake: Lake, pinned: str, branch: str, sealed: dict[str, Any]) -> None:
    create_branch(context, pinned)
    assert seal(context, pinned) == sealed


@pytest.mark.parametrize(
    ("table", "writer"),
    [("raw.clicks", "flink_apps.clicks_to_lake"), ("curated.users", "spark_apps.dimensions"), ("curated.secrets", r"none \(no contract\)")],
)
def test_a_change_to_a_table_of_another_writer_is_not_sealed(
    context: Any, lake: Lake, pinned: str, branch: str, table: str, writer: str
) -> None:
    run_writer(context, lake, branch, "curate_days", "curated.events", table)
    run_writer(context, lake, branch, "marts_days")
    with pytest.raises(AirflowFailException, match=f"table {table} changed, but its writer is {writer}"):
        seal(context, pinned)


def test_a_release_is_one_commit_with_an_asset_event_and_a_tag(context: Any, lake: Lake, pinned: str, sealed: dict[str, Any]) -> None:
    release = publish(context, pinned, sealed)
    assert lake.hook.diff(Ref("main", pinned), Ref("main", release["commit"])) == ["curated.events", "marts.funnel_daily"]
    tag = TagReleaseOperator(task_id="tag", release=release, day=DAY, asset=RELEASE_ASSET).execute(context)
    assert tag == names.release_tag(context["ti"].dag_id, DAY, release["commit"])
    assert lake.hook.head(tag).hash == release["commit"]
    event = context["outlet_events"][RELEASE_ASSET]
    assert (event.extra, event.partition_keys) == ({**release, "tag": tag}, {DAY})


def test_a_second_merge_returns_the_first_one_even_without_the_branch(
    context: Any, lake: Lake, pinned: str, sealed: dict[str, Any]
) -> None:
    release = publish(context, pinned, sealed)
    drop_branch(context)
    assert publish(context, pinned, sealed) == release


def test_a_run_without_changes_publishes_nothing(context: Any, lake: Lake, pinned: str, branch: str) -> None:
    main_before = lake.hook.head("main")
    for task_id in WRITERS:
        run_writer(context, lake, branch, task_id)
    with pytest.raises(AirflowSkipException, match="nothing to publish"):
        seal(context, pinned)
    assert lake.hook.head("main") == main_before


def test_commits_after_the_audit_are_not_published(context: Any, lake: Lake, pinned: str, branch: str, sealed: dict[str, Any]) -> None:
    main_before = lake.hook.head("main")
    lake.write(branch, "curated.events")
    with pytest.raises(AirflowFailException, match="is not the audited commit"):
        publish(context, pinned, sealed)
    assert lake.hook.head("main") == main_before


def test_a_branch_that_was_created_again_after_the_audit_is_not_published(
    context: Any, lake: Lake, pinned: str, branch: str, sealed: dict[str, Any]
) -> None:
    drop_branch(context)
    create_branch(context, pinned)
    with pytest.raises(AirflowFailException, match="is not the audited commit"):
        publish(context, pinned, sealed)


def rerun(run_id: str, pinned: str = "0123456789ab") -> RerunOperator:
    """Returns the rerun task with its run id rendered for `run_id`."""
    with DAG("clickstream_nightly", schedule=None):
        task = RerunOperator(task_id="rerun", merge_task_id="merge", run_conf={"day": DAY})
    task.trigger_run_id = names.rerun_id(run_id, pinned)
    return task


def test_a_conflict_names_the_table_and_triggers_a_rerun_with_the_parameters_of_the_run(
    context: Any, lake: Lake, pinned: str, branch: str, sealed: dict[str, Any]
) -> None:
    lake.write("main", "curated.events")
    context["ti"].task_id = "merge"
    message = rf"another writer changed curated\.events on main since the branch was made \(commit {pinned}\); nothing was published"
    with pytest.raises(AirflowFailException, match=message):
        publish(context, pinned, sealed)
    context["ti"].task_id = "rerun"
    context["ti"].states = {"merge": "failed"}
    context["params"] = {"day": None, "rebuild": True}
    with pytest.raises(DagRunTriggerException) as triggered:
        rerun("scheduled__1").execute(context)
    assert (triggered.value.dag_run_id, triggered.value.conf) == ("rerun1_01234567_scheduled__1", {"day": DAY, "rebuild": True})


def test_a_run_is_repeated_twice_and_only_after_a_conflict(context: Any) -> None:
    with pytest.raises(AirflowSkipException, match="merge failed without a conflict"):
        rerun("scheduled__1").execute(context)
    context["ti"].task_id = "merge"
    context["ti"].xcom_push("conflict", "another writer changed curated.events")
    context["ti"].task_id = "rerun"
    context["ti"].states = {"merge": "upstream_failed"}
    with pytest.raises(AirflowSkipException, match="merge failed without a conflict"):
        rerun("scheduled__1").execute(context)
    context["ti"].states = {"merge": "failed"}
    with pytest.raises(DagRunTriggerException) as triggered:
        rerun("rerun1_scheduled__1").execute(context)
    assert triggered.value.dag_run_id == "rerun2_01234567_scheduled__1"
    with pytest.raises(AirflowFailException, match=r"another writer changed curated\.events; this was the second rerun"):
        rerun("rerun2_scheduled__1").execute(context)


@pytest.mark.parametrize(
    ("keep", "audit_state", "is_kept"),
    [("keep", "failed", True), ("", "failed", False), ("keep", "success", False), ("", "success", False)],
)
def test_a_branch_is_kept_only_after_a_failure_and_only_with_the_parameter(
    context: Any, lake: Lake, branch: str, keep: str, audit_state: str, is_kept: bool
) -> None:
    context["ti"].states["audit"] = audit_state
    DropBranchOperator(task_id="drop_branch", keep_on_failure=keep).execute(context)
    assert (lake.hook.ref(branch) is not None) == is_kept


def test_dropping_a_branch_twice_succeeds(context: Any, lake: Lake, branch: str) -> None:
    task = DropBranchOperator(task_id="drop_branch", keep_on_failure="")
    assert task.execute(context).startswith("deleted")
    assert task.execute(context) == "already deleted"
