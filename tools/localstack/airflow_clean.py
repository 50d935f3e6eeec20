"""Command that removes old runs and logs of the local stack's Airflow: `./clickstream airflow clean`."""

import subprocess
from typing import Annotated

import typer

from tools.common.command import current_settings, new_app, report_errors
from tools.localstack import airflow
from tools.localstack.layout import Stack

app = new_app("Remove old runs and logs of Airflow.")


@app.command()
@report_errors(RuntimeError, lake=False)
def clean(
    days: Annotated[
        int, typer.Option(help="Keep runs and logs of so many days; by default airflow_retention_days.", show_default=False)
    ] = 0,
) -> None:
    """Remove the runs, task instances and logs of Airflow that are older than airflow_retention_days, and print how many."""
    stack = Stack(current_settings())
    if not (stack.dir / "airflow" / "airflow.db").exists():
        raise RuntimeError(
            f"no Airflow database in {stack.dir}: start the stack with `make up`; on a cluster the CronJob airflow-cleanup runs"
        )
    result = subprocess.run(airflow.cleanup_command(days), env=stack.environment(airflow.environment(stack)), check=False)
    if result.returncode:
        raise typer.Exit(result.returncode)
