"""What a task learns only when it runs, as Jinja; DAGs that use it pass MACROS."""

from collections.abc import Mapping, Sequence
from typing import Any

from clickstream.runtime.base import RayJob, SparkJob
from clickstream_contracts import names
from clickstream_contracts.fraud_rules import rules


def told(events: Mapping[Any, Sequence[Any]], key: str) -> str:
    """What the newest of the asset events that started a run says of `key`; '' for a run that none started."""
    found = sorted((event for several in events.values() for event in several), key=lambda event: event.timestamp)
    return str(found[-1].extra[key]) if found else ""


MACROS = {"names": names, "told": told, "rules": rules}

# A day asked for wins; else the partition's day; else, for a run by hand, the day before it was asked for.
DAY = "{{ names.checked_day(params.day or dag_run.partition_key or (dag_run.run_after - macros.timedelta(days=1)).strftime('%Y-%m-%d')) }}"
# For a run that is about no day but the one it is made on.
TODAY = "{{ dag_run.partition_key or dag_run.run_after.strftime('%Y-%m-%d') }}"
TAG = "{{ params.tag or told(triggering_asset_events, 'tag') }}"
BRANCH = "{{ names.branch(dag.dag_id, run_id) }}"
RULES = "{{ rules().version }}"
ASKED_MODEL = "{{ params.model or told(triggering_asset_events, 'model_sha256') }}"
NEW_RELEASE = f"{{{{ names.release_name({TODAY[3:-3]}, {ASKED_MODEL[3:-3]}) }}}}"
SEALED = "@{{ ti.xcom_pull(task_ids='seal')['hash'] }}"
TAGGED = "{{ ti.xcom_pull(task_ids='tag') }}"
RELEASED = "{{ told(triggering_asset_events, 'commit') }}"
UNTIL = "{{ '--until=' ~ names.checked_day(params.day) if params.day else '' }}"
REBUILD = "{{ '--rebuild' if params.rebuild else '' }}"
KEEP = "{{ 'keep' if params.keep_branch_on_failure else '' }}"


def fact(task_id: str, name: str) -> str:
    """A fact of the receipt of `task_id`, as JSON."""
    return f"{{{{ ti.xcom_pull(task_ids='{task_id}')['facts']['{name}'] | tojson }}}}"


def days(task_id: str) -> str:
    """The days that the receipt of `task_id` lists, with commas between."""
    return f"{{{{ ti.xcom_pull(task_ids='{task_id}')['facts']['days'] | join(',') }}}}"


def receipt(task_id: str) -> str:
    """The whole receipt of `task_id`, as JSON."""
    return f"{{{{ ti.xcom_pull(task_ids='{task_id}') | tojson }}}}"


def pulled(task_id: str, key: str) -> str:
    """One value of what `task_id` returned."""
    return f"{{{{ ti.xcom_pull(task_ids='{task_id}')['{key}'] }}}}"


def on_ray(app: str, ref: str, *args: str) -> RayJob:
    """A Ray app of this run, which reads or writes `ref`."""
    return RayJob(app, ("--ref", ref, "--run", BRANCH, *args))


def on_main(app: str, *args: str) -> RayJob:
    """A Ray app that commits to main itself."""
    return on_ray(app, names.MAIN, *args)


def on_branch(app: str, *args: str, at: str = "") -> SparkJob:
    """A Spark app of this run, on its branch or, with `at`, on one commit of it."""
    return SparkJob(app, ("--ref", BRANCH + at, "--run", BRANCH, "--day", DAY, *args))
