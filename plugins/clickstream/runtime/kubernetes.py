"""There: apps are pods of the images that carry the same files, started through the Spark operator or directly."""

from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.sdk import BaseOperator
from kubernetes.client import models as k8s

from clickstream.operators.receipt import ReceiptMixin
from clickstream.runtime.base import QUIET, SparkJob, ToolJob
from clickstream.runtime.flink import FlinkSession
from clickstream_contracts.settings import Settings

SPARK_VERSION = "4.1.4"
SPARK_IMAGE = f"clickstream/spark-apps:{SPARK_VERSION}"
TOOLS_IMAGE = "clickstream/tools:latest"
NAMESPACE = "clickstream"
SETTINGS = "clickstream-settings"
FOLDER = "/opt/clickstream"
# A finished application is kept an hour for those who look; a failed one is never started again by the operator itself.
KEEP_SECONDS = 3600
# One name per try: an application left behind by an earlier try is never mistaken for this one.
NAME = "{{ ti.task_id | replace('_', '-') }}-{{ ti.id }}"
RESTRICTED = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


class SparkApplicationReceiptOperator(ReceiptMixin, SparkKubernetesOperator):
    """SparkKubernetesOperator whose success is the app's receipt."""

    def add_arguments(self, arguments: list[str]) -> None:
        spec = self.template_spec["spec"]
        spec["arguments"] = [a for a in [*spec["arguments"], *arguments] if a]


class PodReceiptOperator(ReceiptMixin, KubernetesPodOperator):
    """KubernetesPodOperator whose success is the app's receipt."""

    arguments: list[str]

    def add_arguments(self, arguments: list[str]) -> None:
        self.arguments = [a for a in [*self.arguments, *arguments] if a]


class Kubernetes(FlinkSession):
    """Spark by the Spark operator's SparkApplication, tools as pods."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def spark(self, job: SparkJob, **task: Any) -> BaseOperator:
        return SparkApplicationReceiptOperator(
            template_spec=self.spark_application(job), namespace=NAMESPACE, random_name_suffix=False, reattach_on_restart=False, **task
        )

    def tool(self, job: ToolJob, **task: Any) -> BaseOperator:
        return PodReceiptOperator(
            name=f"tool-{job.tool.replace('_', '-')}",
            namespace=NAMESPACE,
            image=TOOLS_IMAGE,
            cmds=["python", "-m", f"tools.{job.tool}"],
            arguments=list(job.args),
            env_from=[k8s.V1EnvFromSource(config_map_ref=k8s.V1ConfigMapEnvSource(name=SETTINGS))],
            container_security_context=RESTRICTED,
            **task,
        )

    def spark_application(self, job: SparkJob) -> dict[str, Any]:
        """The SparkApplication of a job; its arguments hold Jinja until the task runs."""
        pod = {"envFrom": [{"configMapRef": {"name": SETTINGS}}], "securityContext": RESTRICTED}
        return {
            "apiVersion": "sparkoperator.k8s.io/v1beta2",
            "kind": "SparkApplication",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/name": job.app}},
            "spec": {
                "type": "Python",
                "pythonVersion": "3",
                "mode": "cluster",
                "image": SPARK_IMAGE,
                "sparkVersion": SPARK_VERSION,
                "mainApplicationFile": f"local://{FOLDER}/spark_apps/{job.app}.py",
                "arguments": list(job.args),
                "sparkConf": QUIET | dict(job.conf),
                "restartPolicy": {"type": "Never"},
                "timeToLiveSeconds": KEEP_SECONDS,
                "driver": pod | {"cores": 1, "memory": self._settings.spark_driver_memory, "serviceAccount": "spark"},
                "executor": pod | {"cores": 1, "memory": self._settings.spark_executor_memory, "instances": 2},
            },
        }


def build(settings: Settings) -> Kubernetes:
    """The Kubernetes runtime."""
    return Kubernetes(settings)
