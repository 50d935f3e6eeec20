"""The rollback: an earlier release serves again, at once."""

from airflow.sdk import DAG, Param

from clickstream.house import Tag, defaults
from clickstream.runtime import rt
from clickstream.templates import MACROS, on_main
from clickstream_contracts import names

DOCS = """
# The rollback

Trigger with the name of an earlier *release*: one commit makes the pointer what that release left, its model for all users, its data tag
and its rule version. Replicas follow within seconds. A candidate on trial is taken away with it. The model is read whole first:
a release whose model was damaged since is refused, and what serves stays.

The row names the version of the fraud rules that the release was made with; the rules themselves are code, so `clickstream_streams` runs
what is deployed.

**When it fails.** `rollback` *... was never released*: the message lists the releases that can be restored.
"""

PARAMS = {"release": Param(type="string", minLength=1, title="Release", description="e.g. release_2026-01-02_1a2b3c4d")}

with DAG(
    dag_id=names.ROLLBACK,
    doc_md=DOCS,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    # Who needs it is in a hurry, and it does nothing by itself.
    is_paused_upon_creation=False,
    tags=[Tag.BATCH, Tag.MODEL],
    params=PARAMS,
    default_args=defaults(minutes=15),
    user_defined_macros=MACROS,
):
    restored = ("rollback", "--release", "{{ params.release }}", "--reason", "asked for")
    rt.ray_job(on_main("rollout", *restored), task_id="rollback")
