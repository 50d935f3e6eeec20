"""Shows which runs Airflow's scheduler creates for an asset event: `python -m tests.dags.asset_runs DAG TASK`, in a process of its own.

The task emits an event of its outlet: with the partition key 2026-01-02 in a manual run and in a scheduled run, without one in a run of a
range of days that goes on. Prints, as JSON lines, the partition key of the emitting run and the runs that the event triggered: DAG id,
partition key, extras of the events.
It calls private methods of the scheduler, so a new minor version of Airflow may break it.
"""

import json
import sys
from typing import Any

import tests.plugins.environment  # noqa: F401  # isort: skip  # Airflow reads these environment variables when it is imported

from airflow.api_fastapi.execution_api.datamodels.asset import AssetProfile
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import Asset
from airflow.sdk.execution_time.context import OutletEventAccessors
from airflow.sdk.execution_time.task_runner import _serialize_outlet_events
from airflow.utils.session import create_session
from sqlalchemy import select

from tests.dags.manual_run import create_database, create_run

DAY = "2026-01-02"


def emit_event(session: Any, dag_id: str, task_id: str, partition_key: str | None, announced: bool) -> None:
    """Creates a run in which the task succeeded and emitted an event of its outlet."""
    dag, run = create_run(session, dag_id, f"run_{partition_key}_{announced}", partition_key=partition_key)
    [outlet] = dag.get_task(task_id).outlets
    asset = Asset(name=outlet.name, uri=outlet.uri)
    events = OutletEventAccessors()
    events[asset].extra = {"from": f"{partition_key} {announced}"}
    if announced:
        events[asset].add_partitions(DAY)
    task_instance = next(task_instance for task_instance in run.task_instances if task_instance.task_id == task_id)
    outlets = [AssetProfile(name=asset.name, uri=asset.uri, type="Asset")]
    TaskInstance.register_asset_changes_in_db(task_instance, outlets, list(_serialize_outlet_events(events)), session=session)
    session.flush()


def triggered_runs(session: Any) -> list[tuple[str, str, Any]]:
    """Lets the scheduler create runs for pending asset events, and returns them."""
    job = Job()
    session.add(job)
    session.flush()
    earlier_runs = set(session.scalars(select(DagRun.id)))
    SchedulerJobRunner(job)._create_dagruns_for_partitioned_asset_dags(session)
    new_runs = [run for run in session.scalars(select(DagRun)) if run.id not in earlier_runs]
    return [(run.dag_id, run.partition_key, [event.extra for event in run.consumed_asset_events]) for run in new_runs]


def main(dag_id: str, task_id: str) -> None:
    create_database()
    for partition_key, announced in ((None, False), (None, True), (DAY, True)):
        with create_session() as session:
            for dag in session.scalars(select(DagModel)):
                dag.is_paused = False
            emit_event(session, dag_id, task_id, partition_key, announced)
            print(json.dumps([partition_key, triggered_runs(session)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
