"""The streams: each runs in its present definition, from its last state, and is looked after every five minutes."""

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TriggerRule, chain

from clickstream.house import RAW, Tag, defaults
from clickstream.runtime import FlinkStream, rt
from clickstream_contracts import names

DOCS = """
# The streams

Every five minutes, for each Flink stream: **deploy** makes the present definition run, **check** watches it through one checkpoint.

| what deploy finds | what it does |
|---|---|
| nothing runs | starts from the newest checkpoint or savepoint in the bucket; if there is none, from where the lake ends |
| the present definition runs | nothing |
| another definition runs | stops it with a savepoint, starts the present one from there, waits for its first checkpoint; a definition \
that cannot take the savepoint over starts from where the lake ends, which the stop has made complete |
| the new one restarts, fails or completes no checkpoint | starts the old one again from the newest state, fails with the reason |

**When it fails.** *... failed before*: the old definition runs; change the new one, or trigger with *retry_refused* if the cause was
elsewhere. *... not each of them once*: state and lake do not agree; put the newest `flink/<app>/` back into the bucket.
*falls behind*: more arrives than the job can take. State that no definition can read any more: trigger with *start_fresh*.
*is RESTARTING*: the message ends with the cause; the job tries again by itself for as long as it takes.
"""

PARAMS = {
    "start_fresh": Param(False, type="boolean", title="Start fresh", description="Forget the state and go on from where the lake ends."),
    "retry_refused": Param(False, type="boolean", title="Retry refused", description="Try a definition again that was taken back."),
}

with DAG(
    dag_id=names.STREAMS,
    doc_md=DOCS,
    schedule="*/5 * * * *",
    catchup=False,
    max_active_runs=1,
    tags=[Tag.STREAM, Tag.LAKE],
    params=PARAMS,
    default_args=defaults(minutes=15, retries=0),
):
    # Without it the last task alone would decide: a healthy old definition would hide that the new one was refused.
    verdict = EmptyOperator(task_id="verdict")
    asked = {"start_fresh": "{{ params.start_fresh }}", "retry_refused": "{{ params.retry_refused }}"}
    streams = [FlinkStream(app) for app in names.STREAM_JOBS]
    # whatever became of the stream before
    deploys = [rt.flink_submit(one, task_id=f"deploy_{one.app}", trigger_rule=TriggerRule.ALL_DONE, **asked) for one in streams]
    writes = {names.CLICKS_TO_LAKE_JOB: [RAW]}
    # also after a failed deploy: then the old definition is what must be healthy
    checks = [
        rt.flink_health(one, task_id=f"check_{one.app}", trigger_rule=TriggerRule.ALL_DONE, outlets=writes.get(one.app, []))
        for one in streams
    ]
    # One after the other: a JobManager that plans two Python programs at once mixes up their jobs.
    chain(*deploys)
    for deploy, check in zip(deploys, checks, strict=True):
        deploy >> [check, verdict]
        check >> verdict
