"""Jinja snippets shared by the DAGs. A DAG that uses them passes `user_defined_macros=MACROS`."""

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Param

from clickstream.day_ranges import is_full_audit, next_first_day, run_day, shop_day
from clickstream.runtime.base import RayJob, SparkJob, ToolJob
from clickstream.task_names import run_branch
from clickstream_contracts import names
from clickstream_contracts.fraud_rules import rules


def event_extra(events: Mapping[Any, Sequence[Any]], key: str) -> str:
    """Returns the value of `key` in the extra of the newest triggering asset event; '' if no event triggered the run.

    `events` is `triggering_asset_events` of the task's context: a list of events by asset. Raises ValueError if the event lacks the key.
    """
    all_events = [event for asset_events in events.values() for event in asset_events]
    if not all_events:
        return ""
    newest = sorted(all_events, key=lambda event: event.timestamp)[-1]
    extra = newest.extra or {}
    if key not in extra:
        raise ValueError(
            f"the asset event of {newest.timestamp} that triggered this run has no {key!r} in its extra: an event that is created by hand"
            " needs what the publishing DAG writes there; trigger the DAG with its parameters instead"
        )
    return str(extra[key])


MACROS = {
    "names": names,
    "run_branch": run_branch,
    "run_day": run_day,
    "shop_day": shop_day,
    "next_first_day": next_first_day,
    "is_full_audit": is_full_audit,
    "event_extra": event_extra,
    "fraud_rules": rules,
}


def jinja(expression: str) -> str:
    """Returns the template that renders an expression."""
    return "{{ " + expression + " }}"


DAY_BEFORE_RUN_EXPRESSION = "shop_day(dag_run.run_after, days_before=1)"
# The parameter `day` comes first, then the run's partition key; a manual run without either takes the day before it.
# A rerun is a triggered run, without partition key and asset event: it has both as parameters.
PARTITION_EXPRESSION = "params.get('partition') or dag_run.partition_key"
LAST_DAY_EXPRESSION = f"names.checked_day(params.day or {PARTITION_EXPRESSION} or {DAY_BEFORE_RUN_EXPRESSION})"
TODAY_EXPRESSION = f"{PARTITION_EXPRESSION} or shop_day(dag_run.run_after)"
MODEL_EXPRESSION = "params.model or event_extra(triggering_asset_events, 'model_sha256')"

OF_RERUN = {
    "partition": Param(None, type=["null", "string"], title="Partition", description="Set by a rerun: partition key of the first run."),
    "release_commit": Param(None, type=["null", "string"], title="Release", description="Set by a rerun: commit that main must contain."),
}
BRANCH = jinja("run_branch(ti)")
PARTITION = jinja(f"{PARTITION_EXPRESSION} or {DAY_BEFORE_RUN_EXPRESSION}")
# The last day that the run recomputes; LAST_DAY is later if it is one of several runs over a range of days.
DAY_EXPRESSION = f"run_day(params, {LAST_DAY_EXPRESSION})"
DAY = jinja(DAY_EXPRESSION)
LAST_DAY = jinja(LAST_DAY_EXPRESSION)
NEXT_FIRST_DAY = jinja(f"next_first_day(params, {LAST_DAY_EXPRESSION})")
TODAY = jinja(TODAY_EXPRESSION)
# Parameters.
UNTIL = jinja("'--until=' ~ names.checked_day(params.day) if params.day else ''")
REBUILD = jinja("'--rebuild' if params.rebuild or params.first_day else ''")
REBUILD_FROM = jinja("'--rebuild-from=' ~ names.checked_day(params.first_day) if params.first_day else ''")
CHANGE_TIME_ZONE = jinja("'--change-time-zone' if params.change_time_zone else ''")
ACCEPT_UNMEASURED = jinja("'--accept-unmeasured' if params.accept_unmeasured else ''")
ACCEPT_LESS_DATA = jinja("'--accept-less-data' if params.accept_less_data else ''")
FULL_AUDIT = jinja(f"'--full' if is_full_audit(params, {DAY_EXPRESSION}) else ''")
KEEP_BRANCH = jinja("'keep' if params.keep_branch_on_failure else ''")
FEATURES_TAG = jinja("params.tag or event_extra(triggering_asset_events, 'tag')")
MODEL = jinja(MODEL_EXPRESSION)
# The commit of the release whose event triggered the run.
RELEASE_COMMIT = jinja("params.get('release_commit') or event_extra(triggering_asset_events, 'commit')")
NEW_RELEASE = jinja(f"names.release_name({TODAY_EXPRESSION}, {MODEL_EXPRESSION})")
FRAUD_RULES_VERSION = jinja("fraud_rules().version")


def xcom_expression(task_id: str, *keys: str) -> str:
    """Returns the expression of what `task_id` returned or, with `keys`, of one value inside it."""
    path = "".join(f"['{key}']" for key in keys)
    return f"ti.xcom_pull(task_ids='{task_id}'){path}"


def xcom_value(task_id: str, *keys: str) -> str:
    """Returns the template of what `task_id` returned or, with `keys`, of one value inside it."""
    return jinja(xcom_expression(task_id, *keys))


def receipt_json(task_id: str) -> str:
    """Returns the template of the whole receipt of `task_id`, as JSON."""
    return jinja(f"{xcom_expression(task_id)} | tojson")


def receipt_fact(task_id: str, name: str) -> str:
    """Returns the template of one fact of the receipt of `task_id`, as JSON."""
    return jinja(f"{xcom_expression(task_id, 'facts', name)} | tojson")


def receipt_text(task_id: str, name: str) -> str:
    """Returns the template of one fact of the receipt of `task_id` that is a text, without quotes."""
    return xcom_value(task_id, "facts", name)


def receipt_days(task_id: str) -> str:
    """Returns the template of the days in the receipt of `task_id`, separated by commas."""
    return jinja(f"{xcom_expression(task_id, 'facts', 'days')} | join(',')")


SEALED_BRANCH = f"{BRANCH}@{xcom_value('seal', 'hash')}"


def spark_job(app: str, *args: str, ref: str = BRANCH) -> SparkJob:
    """Returns a Spark app of this run, which reads and writes the run's branch or, with `ref`, reads another ref."""
    return SparkJob(app, ("--ref", ref, "--run", BRANCH, "--day", DAY, *args))


def ray_job(app: str, ref: str, *args: str) -> RayJob:
    """Returns a Ray app of this run, which reads or writes `ref`."""
    return RayJob(app, ("--ref", ref, "--run", BRANCH, *args))


def rollout_step(action: str, *args: str) -> ToolJob:
    """Returns the tool that takes a step of a rollout for this run."""
    return ToolJob("rollout", (action, "--run", BRANCH, *args))
