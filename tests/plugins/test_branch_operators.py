"""The life of a run's branch against a real Nessie: sealed exactly, published once, dropped or kept."""

from typing import Any

import pytest
from airflow.sdk import DAG, Asset
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, DagRunTriggerException

from clickstream.hooks.nessie import Ref
from clickstream.operators.nessie import CreateBranch, DropBranch, PinMain, PublishBranch, RunAgain, SealBranch, TagRelease, remember_head
from clickstream_contracts import names
from tests.plugins.conftest import Lake

DAY = "2026-01-02"
RELEASE = Asset("a_release")


WRITERS = ("curate", "marts")


def work(context: Any, lake: Lake, branch: str, app: str, *tables: str) -> None:
    """What a writing task leaves behind: a commit, if it had to write, and where the branch stood then."""
    context["ti"].task_id = app
    _ = lake.write(branch, *tables) if tables else None
    remember_head(context)


def seal(context: Any, pinned: str) -> dict[str, Any]:
    found: dict[str, Any] = SealBranch(task_id="seal", pinned=pinned, writers=WRITERS).execute(context)
    return found


def publish(context: Any, pinned: str, sealed: dict[str, Any]) -> dict[str, Any]:
    task = PublishBranch(task_id="merge", pinned=pinned, sealed=sealed, day=DAY)
    found: dict[str, Any] = task.execute(context)
    return found


def drop(context: Any) -> None:
    DropBranch(task_id="drop_branch", keep_on_failure="").execute(context)


@pytest.fixture
def pinned(context: Any, lake: Lake) -> str:
    found: str = PinMain(task_id="pin_main").execute(context)
    return found


@pytest.fixture
def branch(context: Any, pinned: str) -> str:
    found: str = CreateBranch(task_id="create_branch", pinned=pinned).execute(context)
    return found


@pytest.fixture
def sealed(context: Any, lake: Lake, pinned: str, branch: str) -> dict[str, Any]:
    """The run's work is done and sealed."""
    work(context, lake, branch, "curate", "curated.events")
    work(context, lake, branch, "marts", "marts.funnel_daily")
    return seal(context, pinned)


def test_main_is_pinned_only_if_it_holds_the_release_that_started_the_run(context: Any, lake: Lake, sealed: dict[str, Any]) -> None:
    release = lake.write("main", "curated.users").hash
    pinned = lake.write("main", "raw.clicks").hash
    assert PinMain(task_id="pin_main", after=release).execute(context) == pinned
    with pytest.raises(AirflowFailException, match=f"does not hold {sealed['hash']}, which this run was started for"):
        PinMain(task_id="pin_main", after=sealed["hash"]).execute(context)


def test_the_seal_is_the_head_and_its_tables(context: Any, lake: Lake, sealed: dict[str, Any], branch: str) -> None:
    assert sealed == {"hash": lake.hook.head(branch).hash, "tables": ["curated.events", "marts.funnel_daily"]}


def test_a_branch_made_anew_after_the_work_is_not_sealed(context: Any, lake: Lake, pinned: str, branch: str) -> None:
    work(context, lake, branch, "curate", "curated.events")
    drop(context)
    CreateBranch(task_id="create_branch", pinned=pinned).execute(context)
    work(context, lake, branch, "marts", "marts.funnel_daily")
    with pytest.raises(AirflowFailException, match=r"lacks the work of curate, which was not cleared along.*Clear.* from create_branch"):
        seal(context, pinned)


def test_a_kept_branch_is_sealed_again(context: Any, lake: Lake, pinned: str, branch: str, sealed: dict[str, Any]) -> None:
    CreateBranch(task_id="create_branch", pinned=pinned).execute(context)
    assert seal(context, pinned) == sealed


@pytest.mark.parametrize(
    ("table", "writer"),
    [("raw.clicks", "flink_apps.clicks_to_lake"), ("curated.users", "spark_apps.dimensions"), ("curated.secrets", "nobody")],
)
def test_a_table_of_another_writer_is_not_sealed(context: Any, lake: Lake, pinned: str, branch: str, table: str, writer: str) -> None:
    work(context, lake, branch, "curate", "curated.events", table)
    work(context, lake, branch, "marts")
    with pytest.raises(AirflowFailException, match=f"{table} changed on it, whose writer is {writer}"):
        seal(context, pinned)


def test_a_release_is_one_commit_with_its_asset_event_and_its_tag(context: Any, lake: Lake, pinned: str, sealed: dict[str, Any]) -> None:
    release = publish(context, pinned, sealed)
    assert lake.hook.diff(Ref("main", pinned), Ref("main", release["commit"])) == ["curated.events", "marts.funnel_daily"]
    tag = TagRelease(task_id="tag", release=release, asset=RELEASE).execute(context)
    assert lake.hook.head(tag).hash == release["commit"]
    event = context["outlet_events"][RELEASE]
    assert (event.extra, event.partition_keys) == ({**release, "tag": tag}, {DAY})


def test_publishing_again_finds_the_release_even_without_the_branch(context: Any, lake: Lake, pinned: str, sealed: dict[str, Any]) -> None:
    release = publish(context, pinned, sealed)
    drop(context)
    assert publish(context, pinned, sealed) == release


def test_a_quiet_night_publishes_nothing(context: Any, lake: Lake, pinned: str, branch: str) -> None:
    before = lake.hook.head("main")
    for app in WRITERS:
        work(context, lake, branch, app)
    with pytest.raises(AirflowSkipException, match="nothing to publish"):
        seal(context, pinned)
    assert lake.hook.head("main") == before


def test_work_after_the_audit_is_not_published(context: Any, lake: Lake, pinned: str, branch: str, sealed: dict[str, Any]) -> None:
    before = lake.hook.head("main")
    lake.write(branch, "curated.events")
    with pytest.raises(AirflowFailException, match="is not what was audited"):
        publish(context, pinned, sealed)
    assert lake.hook.head("main") == before


def test_a_branch_made_anew_after_the_audit_is_not_published(
    context: Any, lake: Lake, pinned: str, branch: str, sealed: dict[str, Any]
) -> None:
    drop(context)
    CreateBranch(task_id="create_branch", pinned=pinned).execute(context)
    with pytest.raises(AirflowFailException, match="is not what was audited"):
        publish(context, pinned, sealed)


def again(context: Any, run_id: str) -> RunAgain:
    """The task that repeats a run, its templates rendered for `run_id`."""
    with DAG("clickstream_nightly", schedule=None):
        task = RunAgain(task_id="run_again", asked={"day": DAY})
        PublishBranch(task_id="merge", pinned="", sealed="", day=DAY) >> task
    task.trigger_run_id = names.rerun_id(run_id)
    return task


def test_a_conflict_names_the_table_and_repeats_the_run_with_its_parameters(
    context: Any, lake: Lake, pinned: str, branch: str, sealed: dict[str, Any]
) -> None:
    lake.write("main", "curated.events")
    context["ti"].task_id = "merge"
    with pytest.raises(AirflowFailException, match=r"main changed curated\.events .* nothing was published"):
        publish(context, pinned, sealed)
    context["params"] = {"day": None, "rebuild": True}
    with pytest.raises(DagRunTriggerException) as started:
        again(context, "scheduled__1").execute(context)
    assert (started.value.dag_run_id, started.value.conf) == ("rerun1_scheduled__1", {"day": DAY, "rebuild": True})


def test_a_run_is_repeated_twice_and_only_after_a_conflict(context: Any) -> None:
    with pytest.raises(AirflowSkipException, match="merge did not fail by a conflict"):
        again(context, "scheduled__1").execute(context)
    context["ti"].task_id = "merge"
    context["ti"].xcom_push("conflict", "main changed curated.events")
    context["ti"].task_id = "run_again"
    with pytest.raises(DagRunTriggerException) as started:
        again(context, "rerun1_scheduled__1").execute(context)
    assert started.value.dag_run_id == "rerun2_scheduled__1"
    with pytest.raises(AirflowFailException, match=r"main changed curated\.events; twice repeated"):
        again(context, "rerun2_scheduled__1").execute(context)


@pytest.mark.parametrize(
    ("keep", "audit", "stays"), [("keep", "failed", True), ("", "failed", False), ("keep", "success", False), ("", "success", False)]
)
def test_a_branch_is_kept_only_after_a_failure_and_only_when_asked(
    context: Any, lake: Lake, branch: str, keep: str, audit: str, stays: bool
) -> None:
    context["ti"].states["audit"] = audit
    DropBranch(task_id="drop_branch", keep_on_failure=keep).execute(context)
    assert (lake.hook.ref(branch) is not None) == stays


def test_dropping_twice_is_fine(context: Any, lake: Lake, branch: str) -> None:
    task = DropBranch(task_id="drop_branch", keep_on_failure="")
    assert task.execute(context).startswith("deleted")
    assert task.execute(context) == "gone already"
