"""The Kubernetes runtime's resources are the reviewed ones, and its operators speak as they should."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import ApiException

from clickstream.runtime.kubernetes import TellingSparkOperator
from clickstream_contracts import names
from tests.plugins.kubernetes_resources import AT, SNAPSHOT, rendered


def test_the_resources_are_the_reviewed_ones() -> None:
    assert rendered() == SNAPSHOT.read_text(), "if the change is meant: python -m tests.plugins.kubernetes_resources"


def test_a_try_has_one_name_and_no_other_try_has_it() -> None:
    assert names.pod_name(*AT) == names.pod_name(*AT)
    assert len({names.pod_name(*AT), names.pod_name(*AT[:3], 3), names.pod_name("other", *AT[1:]), names.pod_name(AT[0], "manual", *AT[2:])}) == 4
    # Spark adds a suffix to it for each of its pods and services.
    assert len(names.pod_name("d" * 99, "r" * 99, "t" * 99, 99)) <= 45


class Applications:
    """The custom objects of a cluster: what is asked of it, and what it answers."""

    def __init__(self, status: dict[str, Any]) -> None:
        self.status, self.deleted = status, []  # type: ignore[var-annotated]

    def get_namespaced_custom_object(self, *where: str) -> dict[str, Any]:
        return {"status": {"applicationState": self.status}}

    def delete_namespaced_custom_object(self, *where: str) -> None:
        self.deleted.append(where[-1])
        raise ApiException(status=404)


def task(monkeypatch: pytest.MonkeyPatch, cluster: Applications) -> TellingSparkOperator:
    def fail(self: Any, context: Any) -> None:
        raise AirflowException("Pod curate-driver returned a failure.")

    monkeypatch.setattr(SparkKubernetesOperator, "execute", fail)
    found = TellingSparkOperator(task_id="curate", namespace="clickstream-spark", template_spec={})
    found.__dict__["hook"] = SimpleNamespace(custom_object_client=cluster)
    return found


def context() -> Any:
    return {"ti": SimpleNamespace(dag_id=AT[0], run_id=AT[1], task_id=AT[2], try_number=AT[3])}


def test_a_failure_is_told_in_the_applications_words(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Applications({"state": "FAILED", "errorMessage": "driver container failed with ExitCode: 137, Reason: OOMKilled"})
    with pytest.raises(AirflowException, match=rf"{names.pod_name(*AT)} is FAILED: .*OOMKilled"):
        task(monkeypatch, cluster).execute(context())


def test_without_words_of_the_application_the_operators_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AirflowException, match="returned a failure"):
        task(monkeypatch, Applications({})).execute(context())


def test_what_an_earlier_try_left_running_is_deleted_first(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Applications({})
    with pytest.raises(AirflowException):
        task(monkeypatch, cluster).execute(context())
    assert cluster.deleted == [names.pod_name(*AT[:3], 1)]
