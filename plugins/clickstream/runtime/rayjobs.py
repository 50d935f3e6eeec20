"""Operators that run a Ray app as a RayJob of KubeRay."""

import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from clickstream.operators.receipt import ReceiptMixin, without_empty
from clickstream.runtime import rayjob_specs
from clickstream.runtime.kubernetes_client import CustomResources, JobLog
from clickstream.task_names import try_name
from clickstream_contracts import names
from clickstream_contracts.settings import Settings

NAMESPACE = names.namespace("ray")
# Lines of the job's output that a failure ends with.
LAST_LINES = 20


class RayJobResourceOperator(BaseOperator):
    """Applies a RayJob, logs the output of its job and waits until it ends. The RayJob is deleted at its end: its output is in the log.

    KubeRay does not delete the RayJobs of a running cluster, and ignores `ttlSecondsAfterFinished` for them.
    A RayJob of an earlier try that still runs, because only its worker was lost, is adopted: this try waits for that one.
    Killing the task deletes the RayJob, which stops the job.
    """

    template_fields: Sequence[str] = ("command",)

    def __init__(self, *, command: list[str], poll_seconds: float = 5.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.command = command
        self.poll_seconds = poll_seconds
        self._name = ""

    def execute(self, context: Context) -> Any:
        self._delete_expired()
        if not self._name:
            self._name = try_name(context["ti"], context["ti"].try_number)
            self._rayjobs.apply(self._name, rayjob_specs.manifest(self._name, self.command, Settings.from_env()))
        last_lines: deque[str] = deque(maxlen=LAST_LINES)
        status = self._wait(last_lines)
        self._rayjobs.delete_if_possible(self._name)
        failure = rayjob_specs.failure(self._name, status)
        if failure:
            raise AirflowException("\n".join([failure, *last_lines]))

    def adopt_running_job(self, ti: Any) -> int | None:
        """Returns the number of the earlier try whose RayJob still runs the same command; None if there is none.

        All other RayJobs of earlier tries are deleted and waited for, because two jobs must not write at once.
        """
        adopted = None
        for number in range(ti.try_number - 1, 0, -1):
            name = try_name(ti, number)
            rayjob = self._rayjobs.get(name)
            if adopted is None and rayjob_specs.runs(rayjob, self.command):
                self.log.info("RayJob %s of try %s still runs: following it", name, number)
                self._name, adopted = name, number
            elif rayjob:
                self._rayjobs.delete_and_wait(name)
        return adopted

    def on_kill(self) -> None:
        if self._name:
            self._rayjobs.delete(self._name)

    def _wait(self, last_lines: deque[str]) -> dict[str, Any]:
        """Logs the output line by line until the RayJob ends, and returns its status. `last_lines` gets the last lines."""
        log = JobLog(self.hook.core_v1_client, NAMESPACE, self._name)
        while True:
            status = self._rayjobs.status(self._name)
            for line in log.new_lines():
                self.log.info("%s", line)
                last_lines.append(line)
            if rayjob_specs.has_ended(status):
                return status
            time.sleep(self.poll_seconds)

    def _delete_expired(self) -> None:
        """Deletes RayJobs of any task that ended long ago, as `ttlSecondsAfterFinished` would."""
        now = datetime.now(UTC)
        for rayjob in self._rayjobs.list_or_none("app.kubernetes.io/managed-by=airflow"):
            if rayjob_specs.is_expired(rayjob, now):
                self._rayjobs.delete_if_possible(rayjob["metadata"]["name"])

    @property
    def _rayjobs(self) -> CustomResources:
        return CustomResources(self.hook.custom_object_client, "ray.io", "v1", NAMESPACE, "rayjobs")

    @cached_property
    def hook(self) -> KubernetesHook:
        return KubernetesHook(conn_id=KubernetesHook.default_conn_name)


class RayJobReceiptOperator(ReceiptMixin, RayJobResourceOperator):
    """Runs a RayJob and requires the app's receipt."""

    def adopt(self, context: Context) -> int | None:
        self.command = without_empty(self.command)
        return self.adopt_running_job(context["ti"])

    def add_arguments(self, arguments: list[str]) -> None:
        self.command = without_empty([*self.command, *arguments])
