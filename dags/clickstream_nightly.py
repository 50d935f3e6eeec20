"""The nightly run: recompute the days with new events on a branch, audit it, and publish it by one merge."""

from datetime import timedelta

from airflow.sdk import DAG, CronPartitionTimetable, Param, chain

from clickstream.dag_defaults import RAW_ASSET, RELEASE_ASSET, SPARK_POOL, Tag, task_defaults
from clickstream.day_ranges import WEEKDAYS
from clickstream.operators.nessie import remember_head
from clickstream.operators.next_days import NextDaysOperator
from clickstream.operators.pin_main import PinMainSensor
from clickstream.publication import publication_group, write_audit_publish
from clickstream.runtime import ToolJob, runtime
from clickstream.templates import (
    CHANGE_TIME_ZONE,
    DAY,
    FULL_AUDIT,
    KEEP_BRANCH,
    LAST_DAY,
    MACROS,
    NEXT_FIRST_DAY,
    REBUILD,
    REBUILD_FROM,
    SEALED_BRANCH,
    receipt_days,
    receipt_fact,
    spark_job,
)
from clickstream_contracts import names
from clickstream_contracts.settings import Settings

DOCS = """
# Nightly run

Scheduled at 04:00 in the shop's time zone (`CLICKSTREAM_TIME_ZONE`) for the day before. It waits until the lake holds
every Kafka record that was sent so far, pins main and writes to a branch of its own. **curated** and **marts** are recomputed for every day
that has new events, late events included. The audits read the sealed branch; each audit is a query that must return no rows. If all pass,
one merge publishes all tables at once, and the tag of the release triggers `clickstream_features`. The audits read the days that the
run has changed; in the run of a Sunday they read all days (*full audit*).

| you want | do |
|---|---|
| to recompute a day without new events | trigger with *day* and *rebuild* |
| to change the time zone of the days | change the setting, then trigger with *change time zone*, once: the run recomputes all days of all \
tables and publishes them together |
| to inspect the data of a failed audit | trigger with *keep the branch*; read it at `/iceberg/<branch>`; then \
`./clickstream refs drop <branch>` |
| to recompute many days | trigger with *first day* and *day*, the last one. The run recomputes and publishes the first *days per run* of \
them, then **next_days** triggers a run for the next ones. A run that fails ends the range; clear it, and it goes on. Only the last run \
triggers `clickstream_features` |
| to repeat a failed run | clear it from `pin_main` on: it starts from the current main. Clearing one `audit_result` repeats its message; \
clearing `audit` runs all audits again; `merge` merges only a commit whose audits passed |

**Failures**

| task | message | cause and action |
|---|---|---|
| `audit`, `audit_result` | name, rows and meaning of each failed audit | main is unchanged. `audit` runs all audits; each one that did \
not pass is an instance of `audit_result`, red or, if it only warns, green, with sample rows in its log. Fix the cause, then clear the run |
| `curate` | no record has arrived since the last published run | the day has no event or few, unlike a week before: check the tracker \
and `clickstream_streams`, then clear the run from `wait_for_lake`; if the shop was closed, do nothing |
| `curate` | the days of the lake are those of ... | `CLICKSTREAM_TIME_ZONE` was changed: set it back, or trigger with *change time zone* |
| `merge` | merge conflict | another writer changed the same table on main; `rerun` repeats the run from the new main, at most twice \
(run ids `rerun1_...`, `rerun2_...`) |
| `seal` | the commits of task ... are missing | earlier tasks were not cleared with the others; clear the run from `pin_main` |
| `wait_for_lake` | the lake still lacks ... records | the stream is down or behind; see `clickstream_streams` |
| any Spark task | Pending, OOMKilled | the cluster has too few resources, or the driver or executor exceeded its memory limit |
| `pin_main` | run ... still has not ended | another run was between `pin_main` and `merge` for 12 hours; finish it or mark it as failed |

A run without new events is skipped from `seal` on, or fails at `curate` if no run of its day is published and the day is quiet.
Runs wait for each other, also those of Airflow's backfill: `pin_main` waits, without a worker, until no other run has a branch. A change of
the DAG files in the middle of a run affects its remaining tasks, unless they come from a `GitDagBundle`, which keeps a run at its commit.
"""

PARAMS = {
    "day": Param(None, type=["null", "string"], format="date", title="Day", description="Default: the day before."),
    "rebuild": Param(False, type="boolean", title="Rebuild", description="Recompute the day even if it has no new events."),
    "first_day": Param(
        None, type=["null", "string"], format="date", title="First day", description="Rebuild all days from this one to the day."
    ),
    "days_per_run": Param(10, type="integer", minimum=1, maximum=31, title="Days per run", description="Of a range with a first day."),
    "change_time_zone": Param(
        False, type="boolean", title="Change time zone", description="Recompute all days in the new time zone of the setting."
    ),
    "full_audit": Param(
        "sunday",
        type="string",
        enum=["always", *WEEKDAYS, "never"],
        title="Full audit",
        description="When the audits read all days, not only the changed ones.",
    ),
    "keep_branch_on_failure": Param(False, type="boolean", title="Keep the branch", description="Keep the branch of a failed run."),
}

# In no time zone do clocks skip this hour. Airflow would run a skipped one an hour later with the partition key of its own day.
SCHEDULE = "0 4 * * *"

with DAG(
    dag_id=names.NIGHTLY,
    doc_md=DOCS,
    # run_immediately=0: unpausing the DAG starts no run for the last schedule.
    schedule=CronPartitionTimetable(
        SCHEDULE, timezone=Settings.from_env().time_zone, run_offset=-1, key_format="%Y-%m-%d", run_immediately=timedelta(0)
    ),
    catchup=False,
    max_active_runs=1,
    tags=[Tag.BATCH, Tag.LAKE],
    params=PARAMS,
    default_args=task_defaults(minutes=10),
    user_defined_macros=MACROS,
):
    on_spark = {"pool": SPARK_POOL, **task_defaults(minutes=120)}
    writes = {"post_execute": remember_head, **on_spark}

    wait_for_lake = runtime.tool(ToolJob("ledger", ("wait",)), task_id="wait_for_lake", inlets=[RAW_ASSET], **task_defaults(minutes=30))
    pin_main = PinMainSensor(task_id="pin_main")

    with publication_group():
        dimensions = runtime.spark(spark_job("dimensions"), task_id="dimensions", **writes)
        end_offsets = receipt_fact("wait_for_lake", "end_offsets")
        curate = runtime.spark(
            spark_job("curate", "--end-offsets", end_offsets, REBUILD, REBUILD_FROM, CHANGE_TIME_ZONE), task_id="curate", **writes
        )
        marts = runtime.spark(spark_job("marts", f"--days={receipt_days('curate')}"), task_id="marts", **writes)
        audit = runtime.spark(
            spark_job("audits", "--namespaces=raw,curated,marts", FULL_AUDIT, ref=SEALED_BRANCH), task_id="audit", **on_spark
        )

        publication = write_audit_publish(
            pin_main,
            [dimensions, curate, marts],
            writers={"dimensions": "spark_apps.dimensions", "curate": "spark_apps.curate", "marts": "spark_apps.marts"},
            audit=audit,
            day=DAY,
            asset=RELEASE_ASSET,
            keep_branch=KEEP_BRANCH,
            not_announced=NEXT_FIRST_DAY,
            unchanged=f"no event arrived since the last run: to compute {DAY} again, trigger with rebuild",
            rerun_conf={"day": LAST_DAY},
        )
    next_days = NextDaysOperator(task_id="next_days", first_day=NEXT_FIRST_DAY, last_day=LAST_DAY)
    chain(wait_for_lake, pin_main, publication.create_branch)
    publication.tag >> next_days
