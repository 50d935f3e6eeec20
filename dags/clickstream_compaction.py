"""The compaction: every hour, rewrite the small files of the streams' tables into few."""

from airflow.sdk import DAG

from clickstream.dag_defaults import Tag, task_defaults
from clickstream.runtime import ToolJob, runtime
from clickstream_contracts import names

DOCS = """
# Compaction

A stream commits a file at each checkpoint. Every hour, **compact** rewrites the files of each closed arrival hour into one, and after
midnight (UTC) those of the closed day, sorted by Kafka partition and offset, in the four tables that streams write. The streams go on: the
commit carries the properties from which Flink knows its last committed checkpoint, and a conflict with a commit of a stream repeats it.
A file is replaced only after the rewritten one was read back and has the same partitions and offsets. What was rewritten is in the receipt.

`./clickstream maintenance compact` prints what the next run would rewrite.

**Failures**

| task | message | cause and action |
|---|---|---|
| `compact` | records were written for ... records | the rewritten file was wrong; nothing was committed; report it |
| `compact` | the lake is unreachable | Nessie or S3 is down; the next run goes on |

A missed run needs no repetition: the next one finds the same files.
"""

with DAG(
    dag_id=names.COMPACTION,
    doc_md=DOCS,
    schedule="20 * * * *",
    catchup=False,
    max_active_runs=1,
    tags=[Tag.STREAM, Tag.LAKE],
    # Long enough for the first run on an old lake, which need not finish: each commit stays.
    default_args=task_defaults(minutes=15),
):
    runtime.tool(ToolJob("maintenance", ("compact", "--apply")), task_id="compact")
