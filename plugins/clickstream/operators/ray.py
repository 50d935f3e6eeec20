"""Operators that run a Ray app as a job of a running Ray head."""

import shlex
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import httpx
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from clickstream.hooks.ray import TERMINAL_STATES, RayError, RayJobHook
from clickstream.operators.receipt import ReceiptMixin, without_empty
from clickstream.task_names import current_try_name, earlier_try_names
from clickstream_contracts.settings import Settings

# Ray kills a job that has not ended some seconds after it was stopped.
STOP_SECONDS = 60


class RayJobOperator(BaseOperator):
    """Runs one command as a job of the Ray head with its output in the task's log. Killing the task stops the job."""

    template_fields: Sequence[str] = ("command",)

    def __init__(self, *, command: list[str], poll_seconds: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.command = command
        self.poll_seconds = poll_seconds
        self._job_id = ""

    def execute(self, context: Context) -> Any:
        ti = context["ti"]
        try:
            # A job of an earlier try may still run if its worker was lost, and two jobs must not write at once.
            for job_id in earlier_try_names(ti):
                self._stop_and_wait(job_id)
            self._job_id = current_try_name(ti)
            self.hook.submit(self._job_id, f"exec {shlex.join(self.command)}", {"task": self.task_id, "run": ti.run_id})
            self._follow()
        except (RayError, httpx.HTTPError) as error:
            raise AirflowException(str(error)) from None

    def on_kill(self) -> None:
        if self._job_id:
            self.hook.stop(self._job_id)

    def _stop_and_wait(self, job_id: str) -> None:
        """Stops a job and waits until it has ended. Raises AirflowException after STOP_SECONDS."""
        self.hook.stop(job_id)
        deadline = time.monotonic() + STOP_SECONDS
        while (job := self.hook.find(job_id)) and job["status"] not in TERMINAL_STATES:
            if time.monotonic() > deadline:
                raise AirflowException(f"{job_id} of an earlier try still runs {STOP_SECONDS} s after it was stopped: restart the Ray head")
            time.sleep(self.poll_seconds)

    def _follow(self) -> None:
        """Logs the job's output line by line until the job ends. Raises AirflowException if it did not succeed."""
        logged = 0
        while True:
            job = self.hook.find(self._job_id)
            if job is None:
                raise AirflowException(f"Ray lost the job {self._job_id}: its head was restarted; the next try submits it again")
            has_ended = job["status"] in TERMINAL_STATES
            output = self.hook.logs(self._job_id)
            # While the job runs, the last line may be incomplete.
            complete = len(output) if has_ended else output.rfind("\n") + 1
            for line in output[logged:complete].splitlines():
                self.log.info("%s", line)
            logged = max(logged, complete)
            if has_ended:
                break
            time.sleep(self.poll_seconds)
        if job["status"] != "SUCCEEDED":
            raise AirflowException(f"{self._job_id} is {job['status']}: {job.get('message') or 'no reason given'}")

    @cached_property
    def hook(self) -> RayJobHook:
        return RayJobHook.from_settings(Settings.from_env())


class RayReceiptOperator(ReceiptMixin, RayJobOperator):
    """Runs a Ray app and requires its receipt."""

    def add_arguments(self, arguments: list[str]) -> None:
        self.command = without_empty([*self.command, *arguments])
