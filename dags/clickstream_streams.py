"""The streams: every five minutes, deploy the current definition of each Flink stream and check its health."""

from datetime import timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TriggerRule, chain

from clickstream.dag_defaults import RAW_ASSET, Tag, task_defaults
from clickstream.notifications.notifier import FailureNotifier
from clickstream.runtime import FlinkStream, runtime
from clickstream_contracts import names

DOCS = """
# Streams

Every five minutes, for each Flink stream: **deploy** makes the current definition run, **check** waits for one checkpoint.

| state of the cluster | what deploy does |
|---|---|
| no job of the stream runs | starts it from the newest checkpoint or savepoint in the bucket; without one, from the end offsets of the \
records in the lake |
| the current definition runs | nothing; if it has never completed a checkpoint, waits for its first one |
| the JobManager has another version of the code or other settings than Airflow | waits: the task succeeds, the receipt's `waiting` \
says why, the previous definition runs on |
| another definition runs | stops it with a savepoint, starts the current definition from there, and waits for its first checkpoint; \
a definition that cannot restore the savepoint starts from the end offsets of the lake, which are complete after the stop |
| the new job restarts again and again, fails or completes no checkpoint | rolls back: starts the last definition that completed a \
checkpoint from the newest state, also after the JobManager has lost its jobs, and fails with the reason |

**Failures**

| task | message | cause and action |
|---|---|---|
| `deploy_...` | failed before | the previous definition runs; change the new one, or trigger with *retry refused* if the cause \
was outside it |
| `deploy_...` | gap in the Kafka offsets of the lake | checkpoints were lost; restore the newest `flink/<app>/` to the bucket |
| `deploy_...` | cannot restore the newest checkpoint | the previous definition runs again; the next run stops it with a savepoint \
and deploys the current one |
| `deploy_...` | Cannot map checkpoint/savepoint state | no job runs, no earlier definition is known, and the current one cannot restore \
the newest checkpoint; trigger with *start fresh*: it starts at the end offsets of the lake |
| `deploy_...` | cannot reach Flink | the JobManager is down or not ready |
| `check_...` | falls behind | the Kafka lag grows: raise `CLICKSTREAM_FLINK_PARALLELISM` |
| `check_...` | is RESTARTING | the message ends with the cause; Flink restarts the job until it succeeds |
"""

PARAMS = {
    "start_fresh": Param(False, type="boolean", title="Start fresh", description="Discard the state, start at the lake's end offsets."),
    "retry_refused": Param(False, type="boolean", title="Retry refused", description="Deploy a definition again that was rolled back."),
}

with DAG(
    dag_id=names.STREAMS,
    doc_md=DOCS,
    schedule="*/5 * * * *",
    catchup=False,
    max_active_runs=1,
    tags=[Tag.STREAM, Tag.LAKE],
    params=PARAMS,
    # A stream that is down is notified once, not every five minutes.
    default_args={**task_defaults(minutes=15, retries=0), "on_failure_callback": FailureNotifier(first_only=True)},
):
    # The leaf tasks decide the state of the run. Without this one the checks alone would: a refused definition would not fail the run.
    verdict = EmptyOperator(task_id="verdict")
    streams = [FlinkStream(app) for app in names.STREAM_JOBS]
    outlets = {names.CLICKS_TO_LAKE_JOB: [RAW_ASSET]}
    # ALL_DONE: a failed stream does not keep the others from being deployed.
    deploys = [
        runtime.flink_submit(
            stream,
            task_id=f"deploy_{stream.app}",
            trigger_rule=TriggerRule.ALL_DONE,
            start_fresh="{{ params.start_fresh }}",
            retry_refused="{{ params.retry_refused }}",
            # Longer than the sum of what the deployer waits for (deployer.LONGEST_DEPLOYMENT_SECONDS).
            execution_timeout=timedelta(minutes=45),
        )
        for stream in streams
    ]
    # ALL_DONE: after a failed deployment the previous definition must be healthy.
    checks = [
        runtime.flink_health(stream, task_id=f"check_{stream.app}", trigger_rule=TriggerRule.ALL_DONE, outlets=outlets.get(stream.app, []))
        for stream in streams
    ]
    # One after the other: a JobManager that plans two Python programs at once mixes up their jobs.
    chain(*deploys)
    for deploy, check in zip(deploys, checks, strict=True):
        deploy >> [check, verdict]
        check >> verdict
