"""The streams: each runs in its present definition, from its last state, and is looked after every five minutes."""

from airflow.sdk import DAG, Param, TriggerRule

from clickstream.house import Tag, defaults
from clickstream.runtime import FlinkStream, rt
from clickstream_contracts import names

DOCS = """
# The streams

Every five minutes, for each Flink stream: **deploy** makes the present definition run, **check** watches it through one checkpoint.

| what deploy finds | what it does |
|---|---|
| nothing runs | starts from the newest checkpoint or savepoint in the bucket; from the topic's beginning only if the stream never wrote |
| the present definition runs | nothing |
| another definition runs | stops it with a savepoint, starts the present one from there, waits for its first checkpoint |
| the new one restarts, fails or completes no checkpoint | starts the old one again from the newest state, fails with the reason |

**When it fails.** *... failed before*: the old definition runs; change the new one, or trigger with *retry_refused* if the cause was
elsewhere. *... no checkpoint is left*: the stream's memory was deleted; put `flink/<app>/` back into the bucket. Only if the tables
of `raw` may hold everything twice, trigger with *start_fresh*. *falls behind*: more arrives than the job can take.
*is RESTARTING*: the message ends with the cause; the job tries again by itself for as long as it takes.
"""

PARAMS = {
    "start_fresh": Param(False, type="boolean", title="Start fresh", description="Read the topic from its beginning if no state is left."),
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
    for app in (names.LAKE_JOB,):
        stream = FlinkStream(app)
        asked = {"start_fresh": "{{ params.start_fresh }}", "retry_refused": "{{ params.retry_refused }}"}
        deploy = rt.flink_submit(stream, task_id=f"deploy_{app}", **asked)
        # also after a failed deploy: then the old definition is what must be healthy
        deploy >> rt.flink_health(stream, task_id=f"check_{app}", trigger_rule=TriggerRule.ALL_DONE)
