"""The rollout: serve a new model to 1, 10, 50 and 100 % of the users, with a check of the variants after each step."""

from airflow.sdk import DAG, Param, PartitionedAssetTimetable, chain

from clickstream.dag_defaults import MODEL_ASSET, ROLLOUT_ASSET, URGENT, Tag, task_defaults
from clickstream.operators.nessie import PinMainOperator, TagReleaseOperator
from clickstream.runtime import ToolJob, runtime
from clickstream.templates import (
    ACCEPT_UNMEASURED,
    FRAUD_RULES_VERSION,
    MACROS,
    MODEL,
    NEW_RELEASE,
    TODAY,
    receipt_text,
    rollout_step,
    xcom_value,
)
from clickstream_contracts import names

DOCS = """
# Rollout

Triggered by each model that passed the gate of `clickstream_train`. Each step writes one row of `serving.rollout` by one commit on main;
the replicas follow within seconds, and a user (without a user id: a session) stays with the same variant. **check** replays sessions that
the training held out through both variants: the candidate must be the expected model, make the lists that it made in training, and must
not have more errors, more fallback lists or a much higher latency than the stable model. It also compares errors, latency and click rate
of the users' requests. **finish** makes the candidate the stable model; **tag** tags that commit with the name of the release, which ends
with `_2` if the same model was rolled out before on that day. **rollback** is a teardown: it removes the candidate of a run that did not
get to `finish`; after it, it does nothing.

| you want | do |
|---|---|
| to roll out a model of `ml.models` by hand | trigger with *model*: it must have passed the gate |
| to roll out a model that a check could not measure | judge it yourself, then trigger with *model* and *accept unmeasured* |
| to stop a rollout | mark the run as failed: **rollback** removes the candidate, the other tasks are skipped (Airflow then shows the \
run as a success) |
| to serve an earlier release again | trigger `clickstream_rollback` with its name; `./clickstream refs tags` lists the releases |

**Failures**

| task | message | cause and action |
|---|---|---|
| `check_...` | why the candidate is worse | **rollback** has already made all users get the stable model again, and the run is failed |
| `check_...` | the candidate was not measured | fewer than 200 sessions were held out for it; the message has the command that rolls it \
out nevertheless |
| `start` | is not what was written | a file of the model was changed or damaged; it was not served to anybody |
| `widen_...`, `finish` | is not being rolled out, a rollback was made | `clickstream_rollback` ran meanwhile; it stays |
| `start` | is being rolled out | an earlier run was deleted before its **rollback**; trigger `clickstream_rollback` with the \
release that should serve |
| `tag` | main has no commit with the message | main was reset since the run began; clear the run from `pin_main` |

Runs wait for each other.
"""

PARAMS = {
    "model": Param(None, type=["null", "string"], title="Model", description="sha256. Default: the model that triggered the run."),
    "accept_unmeasured": Param(
        False,
        type="boolean",
        title="Accept unmeasured",
        description="A person has judged the model: too few sessions can be replayed.",
    ),
}

with DAG(
    dag_id=names.ROLLOUT,
    doc_md=DOCS,
    schedule=PartitionedAssetTimetable(assets=MODEL_ASSET),
    catchup=False,
    max_active_runs=1,
    tags=[Tag.BATCH, Tag.MODEL],
    params=PARAMS,
    default_args={**task_defaults(minutes=15), **URGENT},
    user_defined_macros=MACROS,
):
    variants_check = ToolJob("rollout", ("check", "--candidate", MODEL, ACCEPT_UNMEASURED))

    pin_main = PinMainOperator(task_id="pin_main")
    candidate = ("--release", NEW_RELEASE, "--candidate", MODEL, "--share", "1", "--rule-version", FRAUD_RULES_VERSION)
    start = runtime.tool(rollout_step("start", *candidate), task_id="start")
    check_1 = runtime.tool(variants_check, task_id="check_1")
    step_10 = rollout_step("step", "--share", "10", "--reason", receipt_text("check_1", "reason"))
    widen_10 = runtime.tool(step_10, task_id="widen_10")
    check_10 = runtime.tool(variants_check, task_id="check_10")
    step_50 = rollout_step("step", "--share", "50", "--reason", receipt_text("check_10", "reason"))
    widen_50 = runtime.tool(step_50, task_id="widen_50")
    check_50 = runtime.tool(variants_check, task_id="check_50")
    step_100 = rollout_step("step", "--share", "100", "--reason", receipt_text("check_50", "reason"))
    widen_100 = runtime.tool(step_100, task_id="widen_100")
    check_100 = runtime.tool(variants_check, task_id="check_100")
    finish = runtime.tool(rollout_step("finish", "--reason", receipt_text("check_100", "reason")), task_id="finish")
    tag = TagReleaseOperator(
        task_id="tag",
        tag=xcom_value("finish", "facts", "release"),
        commit_message=xcom_value("finish", "facts", "message"),
        pinned=pin_main.output,
        day=TODAY,
        asset=ROLLOUT_ASSET,
        release={name: xcom_value("finish", "facts", name) for name in ("release", "stable", "data_tag", "rule_version")},
    )

    steps = [start, check_1, widen_10, check_10, widen_50, check_50, widen_100, check_100, finish]
    # A teardown also runs when the run is marked failed. Its setup is the task before `start`: a start that failed may have been committed.
    rollback = runtime.tool(rollout_step("back", "--reason", "the rollout did not finish"), task_id="rollback")
    chain(pin_main, *steps, tag)
    steps >> rollback.as_teardown(setups=pin_main)
