"""Runs of one DAG publish one after the other, against a real Nessie: a run waits while another one has a branch and has not ended."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk import PokeReturnValue
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

from clickstream.hooks.nessie import Ref
from clickstream.operators.nessie import CreateBranchOperator, PublishBranchOperator
from clickstream.operators.pin_main import PinMainSensor
from clickstream_contracts import names
from tests.plugins.conftest import Lake

Runs = dict[str, dict[str, Any]]


class RunContext:
    """Contexts of tasks of several runs of one DAG; `states` is what Airflow answers about the tasks of its runs."""

    def __init__(self) -> None:
        self.dag_id = f"dag{uuid4().hex[:8]}"
        self.states: Runs = {}
        self.first_check: datetime | None = None

    def context(self, run_id: str) -> dict[str, Any]:
        """Returns the context of a task of a run that has not ended."""
        self.states.setdefault(run_id, {"drop_branch": None})
        ti = SimpleNamespace(
            dag_id=self.dag_id,
            run_id=run_id,
            get_first_reschedule_date=lambda context: self.first_check,
            get_task_states=lambda dag_id, task_ids: self.states,
        )
        return {"ti": ti}

    def pin(self, run_id: str) -> Any:
        return PinMainSensor(task_id="pin_main").execute(self.context(run_id))

    def branch(self, run_id: str) -> str:
        return names.branch(self.dag_id, run_id)


@pytest.fixture
def runs(lake: Lake) -> RunContext:
    return RunContext()


def test_a_run_waits_until_the_run_that_publishes_has_ended_and_then_starts_from_its_release(lake: Lake, runs: RunContext) -> None:
    first = runs.pin("backfill__1")
    with pytest.raises(AirflowRescheduleException):
        runs.pin("backfill__2")
    assert lake.hook.ref(runs.branch("backfill__2")) is None
    audited = lake.write(runs.branch("backfill__1"), "curated.events")
    release = lake.hook.merge(audited, first, "release")
    lake.hook.delete_branch(audited)
    assert runs.pin("backfill__2") == release


def test_the_branch_of_a_pinned_run_starts_at_the_pinned_commit_and_is_kept_by_create_branch(lake: Lake, runs: RunContext) -> None:
    pinned = runs.pin("scheduled__1")
    lake.write("main", "raw.clicks")
    CreateBranchOperator(task_id="create_branch", pinned=pinned).execute(runs.context("scheduled__1"))
    assert lake.hook.head(runs.branch("scheduled__1")).hash == pinned


@pytest.mark.parametrize("state", ["success", "failed", "skipped", "upstream_failed", "removed"])
def test_the_kept_branch_of_a_run_that_has_ended_stops_no_other_run(lake: Lake, runs: RunContext, state: str) -> None:
    runs.pin("manual__kept")
    runs.states["manual__kept"] = {"drop_branch": state}
    assert runs.pin("scheduled__1") == lake.hook.head("main").hash
    assert lake.hook.ref(runs.branch("manual__kept")) is not None


def test_a_branch_whose_run_was_deleted_stops_no_run(lake: Lake, runs: RunContext) -> None:
    runs.pin("manual__deleted")
    del runs.states["manual__deleted"]
    assert runs.pin("scheduled__1")


def test_runs_of_other_dags_do_not_wait_because_they_write_other_tables(lake: Lake, runs: RunContext) -> None:
    runs.pin("scheduled__1")
    assert RunContext().pin("scheduled__1")


def test_a_cleared_run_starts_again_from_the_current_main(lake: Lake, runs: RunContext) -> None:
    runs.pin("manual__1")
    lake.write(runs.branch("manual__1"), "curated.events")
    main = lake.write("main", "curated.users")
    assert runs.pin("manual__1") == main.hash
    assert lake.hook.head(runs.branch("manual__1")).hash == main.hash


@pytest.mark.parametrize("order", ["both create, both look", "one after the other"])
def test_of_runs_that_start_at_once_at_most_one_publishes(
    lake: Lake, runs: RunContext, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """The second run runs in the middle of the first one's check: before it looks for other branches."""
    results: dict[str, PokeReturnValue] = {}
    first, second = (PinMainSensor(task_id="pin_main") for _ in range(2))
    look: Callable[..., list[str]] = first._publishing_runs

    def look_after_the_second_run(ti: Any, branch: Ref) -> list[str]:
        results["second"] = second.poke(runs.context("backfill__2"))
        return look(ti, branch)

    if order == "both create, both look":
        monkeypatch.setattr(first, "_publishing_runs", look_after_the_second_run)
        results["first"] = first.poke(runs.context("backfill__1"))
    else:
        results["first"] = first.poke(runs.context("backfill__1"))
        results["second"] = second.poke(runs.context("backfill__2"))
    assert [bool(results[name]) for name in ("first", "second")].count(True) == 1


def test_runs_that_met_do_not_meet_again(lake: Lake, runs: RunContext) -> None:
    """After hours of waiting, each pause is the longest one; equal pauses would let two runs meet at each check."""
    runs.pin("backfill__1")
    runs.first_check = datetime.now(UTC) - timedelta(hours=2)
    pauses = set()
    for run_id in ("backfill__2", "backfill__3"):
        with pytest.raises(AirflowRescheduleException) as pause:
            runs.pin(run_id)
        pauses.add(round((pause.value.reschedule_date - datetime.now(UTC)).total_seconds(), 1))
    assert len(pauses) == 2
    assert all(100 < seconds <= 300 for seconds in pauses)


def test_the_patience_is_limited_and_the_message_names_the_other_run(lake: Lake, runs: RunContext) -> None:
    runs.pin("backfill__1")
    runs.first_check = datetime.now(UTC) - timedelta(hours=13)
    message = r"run backfill__1 of dag\w+ still has not ended after 12 h: finish it or mark it as failed, then clear this task"
    with pytest.raises(AirflowFailException, match=message):
        runs.pin("backfill__2")


def test_ten_runs_of_a_backfill_publish_without_a_conflict(lake: Lake, runs: RunContext) -> None:
    waiting = [f"backfill__{day}" for day in range(10)]
    while waiting:
        for run_id in list(waiting):
            try:
                pinned = runs.pin(run_id)
            except AirflowRescheduleException:
                continue
            context = runs.context(run_id)
            audited = lake.write(runs.branch(run_id), "curated.events")
            for other in waiting:
                if other != run_id:
                    with pytest.raises(AirflowRescheduleException):
                        runs.pin(other)
            sealed = {"hash": audited.hash, "tables": ["curated.events"]}
            publish = PublishBranchOperator(task_id="merge", pinned=pinned, sealed=sealed, day="2026-01-02")
            assert publish.execute(context)["commit"]
            lake.hook.delete_branch(audited)
            waiting.remove(run_id)
