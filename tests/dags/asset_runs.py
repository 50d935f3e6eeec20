"""Lets Airflow's own scheduler answer which runs an event starts: `python -m tests.dags.asset_runs DAG TASK`, for a process of its own.

An event of the task's outlet with the partition 2026-01-02, once from a run by hand and once from a scheduled one. Prints, as JSON
lines, the partition of the event's run and the runs that it started: DAG, partition, what the events say.
"""

import json
import subprocess
import sys
from typing import Any

import tests.plugins.environment  # noqa: F401  # isort: skip  # Airflow's environment comes before Airflow

from airflow._shared.timezones import timezone
from airflow.api_fastapi.execution_api.datamodels.asset import AssetProfile
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import Asset
from airflow.sdk.execution_time.context import OutletEventAccessors
from airflow.sdk.execution_time.task_runner import _serialize_outlet_events
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select

DAY = "2026-01-02"


def finish(session: Any, dag_id: str, task_id: str, partition_key: str | None) -> None:
    """A run's task that ended well and announced its outlet."""
    dag = SerializedDagModel.get_dag(dag_id, session=session)
    how = {"run_type": DagRunType.MANUAL, "triggered_by": DagRunTriggeredByType.REST_API, "state": DagRunState.RUNNING}
    when = {"logical_date": None, "data_interval": None, "run_after": timezone.utcnow()}
    run = dag.create_dagrun(run_id=f"run_{partition_key}", partition_key=partition_key, session=session, **how, **when)
    session.flush()
    [outlet] = dag.get_task(task_id).outlets
    asset = Asset(name=outlet.name, uri=outlet.uri)
    events = OutletEventAccessors()
    events[asset].extra = {"from": str(partition_key)}
    events[asset].add_partitions(DAY)
    task = next(one for one in run.task_instances if one.task_id == task_id)
    outlets = [AssetProfile(name=asset.name, uri=asset.uri, type="Asset")]
    TaskInstance.register_asset_changes_in_db(task, outlets, list(_serialize_outlet_events(events)), session=session)
    session.flush()


def schedule(session: Any) -> list[tuple[str, str, Any]]:
    """One round of the scheduler; the runs that it made."""
    job = Job()
    session.add(job)
    session.flush()
    before = set(session.scalars(select(DagRun.id)))
    SchedulerJobRunner(job)._create_dagruns_for_partitioned_asset_dags(session)
    made = [run for run in session.scalars(select(DagRun)) if run.id not in before]
    return [(run.dag_id, run.partition_key, [event.extra for event in run.consumed_asset_events]) for run in made]


def main(dag_id: str, task_id: str) -> None:
    initdb()
    subprocess.run([sys.executable, "-m", "airflow", "dags", "reserialize"], check=True, capture_output=True)
    for partition_key in (None, DAY):
        with create_session() as session:
            for dag in session.scalars(select(DagModel)):
                dag.is_paused = False
            finish(session, dag_id, task_id, partition_key)
            print(json.dumps([partition_key, schedule(session)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
