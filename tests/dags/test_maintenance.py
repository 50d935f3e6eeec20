"""The DAGs of maintenance, compaction and erasure: their tools change something unless the run is a dry run."""

from typing import Any

import pytest

from clickstream_contracts import names
from tests.dags import rendering

COMMANDS = {"retention": "retention", "tags": "tags", "collect": "collect", "stream_state": "stream-state"}


def arguments(dag: Any, task_id: str, **params: Any) -> list[str]:
    task = rendering.render(dag, task_id, {}, None, **params)
    assert rendering.unrendered(task) == []
    task.add_arguments(["--receipt", "file:///r"])
    return rendering.arguments(task)


@pytest.mark.parametrize(("dry_run", "options"), [(False, ["--apply"]), (True, [])])
@pytest.mark.parametrize("task_id", COMMANDS)
def test_a_dry_run_deletes_nothing(bag: Any, task_id: str, dry_run: bool, options: list[str]) -> None:
    expected = [COMMANDS[task_id], *options, "--receipt", "file:///r"]
    assert arguments(bag.dags[names.MAINTENANCE], task_id, dry_run=dry_run) == expected


def test_files_are_collected_after_rows_were_deleted_and_tags_dropped(bag: Any) -> None:
    assert bag.dags[names.MAINTENANCE].get_task("collect").upstream_task_ids == {"retention", "tags"}


def test_the_compaction_is_no_dry_run(bag: Any) -> None:
    assert arguments(bag.dags[names.COMPACTION], "compact") == ["compact", "--apply", "--receipt", "file:///r"]


@pytest.mark.parametrize(
    ("params", "options"),
    [({}, []), ({"now": True}, ["--now"]), ({"dry_run": True}, ["--dry-run"])],
)
def test_an_erasure_is_of_one_user(bag: Any, params: dict[str, bool], options: list[str]) -> None:
    expected = ["--user=-u 1", "--reason=request 12", *options, "--receipt", "file:///r"]
    defaults = {"now": False, "dry_run": False}
    assert arguments(bag.dags[names.ERASURE], "erase", user="-u 1", reason="request 12", **defaults | params) == expected
