"""The Kubernetes runtime: its resources equal the reviewed snapshot, and a failed Spark application is reported with its error message."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import ApiException

from clickstream.runtime.kubernetes import DescriptiveFailureSparkOperator
from clickstream_contracts import names
from tests.plugins.kubernetes_resources import SNAPSHOT, TRY, to_yaml


def test_the_resources_equal_the_reviewed_snapshot() -> None:
    assert to_yaml() == SNAPSHOT.read_text(), "if the change is intended: python -m tests.plugins.kubernetes_resources"


def test_each_try_has_a_name_of_its_own() -> None:
    dag_id, run_id, task_id, number = TRY
    other_tries = [(dag_id, run_id, task_id, number + 1), ("other", run_id, task_id, number), (dag_id, "manual", task_id, number)]
    assert names.pod_name(*TRY) == names.pod_name(*TRY)
    assert len({names.pod_name(*each) for each in [TRY, *other_tries]}) == 4
    # Spark appends a suffix for each of its pods and services, and 63 characters are the limit.
    assert len(names.pod_name("d" * 99, "r" * 99, "t" * 99, 99)) <= 45


class SparkApplications:
    """CustomObjectsApi of a cluster whose Spark applications have a fixed state; it records deletions."""

    def __init__(self, application_state: dict[str, Any]) -> None:
        self.application_state = application_state
        self.deleted: list[str] = []

    def get_namespaced_custom_object(self, *path: str) -> dict[str, Any]:
        return {"status": {"applicationState": self.application_state}}

    def delete_namespaced_custom_object(self, *path: str) -> None:
        self.deleted.append(path[-1])
        raise ApiException(status=404)


def failing_task(monkeypatch: pytest.MonkeyPatch, applications: SparkApplications) -> DescriptiveFailureSparkOperator:
    """Returns a task whose driver pod fails."""

    def fail(self: Any, context: Any) -> None:
        raise AirflowException("Pod curate-driver returned a failure.")

    monkeypatch.setattr(SparkKubernetesOperator, "execute", fail)
    task = DescriptiveFailureSparkOperator(task_id="curate", namespace="clickstream-spark", template_spec={})
    task.__dict__["hook"] = SimpleNamespace(custom_object_client=applications)
    return task


@pytest.fixture
def context() -> Any:
    dag_id, run_id, task_id, number = TRY
    return {"ti": SimpleNamespace(dag_id=dag_id, run_id=run_id, task_id=task_id, try_number=number)}


def test_a_failure_has_the_error_message_of_the_application(monkeypatch: pytest.MonkeyPatch, context: Any) -> None:
    applications = SparkApplications({"state": "FAILED", "errorMessage": "driver container failed with ExitCode: 137, Reason: OOMKilled"})
    with pytest.raises(AirflowException, match=rf"{names.pod_name(*TRY)} is FAILED: .*OOMKilled"):
        failing_task(monkeypatch, applications).execute(context)


def test_without_an_error_message_the_failure_has_that_of_the_pod(monkeypatch: pytest.MonkeyPatch, context: Any) -> None:
    with pytest.raises(AirflowException, match="returned a failure"):
        failing_task(monkeypatch, SparkApplications({})).execute(context)


def test_the_application_of_an_earlier_try_is_deleted_first(monkeypatch: pytest.MonkeyPatch, context: Any) -> None:
    applications = SparkApplications({})
    with pytest.raises(AirflowException):
        failing_task(monkeypatch, applications).execute(context)
    assert applications.deleted == [names.pod_name(*TRY[:3], 1)]
