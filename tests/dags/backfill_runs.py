"""Shows the runs of Airflow's own backfill of the nightly DAG: `python -m tests.dags.backfill_runs FROM TO`, in a process of its own.

Prints, as JSON lines, the day (partition key), the configuration and the state of each run. It calls a private function of Airflow, as its
REST API does, so a new minor version may break it.
"""

import json
import sys
from datetime import datetime

import tests.plugins.environment  # noqa: F401  # isort: skip  # Airflow reads these environment variables when it is imported

from airflow.models.backfill import _create_backfill
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from sqlalchemy import select

from clickstream_contracts import names
from tests.dags.manual_run import create_database


def main(first: str, last: str) -> None:
    create_database()
    _create_backfill(
        dag_id=names.NIGHTLY,
        from_date=datetime.fromisoformat(first),
        to_date=datetime.fromisoformat(last),
        max_active_runs=10,
        reverse=False,
        dag_run_conf={"rebuild": True},
        triggering_user_name="me",
    )
    with create_session() as session:
        for run in session.scalars(select(DagRun).where(DagRun.dag_id == names.NIGHTLY).order_by(DagRun.partition_key)):
            print(json.dumps([run.partition_key, run.conf, str(run.run_type)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
