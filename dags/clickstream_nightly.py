"""The night: what arrived since the last release becomes audited tables, published in one merge."""

from datetime import timedelta

from airflow.sdk import DAG, CronPartitionTimetable, Param, chain

from clickstream.house import RAW, RELEASE, SPARK_POOL, Tag, defaults
from clickstream.operators.nessie import CreateBranch, DropBranch, PinMain, PublishBranch, RunAgain, SealBranch, TagRelease, remember_head
from clickstream.runtime import ToolJob, rt
from clickstream.templates import DAY, KEEP, MACROS, REBUILD, SEALED, days, fact, on_branch
from clickstream_contracts import names

DOCS = """
# The nightly release

Every night at 02:00 UTC, for the day before: wait until the lake holds every Kafka record sent so far, pin main, and write on a
branch of its own. **curated** and **marts** are recomputed for every day that new records touch, late ones included. The audits
read the sealed branch; if each answers with zero rows, one merge publishes all tables at once and a tag keeps that release, which
starts `clickstream_features`.

| you want | do |
|---|---|
| a day again, though nothing new arrived | trigger with *day* and *rebuild* |
| to see the data of a failed audit | trigger with *keep the branch*; read it at `/iceberg/<branch>`; clear the run when done |
| many days | a backfill: each run has its day as partition; let the range hold 02:00 of each day |

**When it fails.** `audit`: main is untouched; the task's log and XCom hold each failed rule with sample rows. Cure the cause and
clear the run. `merge` *main changed ...*: somebody else wrote the same table; `run_again` starts the run anew from the new main, at
most twice (its id begins with `rerun1_`, then `rerun2_`). `seal` names a table that the branch lacks: tasks before it were not
cleared along; clear from `dimensions`. `wait_for_lake`: the stream is down or behind: look at `clickstream_streams`. A night
without news is skipped from `seal` on. Runs wait for each other.
"""

PARAMS = {
    "day": Param(None, type=["null", "string"], format="date", title="Day", description="Default: the day before."),
    "rebuild": Param(False, type="boolean", title="Rebuild", description="Recompute the day even if nothing new arrived for it."),
    "keep_branch_on_failure": Param(False, type="boolean", title="Keep the branch", description="Keep the branch of a failed run."),
}

with DAG(
    dag_id=names.NIGHTLY,
    doc_md=DOCS,
    # Switching the DAG on starts no night by itself: without the zero it would, until 04:24.
    schedule=CronPartitionTimetable("0 2 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    tags=[Tag.BATCH, Tag.LAKE],
    params=PARAMS,
    default_args=defaults(minutes=10),
    user_defined_macros=MACROS,
):
    on_spark = {"pool": SPARK_POOL, **defaults(minutes=120)}
    writes = {"post_execute": remember_head, **on_spark}

    wait_for_lake = rt.tool(ToolJob("ledger", ("wait",)), task_id="wait_for_lake", inlets=[RAW], **defaults(minutes=30))
    pin_main = PinMain(task_id="pin_main")
    create_branch = CreateBranch(task_id="create_branch", pinned=pin_main.output)

    dimensions = rt.spark(on_branch("dimensions"), task_id="dimensions", **writes)
    curate = rt.spark(on_branch("curate", "--cut", fact("wait_for_lake", "cut"), REBUILD), task_id="curate", **writes)
    marts = rt.spark(on_branch("marts", f"--days={days('curate')}"), task_id="marts", **writes)
    seal = SealBranch(task_id="seal", pinned=pin_main.output, writers=["dimensions", "curate", "marts"])
    audit = rt.spark(on_branch("audit", "--namespaces=raw,curated,marts", at=SEALED), task_id="audit", **on_spark)

    merge = PublishBranch(task_id="merge", pinned=pin_main.output, sealed=seal.output, day=DAY)
    merge >> RunAgain(task_id="run_again", asked={"day": DAY})
    tag = TagRelease(task_id="tag", release=merge.output, asset=RELEASE)
    drop_branch = DropBranch(task_id="drop_branch", keep_on_failure=KEEP)

    chain(wait_for_lake, pin_main, create_branch.as_setup(), dimensions, curate, marts, seal, audit, merge, tag, drop_branch)
    # Its failure does not decide the run: a teardown that did would hide a failed audit. `make doctor` names a branch left over.
    drop_branch.as_teardown(setups=create_branch)
