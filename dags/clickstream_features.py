"""The features: compute the training data from each nightly release, publish it by one merge, and tag it."""

from airflow.sdk import DAG, Param, PartitionedAssetTimetable

from clickstream.dag_defaults import FEATURES_ASSET, RELEASE_ASSET, SPARK_POOL, Tag, task_defaults
from clickstream.operators.nessie import remember_head
from clickstream.operators.pin_main import PinMainSensor
from clickstream.publication import publication_group, write_audit_publish
from clickstream.runtime import ToolJob, runtime
from clickstream.templates import DAY, KEEP_BRANCH, MACROS, OF_RERUN, PARTITION, RELEASE_COMMIT, SEALED_BRANCH, UNTIL, spark_job, xcom_value
from clickstream_contracts import names

DOCS = """
# Features

Triggered by each release of `clickstream_nightly`, with the day of the release. It pins main, which must contain the release, and writes
to a branch of its own. **features** computes the training sessions of the last 180 days and the 50 nearest products of each product from
the curated tables; it writes only changed data. The audits read the sealed branch. If all pass, one merge publishes both tables and a tag
keeps them: training reads that tag, and **neighbours** sends the item neighbours to the Kafka topic of the recommendations stream.

| you want | do |
|---|---|
| the features as of an earlier day | trigger with *day*: the training sessions end with it |
| to inspect the data of a failed audit | trigger with *keep the branch*; read it at `/iceberg/<branch>`; then \
`./clickstream refs drop <branch>` |

The sessions end with the newest day that was published, also if the nightly run recomputed an older day.

**Failures**

| task | message | cause and action |
|---|---|---|
| `audit`, `audit_result` | name, rows and meaning of each failed audit | main is unchanged. `audit` runs all audits; each one that did \
not pass is an instance of `audit_result`, red or, if it only warns, green, with sample rows in its log. Fix the cause, then clear the run |
| `merge` | merge conflict | another writer changed the same table on main; `rerun` repeats the run from the new main, at most twice \
(run ids `rerun1_...`, `rerun2_...`) |
| `seal` | the commits of task ... are missing | earlier tasks were not cleared with the others; clear the run from `pin_main` |
| `pin_main` | does not contain commit | main was reset to a commit before the release |

A run without changes is skipped from `seal` on. Runs wait for each other: `pin_main` waits until no other run has a branch.
"""

PARAMS = {
    "day": Param(None, type=["null", "string"], format="date", title="Day", description="Last day of the sessions. Default: the newest."),
    "keep_branch_on_failure": Param(False, type="boolean", title="Keep the branch", description="Keep the branch of a failed run."),
    **OF_RERUN,
}

with DAG(
    dag_id=names.FEATURES,
    doc_md=DOCS,
    schedule=PartitionedAssetTimetable(assets=RELEASE_ASSET),
    catchup=False,
    max_active_runs=1,
    tags=[Tag.BATCH, Tag.LAKE],
    params=PARAMS,
    default_args=task_defaults(minutes=10),
    user_defined_macros=MACROS,
):
    on_spark = {"pool": SPARK_POOL, **task_defaults(minutes=120)}

    pin_main = PinMainSensor(task_id="pin_main", must_contain=RELEASE_COMMIT)
    with publication_group():
        features = runtime.spark(spark_job("features", UNTIL), task_id="features", post_execute=remember_head, **on_spark)
        audit = runtime.spark(spark_job("audits", "--namespaces=features", ref=SEALED_BRANCH), task_id="audit", **on_spark)
        publication = write_audit_publish(
            pin_main,
            [features],
            writers={"features": "spark_apps.features"},
            audit=audit,
            day=DAY,
            asset=FEATURES_ASSET,
            keep_branch=KEEP_BRANCH,
            rerun_conf={"partition": PARTITION, "release_commit": RELEASE_COMMIT},
        )
    neighbours = runtime.tool(ToolJob("kafka.item_neighbours", ("--ref", xcom_value("tag"))), task_id="neighbours")
    publication.tag >> neighbours
