"""The rollout: serve a new model to 10, 50 and 100 % of the users, with a check of the variants after each step."""

from airflow.sdk import DAG, Param, PartitionedAssetTimetable, TriggerRule, chain

from clickstream.dag_defaults import MODEL_ASSET, ROLLOUT_ASSET, Tag, task_defaults
from clickstream.operators.nessie import PinMainOperator, TagReleaseOperator
from clickstream.runtime import ToolJob, runtime
from clickstream.templates import FRAUD_RULES_VERSION, MACROS, MODEL, NEW_RELEASE, TODAY, ray_job, receipt_fact, xcom_value
from clickstream_contracts import names

DOCS = """
# Rollout

Triggered by each model that passed the gate of `clickstream_train`. Each step writes one row of `serving.rollout` by one commit on main;
the replicas follow within seconds, and a user stays with the same variant. **check** compares the metrics of the variants `stable` and
`candidate` after each step: the candidate must be the expected model, must respond, and must not have a higher error rate, a much higher
latency or a significantly lower click rate than the stable model. Without traffic the check sends requests of its own. **finish** makes
the candidate the stable model; **tag** tags that commit with the name of the release.

| you want | do |
|---|---|
| to roll out a model of `ml.models` by hand | trigger with *model*: it must have passed the gate |
| to serve an earlier release again | trigger `clickstream_rollback` with its name; `./clickstream refs tags` lists the releases |

**Failures**

| task | message | cause and action |
|---|---|---|
| `check_...` | why the candidate is worse | **rollback** has already made all users get the stable model again, and the run is failed |
| `start` | is not what was written | a file of the model was changed or damaged; it was not served to anybody |
| `start` | is being rolled out | an earlier rollout was interrupted; trigger `clickstream_rollback` with the release that should serve |
| `tag` | main has no commit with the message | main was reset since the run began; clear the run from `pin_main` |

Runs wait for each other.
"""

PARAMS = {"model": Param(None, type=["null", "string"], title="Model", description="sha256. Default: the model that triggered the run.")}

with DAG(
    dag_id=names.ROLLOUT,
    doc_md=DOCS,
    schedule=PartitionedAssetTimetable(assets=MODEL_ASSET),
    catchup=False,
    max_active_runs=1,
    tags=[Tag.BATCH, Tag.MODEL],
    params=PARAMS,
    default_args=task_defaults(minutes=15),
    user_defined_macros=MACROS,
):
    release = ("--release", NEW_RELEASE)
    variants_check = ToolJob("rollout", ("check", "--candidate", MODEL))

    pin_main = PinMainOperator(task_id="pin_main")
    start_options = (*release, "--candidate", MODEL, "--share", "10", "--rule-version", FRAUD_RULES_VERSION)
    start = runtime.ray_job(ray_job("rollout", names.MAIN, "start", *start_options), task_id="start")
    check_10 = runtime.tool(variants_check, task_id="check_10")
    step_50 = ("step", *release, "--share", "50", "--reason", receipt_fact("check_10", "reason"))
    widen_50 = runtime.ray_job(ray_job("rollout", names.MAIN, *step_50), task_id="widen_50")
    check_50 = runtime.tool(variants_check, task_id="check_50")
    step_100 = ("step", *release, "--share", "100", "--reason", receipt_fact("check_50", "reason"))
    widen_100 = runtime.ray_job(ray_job("rollout", names.MAIN, *step_100), task_id="widen_100")
    check_100 = runtime.tool(variants_check, task_id="check_100")
    finish_options = (*release, "--reason", receipt_fact("check_100", "reason"))
    finish = runtime.ray_job(ray_job("rollout", names.MAIN, "finish", *finish_options), task_id="finish")
    tag = TagReleaseOperator(
        task_id="tag",
        tag=xcom_value("finish", "facts", "release"),
        commit_message=xcom_value("finish", "facts", "message"),
        pinned=pin_main.output,
        day=TODAY,
        asset=ROLLOUT_ASSET,
        release={name: xcom_value("finish", "facts", name) for name in ("release", "stable", "data_tag", "rule_version")},
    )

    steps = [start, check_10, widen_50, check_50, widen_100, check_100, finish]
    rollback_options = (*release, "--reason", "a step or its check failed")
    rollback = runtime.ray_job(
        ray_job("rollout", names.MAIN, "back", *rollback_options), task_id="rollback", trigger_rule=TriggerRule.ONE_FAILED
    )
    chain(pin_main, *steps, tag)
    steps >> rollback
