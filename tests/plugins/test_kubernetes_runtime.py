"""The Kubernetes runtime: its resources equal the reviewed snapshot, and a failed Spark application is reported with its error message."""

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from kubernetes.client import ApiException
from urllib3.exceptions import MaxRetryError

from clickstream.runtime import kubernetes, kubernetes_client
from clickstream.runtime.base import SparkJob, ToolJob
from clickstream.runtime.kubernetes import DescriptiveFailureSparkOperator, PodReceiptOperator
from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings
from tests.plugins.conftest import write_receipt
from tests.plugins.kubernetes_api import CREATED, KubernetesApi, Object
from tests.plugins.kubernetes_resources import SNAPSHOT, TRY, to_yaml

GOOD = Receipt(app="ledger", run="a_run", facts={"number": 1})


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


POD_FAILED = AirflowException("Pod curate-driver returned a failure.")


def failing_task(
    monkeypatch: pytest.MonkeyPatch, applications: SparkApplications, error: Exception = POD_FAILED
) -> DescriptiveFailureSparkOperator:
    """Returns a task whose driver pod fails."""

    def fail(self: Any, context: Any) -> None:
        raise error

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


def test_an_application_without_a_driver_is_reported_with_its_error_message(monkeypatch: pytest.MonkeyPatch, context: Any) -> None:
    applications = SparkApplications({"state": "SUBMISSION_FAILED", "errorMessage": "no service account"})
    with pytest.raises(AirflowException, match=rf"{names.pod_name(*TRY)} is SUBMISSION_FAILED: no service account"):
        failing_task(monkeypatch, applications, ApiException(status=404)).execute(context)


def test_without_an_error_message_the_failure_has_that_of_the_pod(monkeypatch: pytest.MonkeyPatch, context: Any) -> None:
    with pytest.raises(AirflowException, match="returned a failure"):
        failing_task(monkeypatch, SparkApplications({})).execute(context)


def test_the_application_of_an_earlier_try_is_deleted_first(monkeypatch: pytest.MonkeyPatch, context: Any) -> None:
    applications = SparkApplications({})
    with pytest.raises(AirflowException):
        failing_task(monkeypatch, applications).execute(context)
    assert applications.deleted == [names.pod_name(*TRY[:3], 1)]


PODS = "/api/v1/namespaces/clickstream-tools/pods"


def run_pods(api: KubernetesApi, receipt: Receipt | None) -> list[list[str]]:
    """Lets each created pod run and succeed; its app writes the receipt. Returns the names of the pods at each creation, filled later."""
    names_at_creation: list[list[str]] = []

    def create(pod: Object) -> None:
        names_at_creation.append(api.names("pods"))
        pod["status"] = {"phase": "Pending"}
        api.logs[pod["metadata"]["name"]] = ["2026-01-02T00:00:00.000000000Z done"]

    def advance(pod: Object) -> None:
        if pod["status"]["phase"] == "Pending":
            pod["status"] = status("Running", {"running": {"startedAt": CREATED}})
        elif pod["status"]["phase"] == "Running":
            pod["status"] = status("Succeeded", {"terminated": {"exitCode": 0, "finishedAt": CREATED}})
            if receipt:
                write_receipt(pod["spec"]["containers"][0]["args"], receipt)

    def status(phase: str, state: Object) -> Object:
        container = {"name": "base", "state": state, "ready": True, "restartCount": 0, "image": "i", "imageID": "i"}
        return {"phase": phase, "containerStatuses": [container], "startTime": CREATED}

    api.on_create, api.on_get = create, advance
    return names_at_creation


@pytest.fixture
def tool_context(context: Any) -> Any:
    """The context of the second try of a task, complete enough for the provider's operators."""
    ti = SimpleNamespace(
        dag_id=TRY[0], run_id=TRY[1], task_id=TRY[2], try_number=2, map_index=-1, pushed={}, raw=False, is_mapped=False, hostname=""
    )
    ti.xcom_push = lambda key, value: ti.pushed.__setitem__(key, value)
    dag_run = SimpleNamespace(run_id=TRY[1], logical_date=None)
    return {"ti": ti, "task_instance": ti, "run_id": TRY[1], "dag_run": dag_run, "dag": SimpleNamespace(dag_id=TRY[0]), "params": {}}


def tool_task() -> PodReceiptOperator:
    task = kubernetes.build(Settings()).tool(ToolJob("ledger", ("wait",)), task_id=TRY[2])
    assert isinstance(task, PodReceiptOperator)
    return task


@pytest.fixture(params=[False, True])
def _default_deferrable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE sets when Airflow is imported; a task that defers ends without its receipt."""
    defaults = inspect.unwrap(KubernetesPodOperator.__init__).__kwdefaults__
    monkeypatch.setitem(defaults, "deferrable", request.param)


@pytest.mark.usefixtures("_default_deferrable")
def test_a_tool_runs_as_a_pod_and_its_receipt_is_the_return_value(kubernetes_api: KubernetesApi, tool_context: Any) -> None:
    run_pods(kubernetes_api, GOOD)
    tool_task().execute(tool_context)
    assert tool_context["ti"].pushed["return_value"]["facts"] == GOOD.facts
    assert f"POST {PODS}" in kubernetes_api.requests


def test_a_pod_that_exits_with_code_0_without_a_receipt_fails_the_task(kubernetes_api: KubernetesApi, tool_context: Any) -> None:
    run_pods(kubernetes_api, None)
    with pytest.raises(AirflowFailException, match="exit code 0 but no receipt"):
        tool_task().execute(tool_context)


def test_the_running_pod_of_an_earlier_try_is_gone_before_the_next_starts(kubernetes_api: KubernetesApi, tool_context: Any) -> None:
    """Its labels are those that Airflow would adopt it by; it writes the receipt of its own try, which this try does not read."""
    run_pods(kubernetes_api, GOOD)
    first_context = {**tool_context, "ti": SimpleNamespace(**{**vars(tool_context["ti"]), "try_number": 1})}
    first = tool_task()
    first.name = names.pod_name(*TRY[:3], 1)
    labels = {**first._get_ti_pod_labels(first_context), "airflow_kpo_in_cluster": "False"}
    running = {"phase": "Running", "startTime": CREATED}
    pod = {"kind": "Pod", "metadata": {"name": first.name, "labels": labels, "creationTimestamp": CREATED}, "status": running}
    kubernetes_api.objects[f"{PODS}/{first.name}"] = {**pod, "spec": {"containers": []}}
    kubernetes_api.deletion_gets = 2
    kubernetes_api.fail("GET", first.name, 503, 0)
    names_at_creation = run_pods(kubernetes_api, GOOD)
    kubernetes_api.on_get = no_change_of(first.name, kubernetes_api.on_get)
    tool_task().execute(tool_context)
    assert names_at_creation == [[names.pod_name(*TRY)]]
    assert tool_context["ti"].pushed["return_value"]["facts"] == GOOD.facts


def no_change_of(name: str, on_get: Any) -> Any:
    return lambda pod: None if pod["metadata"]["name"] == name else on_get(pod)


def test_a_pod_that_stays_is_an_error_that_names_it(kubernetes_api: KubernetesApi, monkeypatch: pytest.MonkeyPatch) -> None:
    kubernetes_api.objects[f"{PODS}/stuck"] = {"kind": "Pod", "metadata": {"name": "stuck"}}
    kubernetes_api.deletion_gets = 10**9
    monkeypatch.setattr(kubernetes_client, "DELETION_SECONDS", 0.1)
    with pytest.raises(AirflowException, match="stuck of an earlier try still exists"):
        tool_task()._delete_pod_and_wait("stuck")


@pytest.mark.usefixtures("_default_deferrable")
def test_a_spark_app_runs_as_an_application_and_its_receipt_is_the_return_value(kubernetes_api: KubernetesApi, tool_context: Any) -> None:
    task = kubernetes.build(Settings()).spark(SparkJob("curate", ("--ref", "main")), task_id=TRY[2])
    run_application(kubernetes_api, tool_context["ti"])
    task.execute(tool_context)
    assert tool_context["ti"].pushed["return_value"]["facts"] == GOOD.facts
    assert kubernetes_api.names("sparkapplications") == [names.pod_name(*TRY)]


def test_the_running_application_of_an_earlier_try_is_gone_before_the_next_starts(kubernetes_api: KubernetesApi, tool_context: Any) -> None:
    earlier = names.pod_name(*TRY[:3], 1)
    folder = "/apis/sparkoperator.k8s.io/v1beta2/namespaces/clickstream-spark/sparkapplications"
    kubernetes_api.objects[f"{folder}/{earlier}"] = {"kind": "SparkApplication", "metadata": {"name": earlier}}
    kubernetes_api.deletion_gets = 2
    run_application(kubernetes_api, tool_context["ti"])
    names_at_creation, create = [], kubernetes_api.on_create

    def record(created: Object) -> None:
        names_at_creation.append(kubernetes_api.names("sparkapplications"))
        create(created)

    kubernetes_api.on_create = record
    kubernetes.build(Settings()).spark(SparkJob("curate", ()), task_id=TRY[2]).execute(tool_context)
    assert names_at_creation[0] == [names.pod_name(*TRY)]


def run_application(api: KubernetesApi, ti: Any) -> None:
    """Lets a created Spark application get a driver pod, which runs and succeeds; its app writes the receipt."""
    run_pods(api, None)
    create_pod, advance = api.on_create, api.on_get

    def create(created: Object) -> None:
        if created["kind"] != "SparkApplication":
            return create_pod(created)
        driver = f"{created['metadata']['name']}-driver"
        created["status"] = {"applicationState": {"state": "RUNNING"}, "driverInfo": {"podName": driver}}
        write_receipt(created["spec"]["arguments"], GOOD)
        labels = {"spark-role": "driver", "spark-app-name": created["metadata"]["name"]}
        metadata = {"name": driver, "namespace": "clickstream-spark", "labels": labels, "creationTimestamp": CREATED}
        pod = {"kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "base"}]}}
        api.objects[f"/api/v1/namespaces/clickstream-spark/pods/{driver}"] = pod
        return create_pod(pod)

    api.on_create = create
    api.on_get = lambda stored: advance(stored) if stored["kind"] == "Pod" else None


def test_a_pod_may_take_as_long_as_the_first_pull_of_its_image_on_a_new_node() -> None:
    spark = kubernetes.build(Settings()).spark(SparkJob("curate", ()), task_id="curate")
    assert tool_task().startup_timeout_seconds >= spark.startup_timeout_seconds == 600


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
