"""Airflow's database with the serialized DAGs, and a run in it, as a trigger by the REST API creates it."""

import subprocess
import sys
from typing import Any

from airflow._shared.timezones import timezone
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.db import initdb
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType


def create_database() -> None:
    """Create Airflow's database and serialize the project's DAGs into it."""
    initdb()
    subprocess.run([sys.executable, "-m", "airflow", "dags", "reserialize"], check=True, capture_output=True)


def create_run(session: Any, dag_id: str, run_id: str, **fields: Any) -> tuple[Any, Any]:
    """Returns the DAG and a running manual run of it; `fields` are further ones of the run, e.g. its partition key."""
    dag = SerializedDagModel.get_dag(dag_id, session=session)
    run = dag.create_dagrun(
        run_id=run_id,
        session=session,
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.REST_API,
        state=DagRunState.RUNNING,
        logical_date=None,
        data_interval=None,
        run_after=timezone.utcnow(),
        **fields,
    )
    session.flush()
    return dag, run
