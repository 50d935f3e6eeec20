"""There: apps are pods of the images that carry the same files, started through the operators of Spark and Ray or directly."""

import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import ApiException

from clickstream.operators.pod_names import pod_names
from clickstream.operators.receipt import ReceiptMixin
from clickstream.runtime import pods, rayjobs
from clickstream.runtime.base import RayJob, SparkJob, ToolJob
from clickstream.runtime.flink import FlinkSession
from clickstream_contracts import names
from clickstream_contracts.settings import Settings

SPARK_VERSION = "4.1.4"
SPARK, TOOLS, RAY = (names.namespace(one) for one in ("spark", "tools", "ray"))
FOLDER = "/opt/clickstream"
# A finished application is kept an hour for those who look; a failed one is never started again by the operator itself.
KEEP_SECONDS = 3600
# What Spark adds to the heap for Python and the JVM's own needs; both together are the container's limit.
OVERHEAD = "512m"
# Scratch space of this name is Spark's own; any other would stay unused.
SCRATCH = "spark-local-dir-1"
SPARK_CONF = {
    # Spark tells of each block it stores; a task's log is read when something is wrong.
    "spark.log.level": "WARN",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # Fixed ports, which the network policies name.
    "spark.driver.port": "7078",
    "spark.driver.blockManager.port": "7079",
    "spark.blockManager.port": "7079",
    "spark.authenticate": "true",
    "spark.kubernetes.driver.service.deleteOnTermination": "true",
}


class TellingSparkOperator(SparkKubernetesOperator):
    """SparkKubernetesOperator whose applications have names of their own and whose failure is told in the application's words."""

    def execute(self, context: Context) -> None:
        tries = pod_names(context["ti"])
        # A driver that outlived the worker which started it must not write beside this try's.
        for earlier in tries[:-1]:
            self._delete(earlier)
        self.name = tries[-1]
        try:
            super().execute(context)
        except AirflowException as error:
            raise AirflowException(self._reason(tries[-1]) or str(error)) from error

    def _delete(self, name: str) -> None:
        try:
            self._applications("delete", name)
        except ApiException as error:
            if error.status != 404:
                raise

    def _reason(self, name: str) -> str:
        """What the application says of its end, '' if nothing."""
        try:
            state = self._applications("get", name).get("status", {}).get("applicationState", {})
        except ApiException:
            return ""
        message = str(state.get("errorMessage", "")).strip()
        return f"{name} is {state.get('state')}: {message}" if message else ""

    def _applications(self, verb: str, name: str) -> Any:
        call = getattr(self.hook.custom_object_client, f"{verb}_namespaced_custom_object")
        return call("sparkoperator.k8s.io", "v1beta2", self.namespace, "sparkapplications", name)


class SparkApplicationReceiptOperator(ReceiptMixin, TellingSparkOperator):
    """A Spark application whose success is the app's receipt."""

    def add_arguments(self, arguments: list[str]) -> None:
        spec = self.template_spec["spec"]
        spec["arguments"] = [a for a in [*spec["arguments"], *arguments] if a]


class PodReceiptOperator(ReceiptMixin, KubernetesPodOperator):
    """KubernetesPodOperator whose success is the app's receipt."""

    arguments: list[str]

    def execute(self, context: Context) -> None:
        self.name = pod_names(context["ti"])[-1]
        super().execute(context)

    def add_arguments(self, arguments: list[str]) -> None:
        self.arguments = [a for a in [*self.arguments, *arguments] if a]


class RayJobResourceOperator(BaseOperator):
    """Applies a RayJob and waits for its end, which is told in the resource's words; a killed task deletes it, and with it the job."""

    template_fields: Sequence[str] = ("command",)

    def __init__(self, *, command: list[str], poll_seconds: float = 5.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.command = command
        self.poll_seconds = poll_seconds
        self._name = ""

    def execute(self, context: Context) -> Any:
        tries = pod_names(context["ti"])
        # A job that outlived the worker which started it must not write beside this try's.
        for earlier in tries[:-1]:
            self._delete(earlier)
        self._name = tries[-1]
        self._jobs("patch", self._name, rayjobs.resource(self._name, self.command, Settings.from_env()), **rayjobs.APPLY)
        while not rayjobs.is_over(status := self._jobs("get", self._name).get("status", {})):
            time.sleep(self.poll_seconds)
        if problem := rayjobs.problem(self._name, status):
            raise AirflowException(problem)
        self._delete(self._name)

    def on_kill(self) -> None:
        if self._name:
            self._delete(self._name)

    def _delete(self, name: str) -> None:
        try:
            self._jobs("delete", name)
        except ApiException as error:
            if error.status != 404:
                raise

    def _jobs(self, verb: str, name: str, *body: Any, **how: Any) -> Any:
        call = getattr(self.hook.custom_object_client, f"{verb}_namespaced_custom_object")
        return call("ray.io", "v1", RAY, "rayjobs", name, *body, **how)

    @cached_property
    def hook(self) -> KubernetesHook:
        return KubernetesHook(conn_id=KubernetesHook.default_conn_name)


class RayJobReceiptOperator(ReceiptMixin, RayJobResourceOperator):
    """A RayJob whose success is the app's receipt."""

    def add_arguments(self, arguments: list[str]) -> None:
        self.command = [a for a in [*self.command, *arguments] if a]


class Kubernetes(FlinkSession):
    """Spark by the Spark operator's SparkApplication, Ray by its operator's RayJob, tools as pods."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def spark(self, job: SparkJob, **task: Any) -> BaseOperator:
        return SparkApplicationReceiptOperator(
            template_spec=self.spark_application(job),
            namespace=SPARK,
            random_name_suffix=False,
            reattach_on_restart=False,
            # Its last words are read after its end; the operator deletes it when KEEP_SECONDS are over.
            delete_on_termination=False,
            **task,
        )

    def tool(self, job: ToolJob, **task: Any) -> BaseOperator:
        return PodReceiptOperator(
            namespace=TOOLS,
            random_name_suffix=False,
            image=self._settings.tools_image,
            cmds=["python", "-m", f"tools.{job.tool}"],
            arguments=list(job.args),
            pod_template_dict=self.tool_pod(job),
            automount_service_account_token=False,
            do_xcom_push=False,
            **task,
        )

    def ray_job(self, job: RayJob, **task: Any) -> BaseOperator:
        return RayJobReceiptOperator(command=["python", "-m", f"ray_apps.jobs.{job.app}", *job.args], **task)

    def tool_pod(self, job: ToolJob) -> dict[str, Any]:
        """The pod of a tool, but for its command."""
        container = {
            "name": "base",
            "env": pods.environment(self._settings),
            "resources": pods.resources("1Gi", cpu=("100m", "1"), memory=("512Mi", "512Mi")),
        }
        metadata = {"labels": pods.labels("tool", job.tool)}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pods.spec("tool", container)}

    def spark_application(self, job: SparkJob) -> dict[str, Any]:
        """The SparkApplication of a job; its arguments hold Jinja until the task runs."""
        settings = self._settings
        return {
            "apiVersion": "sparkoperator.k8s.io/v1beta2",
            "kind": "SparkApplication",
            "metadata": {"namespace": SPARK, "labels": pods.labels("spark", job.app)},
            "spec": {
                "type": "Python",
                "pythonVersion": "3",
                "mode": "cluster",
                "image": settings.spark_image,
                "imagePullPolicy": "IfNotPresent",
                "sparkVersion": SPARK_VERSION,
                "mainApplicationFile": f"local://{FOLDER}/spark_apps/{job.app}.py",
                "arguments": list(job.args),
                "sparkConf": SPARK_CONF,
                "restartPolicy": {"type": "Never"},
                "timeToLiveSeconds": KEEP_SECONDS,
                "dynamicAllocation": {"enabled": True, "initialExecutors": 1, "minExecutors": 1, "maxExecutors": 2},
                "driver": self._half("driver", job, settings.spark_driver_memory, token=True),
                "executor": self._half("executor", job, settings.spark_executor_memory, token=False),
            },
        }

    def _half(self, role: str, job: SparkJob, memory: str, token: bool) -> dict[str, Any]:
        """Driver or executors. Only a driver may call the API server: it makes its executors."""
        account = f"spark-{role}"
        container = {
            "name": f"spark-kubernetes-{role}",
            "image": self._settings.spark_image,
            "env": pods.environment(self._settings),
            "resources": pods.resources("4Gi"),
            "volumeMounts": [*pods.MOUNTS, {"name": SCRATCH, "mountPath": "/scratch"}],
        }
        spec = pods.spec(account, container, automountServiceAccountToken=token)
        spec["volumes"].append({"name": SCRATCH, "emptyDir": {"sizeLimit": "4Gi"}})
        found = pods.labels(account, job.app)
        return {
            "cores": 1,
            "coreRequest": "500m",
            "coreLimit": "2",
            "memory": memory,
            "memoryOverhead": OVERHEAD,
            "serviceAccount": account,
            "labels": found,
            # Only what spark-submit itself passes on stands beside the template: the rest would need the operator's webhook.
            "template": {"metadata": {"labels": found}, "spec": spec},
        }


def build(settings: Settings) -> Kubernetes:
    """The Kubernetes runtime."""
    return Kubernetes(settings)
