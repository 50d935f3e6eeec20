"""The maintenance: every day, delete old rows, drop old tags, delete files that nobody needs, and clean up the states of streams."""

from airflow.sdk import DAG, Param

from clickstream.dag_defaults import SPARK_POOL, Tag, task_defaults
from clickstream.runtime import ToolJob, runtime
from clickstream_contracts import names

DOCS = """
# Maintenance

Scheduled at 07:40 UTC. The receipt of each task lists what it deleted. No task disturbs a stream, another run or a reader of a kept tag.

- **retention** deletes the rows of the tables that streams write which are older than the contract of the table says: whole files of old
  arrival days, in commits that carry the properties of Flink.
- **tags** drops the tags that the policy in `tools/maintenance/tags.yaml` does not keep. Tags that a model or a rollout names are kept.
- **collect** deletes the files of tables that no branch, no tag, no commit of main of the last 48 hours and no model's data needs, if they
  are older than 48 hours. The files of a dropped tag stay for 48 hours more.
- **stream_state** deletes checkpoints and savepoints that are older than a week, except the newest of each stream and the savepoint that
  the last good definition remembers.
- **kafka** fails if a topic deletes records earlier than the project expects. Kafka itself deletes what is older.

Trigger with *dry run* to see what would be deleted. Old runs and logs of Airflow are removed by `python -m clickstream.cleanup`, a CronJob
on a cluster.

**Failures**

| task | message | cause and action |
|---|---|---|
| `collect` | a path does not exist | a branch, tag or pinned commit names a file that is gone; nothing was deleted: restore it from a \
backup, or drop the ref |
| `retention` | is expired and not published | nothing was deleted: run `clickstream_nightly`, which reads these records |
| `kafka` | deletes records after ... hours | somebody shortened the retention of the topic: set `retention.ms` again, else records that \
the lake lacks can be lost while a stream is down |
| any | the lake is unreachable | Nessie or S3 is down; the next run goes on |
"""

PARAMS = {"dry_run": Param(False, type="boolean", title="Dry run", description="Print what would be deleted, delete nothing.")}
APPLY = "{{ '' if params.dry_run else '--apply' }}"

with DAG(
    dag_id=names.MAINTENANCE,
    doc_md=DOCS,
    schedule="40 7 * * *",
    catchup=False,
    max_active_runs=1,
    tags=[Tag.STREAM, Tag.LAKE],
    params=PARAMS,
    default_args=task_defaults(minutes=15),
):
    retention = runtime.tool(ToolJob("maintenance", ("retention", APPLY)), task_id="retention")
    tags = runtime.tool(ToolJob("maintenance", ("tags", APPLY)), task_id="tags")
    # Takes long on a large lake: in the pool of the Spark tasks it takes none of the slots that urgent tasks need.
    collect = runtime.tool(ToolJob("maintenance", ("collect", APPLY)), task_id="collect", pool=SPARK_POOL, **task_defaults(minutes=120))
    runtime.tool(ToolJob("maintenance", ("stream-state", APPLY)), task_id="stream_state")
    runtime.tool(ToolJob("maintenance", ("kafka",)), task_id="kafka")
    [retention, tags] >> collect
