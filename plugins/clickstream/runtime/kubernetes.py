"""Kubernetes runtime: a Spark app is a SparkApplication, a Ray app is a RayJob, a tool is a pod."""

from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import ApiException

from clickstream.operators.receipt import ReceiptMixin, without_empty
from clickstream.runtime import pod_specs
from clickstream.runtime.base import RayJob, SparkJob, ToolJob
from clickstream.runtime.flink import FlinkSession
from clickstream.runtime.kubernetes_client import CustomResources, is_present, wait_until_deleted
from clickstream.runtime.rayjobs import RayJobReceiptOperator
from clickstream.task_names import current_try_name, earlier_try_names
from clickstream_contracts import names
from clickstream_contracts.settings import Settings

SPARK_VERSION = "4.1.4"
SPARK_NAMESPACE = names.namespace("spark")
TOOLS_NAMESPACE = names.namespace("tools")
# The folder of the project in every image.
PROJECT = "/opt/clickstream"
# Time that a pod may take until it runs.
STARTUP_SECONDS = 600
# A finished SparkApplication is kept for an hour, for inspection.
SPARK_TTL_SECONDS = 3600
# Spark uses a volume as local storage only if its name begins with spark-local-dir-.
SPARK_LOCAL_DIR = "spark-local-dir-1"
SPARK_CONF = {
    # At INFO, Spark logs each block that it stores.
    "spark.log.level": "WARN",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # The network policies allow these ports.
    "spark.driver.port": "7078",
    "spark.driver.blockManager.port": "7079",
    "spark.blockManager.port": "7079",
    "spark.authenticate": "true",
    "spark.kubernetes.driver.service.deleteOnTermination": "true",
}


class DescriptiveFailureSparkOperator(SparkKubernetesOperator):
    """SparkKubernetesOperator that names the application after the try, and raises the error message of a failed application."""

    def execute(self, context: Context) -> None:
        # A driver of an earlier try may still run if its worker was lost, and two drivers must not write at once.
        for name in earlier_try_names(context["ti"]):
            self._applications.delete_and_wait(name)
        self.name = current_try_name(context["ti"])
        try:
            super().execute(context)
        # ApiException: the application or its driver is gone, or was refused before it had a driver.
        except (AirflowException, ApiException) as error:
            raise AirflowException(self._error_message(self.name) or str(error)) from error

    def _error_message(self, name: str) -> str:
        """Returns the state and error message of an application, e.g. `... is FAILED: ... OOMKilled`; '' if it has none."""
        try:
            state = self._applications.status(name).get("applicationState", {})
        except ApiException:
            return ""
        message = str(state.get("errorMessage", "")).strip()
        return f"{name} is {state.get('state')}: {message}" if message else ""

    @property
    def _applications(self) -> CustomResources:
        return CustomResources(self.hook.custom_object_client, "sparkoperator.k8s.io", "v1beta2", self.namespace, "sparkapplications")


class SparkApplicationReceiptOperator(ReceiptMixin, DescriptiveFailureSparkOperator):
    """Runs a SparkApplication and requires the app's receipt."""

    def add_arguments(self, arguments: list[str]) -> None:
        spec = self.template_spec["spec"]
        spec["arguments"] = without_empty([*spec["arguments"], *arguments])


class PodReceiptOperator(ReceiptMixin, KubernetesPodOperator):
    """Runs a pod and requires the app's receipt.

    A pod of an earlier try is deleted, not adopted: it would write the receipt of its own try, which this try does not read.
    """

    arguments: list[str]

    def execute(self, context: Context) -> None:
        for name in earlier_try_names(context["ti"]):
            self._delete_pod_and_wait(name)
        self.name = current_try_name(context["ti"])
        super().execute(context)

    def _delete_pod_and_wait(self, name: str) -> None:
        def exists() -> bool:
            return is_present(lambda: self.client.read_namespaced_pod(name, self.namespace))

        if exists() and is_present(lambda: self.client.delete_namespaced_pod(name, self.namespace)):
            wait_until_deleted(name, exists)

    def add_arguments(self, arguments: list[str]) -> None:
        self.arguments = without_empty([*self.arguments, *arguments])


class Kubernetes(FlinkSession):
    """Builds the operators of a cluster with the Spark operator and KubeRay."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def spark(self, job: SparkJob, **task: Any) -> BaseOperator:
        return SparkApplicationReceiptOperator(
            template_spec=self.spark_application(job),
            namespace=SPARK_NAMESPACE,
            random_name_suffix=False,
            reattach_on_restart=False,
            deferrable=False,
            # The error message is read after the end; the Spark operator deletes the application after SPARK_TTL_SECONDS.
            delete_on_termination=False,
            **task,
        )

    def tool(self, job: ToolJob, **task: Any) -> BaseOperator:
        return PodReceiptOperator(
            namespace=TOOLS_NAMESPACE,
            random_name_suffix=False,
            image=self._settings.tools_image,
            cmds=["python", "-m", f"tools.{job.tool}"],
            arguments=list(job.args),
            pod_template_dict=self.tool_pod(job),
            automount_service_account_token=False,
            do_xcom_push=False,
            # Includes the first pull of the image on a new node, and the node's start.
            startup_timeout_seconds=STARTUP_SECONDS,
            durable=False,
            # The receipt is read after the pod has ended, in the same try; a deferred task would end without it.
            deferrable=False,
            **task,
        )

    def ray_job(self, job: RayJob, **task: Any) -> BaseOperator:
        return RayJobReceiptOperator(command=["python", "-m", f"ray_apps.jobs.{job.app}", *job.args], **task)

    def tool_pod(self, job: ToolJob) -> dict[str, Any]:
        """Returns the pod of a tool; the operator adds its command."""
        container = {
            "name": "base",
            "env": pod_specs.environment(self._settings),
            "resources": pod_specs.resources("1Gi", cpu=("100m", "1"), memory=("512Mi", "512Mi")),
        }
        metadata = {"labels": pod_specs.labels("tool", job.tool)}
        volumes = [pod_specs.TMP, pod_specs.KEYS, *pod_specs.certificates(self._settings.changed())]
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_specs.pod_spec("tool", container, volumes)}

    def spark_application(self, job: SparkJob) -> dict[str, Any]:
        """Returns the SparkApplication of a job; its arguments are templates until the task runs."""
        settings = self._settings
        return {
            "apiVersion": "sparkoperator.k8s.io/v1beta2",
            "kind": "SparkApplication",
            "metadata": {"namespace": SPARK_NAMESPACE, "labels": pod_specs.labels("spark", job.app)},
            "spec": {
                "type": "Python",
                "pythonVersion": "3",
                "mode": "cluster",
                "image": settings.spark_image,
                "imagePullPolicy": "IfNotPresent",
                "sparkVersion": SPARK_VERSION,
                "mainApplicationFile": f"local://{PROJECT}/spark_apps/{job.app}/__main__.py",
                "arguments": list(job.args),
                "sparkConf": SPARK_CONF,
                "restartPolicy": {"type": "Never"},
                "timeToLiveSeconds": SPARK_TTL_SECONDS,
                "dynamicAllocation": {
                    "enabled": True,
                    "initialExecutors": 1,
                    "minExecutors": 1,
                    "maxExecutors": settings.spark_max_executors,
                },
                # Only the driver calls the API server: it creates the executors.
                "driver": self._spark_pod("driver", job, pod_specs.spark_sizes(1, settings.spark_driver_memory), mount_token=True),
                "executor": self._spark_pod(
                    "executor",
                    job,
                    pod_specs.spark_sizes(settings.spark_executor_cores, settings.spark_executor_memory),
                    mount_token=False,
                ),
            },
        }

    def _spark_pod(self, role: str, job: SparkJob, sizes: dict[str, Any], mount_token: bool) -> dict[str, Any]:
        """Returns the driver or executor section of a SparkApplication."""
        service_account = f"spark-{role}"
        container = {
            "name": f"spark-kubernetes-{role}",
            "image": self._settings.spark_image,
            "env": pod_specs.environment(self._settings),
            "resources": pod_specs.resources("4Gi"),
        }
        variables = self._settings.changed()
        scratch = ({"name": SPARK_LOCAL_DIR, "emptyDir": {"sizeLimit": "4Gi"}}, "/scratch")
        volumes = [pod_specs.TMP, *pod_specs.s3_keys(variables), scratch, *pod_specs.certificates(variables)]
        spec = pod_specs.pod_spec(service_account, container, volumes, automountServiceAccountToken=mount_token)
        labels = pod_specs.labels(service_account, job.app)
        return {
            **sizes,
            "serviceAccount": service_account,
            "labels": labels,
            # These fields are set outside the template because spark-submit passes them on; others would need the operator's webhook.
            "template": {"metadata": {"labels": labels}, "spec": spec},
        }


def build(settings: Settings) -> Kubernetes:
    """Returns the Kubernetes runtime."""
    return Kubernetes(settings)
