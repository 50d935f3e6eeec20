"""The rollback: serve an earlier release again."""

from airflow.sdk import DAG, Param

from clickstream.dag_defaults import URGENT, Tag, task_defaults
from clickstream.runtime import runtime
from clickstream.templates import MACROS, rollout_step
from clickstream_contracts import names

DOCS = """
# Rollback

Trigger with the name of an earlier *release*: one commit on main restores the rollout as that release left it, with its model for all
users, its data tag and its rule version. A candidate that is being rolled out is removed. The replicas follow within seconds. The model's
artefact is verified first: if it was damaged, the rollback fails and the served model stays. A rollback needs neither Ray nor a free
Spark or Ray worker. A step of a rollout that is in progress meanwhile fails: it never undoes the rollback.

The rollout records the version of the fraud rules that the release was made with. The rules themselves are code, so `clickstream_streams`
runs the deployed version.

**Failures**

| task | message | cause and action |
|---|---|---|
| `rollback` | was never released | the message lists the releases that can be restored; so does `./clickstream refs tags` |
"""

PARAMS = {"release": Param(type="string", minLength=1, title="Release", description="e.g. release_2026-01-02_1a2b3c4d")}

with DAG(
    dag_id=names.ROLLBACK,
    doc_md=DOCS,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    # A rollback is urgent, and without a schedule the DAG runs only when it is triggered.
    is_paused_upon_creation=False,
    tags=[Tag.BATCH, Tag.MODEL],
    params=PARAMS,
    default_args={**task_defaults(minutes=15), **URGENT},
    user_defined_macros=MACROS,
):
    step = rollout_step("rollback", "--release", "{{ params.release }}", "--reason", "requested")
    runtime.tool(step, task_id="rollback")
