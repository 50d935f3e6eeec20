"""Renders the templated fields of a task, as Airflow does just before the task runs."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

RUN_ID = "manual__2026-01-03T02:00:00+00:00"
RUN_AFTER = datetime(2026, 1, 3, 9, tzinfo=UTC)


class Macros:
    timedelta = timedelta


def render(dag: Any, task_id: str, xcoms: dict[str, Any], partition_key: str | None, events: Any = None, **params: Any) -> Any:
    """Returns the task with its templated fields rendered; of a mapped task, its first instance.

    `xcoms` is what each earlier task returned. With `events`, these asset events triggered the run; otherwise it is a manual run.
    """
    task = dag.get_task(task_id).prepare_for_execution()

    def xcom_pull(task_ids: Any = None, **_: Any) -> Any:
        return xcoms[task_ids if isinstance(task_ids, str) else task_ids[0]]

    ti = SimpleNamespace(xcom_pull=xcom_pull, dag_id=dag.dag_id, run_id=RUN_ID, task_id=task_id, id="0193", try_number=1, map_index=0)
    context = {
        "ti": ti,
        "dag": dag,
        "task": task,
        "run_id": RUN_ID,
        "dag_run": SimpleNamespace(partition_key=partition_key, run_after=RUN_AFTER, conf={}),
        "params": {name: dag.params[name] for name in dag.params if name not in params} | params,
        "triggering_asset_events": events or {},
        "macros": Macros,
    }
    task.render_template_fields(context)
    return context["task"]


def unrendered(task: Any) -> list[str]:
    """Returns the strings of the task's templated fields that still hold a template or an undefined value."""
    values = [text for name in task.template_fields for text in strings(getattr(task, name))]
    return [text for text in values if "{{" in text or "Undefined" in text]


def strings(value: Any) -> list[str]:
    """Returns every string inside nested dicts, lists and tuples."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def arguments(task: Any) -> list[str]:
    """Returns the arguments of a local task's app, which follow its module."""
    command: list[str] = task.command
    return command[command.index("-m") + 2 :]
