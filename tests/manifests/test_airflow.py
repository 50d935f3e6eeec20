"""Airflow's pods: one migrates the database, the others wait for its schema; task logs and old rows do not fill a volume."""

from typing import Any

import pytest

from tests.manifests.rendered import RENDERS, Object, objects

PROCESSES = {"airflow-api-server", "airflow-dag-processor", "airflow-scheduler", "airflow-triggerer"}


def pod_specs(render: str) -> dict[str, Any]:
    """Returns the pod specification of each of Airflow's Deployments by name."""
    deployments = [t for t in objects(render) if t["kind"] == "Deployment" and t["metadata"]["namespace"] == "clickstream-airflow"]
    return {t["metadata"]["name"]: t["spec"]["template"]["spec"] for t in deployments}


def first_command(spec: Any) -> str:
    """Returns the command that runs before a process of Airflow starts."""
    return " ".join(spec["initContainers"][0]["command"])


def named(render: str, kind: str, name: str) -> Object:
    matches = [t for t in objects(render) if t["kind"] == kind and t["metadata"]["name"].startswith(name)]
    return next(t for t in matches if t["metadata"]["namespace"] == "clickstream-airflow")


@pytest.mark.parametrize("render", RENDERS)
def test_only_the_scheduler_migrates_the_database_and_makes_the_pool(render: str) -> None:
    commands = {name: first_command(spec) for name, spec in pod_specs(render).items()}
    assert commands.keys() == PROCESSES
    assert "airflow db migrate && airflow pools set spark 1" in commands.pop("airflow-scheduler")
    assert set(commands.values()) == {"airflow db check-migrations --migration-wait-timeout 600"}


@pytest.mark.parametrize("render", RENDERS)
def test_the_migration_and_its_check_run_the_image_of_the_process(render: str) -> None:
    for spec in pod_specs(render).values():
        assert spec["initContainers"][0]["image"] == spec["containers"][0]["image"]


@pytest.mark.parametrize("render", RENDERS)
def test_logs_of_tasks_go_to_the_bucket_and_those_of_dag_files_to_the_container(render: str) -> None:
    variables = named(render, "ConfigMap", "airflow")["data"]
    assert variables["AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS"] == "clickstream.task_logs.LOGGING_CONFIG"
    assert variables["AIRFLOW__LOGGING__DAG_PROCESSOR_LOG_TARGET"] == "stdout"
    assert not [name for name in variables if name.startswith("AIRFLOW_CONN_")], "the S3 keys are files, not variables"


@pytest.mark.parametrize("render", RENDERS)
def test_old_rows_and_logs_are_removed_every_day(render: str) -> None:
    job = named(render, "CronJob", "airflow-cleanup")["spec"]
    assert job["schedule"].split()[2:] == ["*", "*", "*"]
    assert job["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["command"] == ["python", "-m", "clickstream.cleanup"]
