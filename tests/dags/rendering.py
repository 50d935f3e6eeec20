"""A task with every templated field rendered, as it is just before it runs."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any


class Macros:
    timedelta = timedelta


def rendered(dag: Any, task_id: str, answers: dict[str, Any], partition_key: str | None, events: Any = None, **params: Any) -> Any:
    """The task of a run by hand or, with `events`, of a run that these asset events started; `answers` is what tasks before it said."""
    task = dag.get_task(task_id).prepare_for_execution()

    def pull(task_ids: Any = None, **_: Any) -> Any:
        return answers[task_ids if isinstance(task_ids, str) else task_ids[0]]

    context = {
        "ti": SimpleNamespace(xcom_pull=pull, task_id=task_id, id="0193", try_number=1),
        "dag": dag,
        "task": task,
        "run_id": "manual__2026-01-03T02:00:00+00:00",
        "dag_run": SimpleNamespace(partition_key=partition_key, run_after=datetime(2026, 1, 3, 9, tzinfo=UTC)),
        "params": {name: dag.params[name] for name in dag.params if name not in params} | params,
        "triggering_asset_events": events or {},
        "macros": Macros,
    }
    task.render_template_fields(context)
    return task


def left_over(task: Any) -> list[str]:
    """Every string of the task's templated fields that is not what it should become."""
    return [s for name in task.template_fields for s in strings(getattr(task, name)) if "{{" in s or "Undefined" in s]


def strings(value: Any) -> list[str]:
    """Every string inside a value."""
    if isinstance(value, dict):
        return [s for v in value.values() for s in strings(v)]
    if isinstance(value, list | tuple):
        return [s for v in value for s in strings(v)]
    return [value] if isinstance(value, str) else []


def arguments(task: Any) -> list[str]:
    """What a local task hands to its app, after the app's module."""
    command: list[str] = task.command
    return command[command.index("-m") + 2 :]
