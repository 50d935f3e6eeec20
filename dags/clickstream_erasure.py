"""The erasure of one user, on request."""

from airflow.sdk import DAG, Param

from clickstream.dag_defaults import SPARK_POOL, Tag, task_defaults
from clickstream.runtime import ToolJob, runtime
from clickstream_contracts import names

DOCS = """
# Erasure

Trigger with the *user* id: the user's rows are deleted from all tables on main and behind tags, and what devices, sessions and orders
without another user left. The task prints a certificate, which is kept in the bucket: tables, rows, files, the commit, and what remains
until when. The next nightly run computes the sessions, orders and marts of the user's days again. A run of another DAG that has read the
rows meanwhile conflicts and runs again. *Now* deletes the old files at once; without it `clickstream_maintenance` does, after 48 hours.

The parameters of a run stay in Airflow until its old runs are removed; by hand, `./clickstream erase --user ID` leaves no trace there.

**Failures**

| task | message | cause and action |
|---|---|---|
| `erase` | its files were replaced, or other commits | another writer committed each time: clear the task; it goes on where it was |
| `erase` | cannot connect to Kafka | Kafka is down; nothing was erased: clear the task |
| `erase` | has delete files | a table was changed by another engine with merge-on-read: rewrite its data files, then clear the task |
"""

PARAMS = {
    "user": Param(type="string", minLength=1, title="User", description="The user_id."),
    "reason": Param("", type="string", title="Reason", description="For the certificate; without the user's id."),
    "now": Param(False, type="boolean", title="Now", description="Delete the old files at once."),
    "dry_run": Param(False, type="boolean", title="Dry run", description="Print what would be erased, change nothing."),
}
OPTIONS = ("{{ '--now' if params.now else '' }}", "{{ '--dry-run' if params.dry_run else '' }}")

with DAG(
    dag_id=names.ERASURE,
    doc_md=DOCS,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=[Tag.LAKE],
    params=PARAMS,
    # In the pool of the Spark tasks it takes none of the slots that urgent tasks need, and meets fewer commits of other runs.
    default_args=task_defaults(minutes=120),
):
    arguments = ("--user={{ params.user }}", "--reason={{ params.reason }}", *OPTIONS)
    runtime.tool(ToolJob("erasure", arguments), task_id="erase", pool=SPARK_POOL)
