"""The features: each release of the nightly becomes what the recommender learns from, published in one merge and tagged."""

from airflow.sdk import DAG, Param, PartitionedAssetTimetable, chain

from clickstream.dag_defaults import FEATURES, RELEASE, SPARK_POOL, Tag, defaults
from clickstream.operators.nessie import CreateBranch, DropBranch, PinMain, PublishBranch, RunAgain, SealBranch, TagRelease, remember_head
from clickstream.runtime import ToolJob, rt
from clickstream.templates import DAY, KEEP, MACROS, RELEASED, SEALED, TAGGED, UNTIL, on_branch
from clickstream_contracts import names

DOCS = """
# The features

After each release of `clickstream_nightly`, with its day: pin main, which holds that release, and write on a branch of its own.
**features** makes the training sessions of the last 180 days and each product's nearest 50 from the curated tables; it writes only
what is new. The audits read the sealed branch; if each answers with zero rows, one merge publishes both tables and a tag keeps them:
training reads that tag, and **neighbours** hands it to the stream of recommendations.

| you want | do |
|---|---|
| the features as of a day | trigger with *day*: the sessions end with it |
| to see the data of a failed audit | trigger with *keep the branch*; read it at `/iceberg/<branch>`; clear the run when done |

The sessions end with the newest day that the lake was published for, also when the nightly made an older day anew.

**When it fails.** `audit`: main is untouched; the task's log and XCom hold each failed rule with sample rows. Cure the cause and
clear the run. `merge` *main changed ...*: somebody else wrote the same table; `run_again` starts the run anew from the new main, at
most twice (its id begins with `rerun1_`, then `rerun2_`). `seal` names a table that the branch lacks: clear from `create_branch`.
A run without news is skipped from `seal` on. Runs wait for each other.
"""

PARAMS = {
    "day": Param(None, type=["null", "string"], format="date", title="Day", description="Last day of the sessions. Default: the newest."),
    "keep_branch_on_failure": Param(False, type="boolean", title="Keep the branch", description="Keep the branch of a failed run."),
}

with DAG(
    dag_id=names.FEATURES,
    doc_md=DOCS,
    schedule=PartitionedAssetTimetable(assets=RELEASE),
    catchup=False,
    max_active_runs=1,
    tags=[Tag.BATCH, Tag.LAKE],
    params=PARAMS,
    default_args=defaults(minutes=10),
    user_defined_macros=MACROS,
):
    on_spark = {"pool": SPARK_POOL, **defaults(minutes=120)}

    pin_main = PinMain(task_id="pin_main", after=RELEASED)
    create_branch = CreateBranch(task_id="create_branch", pinned=pin_main.output)

    features = rt.spark(on_branch("features", UNTIL), task_id="features", post_execute=remember_head, **on_spark)
    seal = SealBranch(task_id="seal", pinned=pin_main.output, writers=["features"])
    audit = rt.spark(on_branch("audit", "--namespaces=features", at=SEALED), task_id="audit", **on_spark)

    merge = PublishBranch(task_id="merge", pinned=pin_main.output, sealed=seal.output, day=DAY)
    merge >> RunAgain(task_id="run_again")
    tag = TagRelease(task_id="tag", release=merge.output, asset=FEATURES)
    neighbours = rt.tool(ToolJob("kafka.item_neighbours", ("--ref", TAGGED)), task_id="neighbours")
    drop_branch = DropBranch(task_id="drop_branch", keep_on_failure=KEEP)

    chain(pin_main, create_branch.as_setup(), features, seal, audit, merge, tag, drop_branch)
    tag >> neighbours
    # Its failure does not decide the run: a teardown that did would hide a failed audit. `make doctor` names a branch left over.
    drop_branch.as_teardown(setups=create_branch)
