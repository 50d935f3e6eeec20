"""The Kubernetes runtime: its resources equal the reviewed snapshot, and a failed Spark application is reported with its error message."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import ApiException
from urllib3.exceptions import MaxRetryError

from clickstream.operators.receipt import ReceiptMixin
from clickstream.runtime import kubernetes, kubernetes_client
from clickstream.runtime.base import SparkJob, ToolJob
from clickstream.runtime.kubernetes import DescriptiveFailureSparkOperator, PodReceiptOperator
from clickstream_contracts import names
from clickstream_contracts.settings import Settings
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

    def delete_namespaced_custom_object(self, *path: str, propagation_policy: str) -> None:
        assert propagation_policy == "Foreground"
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


class Pods:
    """CoreV1Api of a cluster with a pod of the first try, which is gone only after some requests; the first ones fail."""

    def __init__(self, name: str) -> None:
        self.terminating = {name: 3}
        self.failures = 2
        self.calls: list[str] = []

    def _fail_at_first(self) -> None:
        self.failures -= 1
        if self.failures >= 0:
            raise ApiException(status=503)

    def read_namespaced_pod(self, name: str, namespace: str) -> None:
        self._fail_at_first()
        self.calls.append(f"get {name}")
        if f"delete {name}" in self.calls and name in self.terminating:
            self.terminating[name] -= 1
        if self.terminating.get(name, 0) <= 0:
            raise ApiException(status=404)

    def delete_namespaced_pod(self, name: str, namespace: str) -> None:
        self.calls.append(f"delete {name}")


def tool_task(monkeypatch: pytest.MonkeyPatch, pods: Pods) -> PodReceiptOperator:
    monkeypatch.setattr(kubernetes_client, "DELETION_POLL_SECONDS", 0)
    task = kubernetes.build(Settings()).tool(ToolJob("ledger", ("wait",)), task_id="wait_for_lake")
    assert isinstance(task, PodReceiptOperator)
    monkeypatch.setattr(PodReceiptOperator, "client", pods)
    return task


def test_the_pod_of_an_earlier_try_is_deleted_and_gone_before_the_next_starts(monkeypatch: pytest.MonkeyPatch, context: Any) -> None:
    first = names.pod_name(*TRY[:3], 1)
    pods = Pods(first)
    calls_at_start: list[list[str]] = []
    monkeypatch.setattr(KubernetesPodOperator, "execute", lambda self, context: calls_at_start.append(list(pods.calls)))
    monkeypatch.setattr(ReceiptMixin, "execute", lambda self, context: super(ReceiptMixin, self).execute(context))
    task = tool_task(monkeypatch, pods)
    task.execute(context)
    assert task.name == names.pod_name(*TRY)
    assert calls_at_start == [pods.calls]
    assert pods.calls == [f"get {first}", f"delete {first}", f"get {first}", f"get {first}", f"get {first}"]
    assert pods.terminating[first] == 0


def test_a_pod_that_stays_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pods = Pods("stuck")
    pods.terminating["stuck"] = 10**9
    monkeypatch.setattr(kubernetes_client, "DELETION_SECONDS", 0.1)
    with pytest.raises(AirflowException, match="stuck of an earlier try still exists"):
        tool_task(monkeypatch, pods)._delete_pod_and_wait("stuck")


def test_tools_and_spark_apps_are_neither_adopted_nor_deferred(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where an Airflow's default is deferrable: the receipt is read after the end of the synchronous execution."""
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
    runtime = kubernetes.build(Settings())
    tool = runtime.tool(ToolJob("ledger", ("wait",)), task_id="wait_for_lake")
    spark = runtime.spark(SparkJob("curate", ()), task_id="curate")
    assert (tool.durable, tool.deferrable, spark.deferrable) == (False, False, False)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (ApiException(status=503), True),
        (ApiException(status=429), True),
        (MaxRetryError(None, "/apis"), True),  # type: ignore[arg-type]
        (ApiException(status=404), False),
        (ApiException(status=403), False),
        (ValueError("x"), False),
    ],
)
def test_only_errors_that_can_pass_are_retried(error: Exception, transient: bool) -> None:
    assert kubernetes_client.is_transient(error) is transient
