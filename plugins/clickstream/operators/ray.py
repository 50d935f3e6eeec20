"""Ray apps as jobs of a running head."""

import shlex
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import httpx
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from clickstream.hooks.ray import OVER, RayError, RayJobs
from clickstream.operators.pod_names import pod_names
from clickstream.operators.receipt import ReceiptMixin
from clickstream_contracts.settings import Settings


class RayJobOperator(BaseOperator):
    """Runs one command as a job of the Ray head, its output in the task's log; a killed task ends its job."""

    template_fields: Sequence[str] = ("command",)

    def __init__(self, *, command: list[str], poll_seconds: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.command = command
        self.poll_seconds = poll_seconds
        self._job = ""

    def execute(self, context: Context) -> Any:
        tries = pod_names(context["ti"])
        try:
            # A job that outlived the worker which started it must not write beside this try's.
            for earlier in tries[:-1]:
                self.jobs.stop(earlier)
            self._job = tries[-1]
            self.jobs.submit(self._job, f"exec {shlex.join(self.command)}", {"task": self.task_id, "run": context["ti"].run_id})
            self._follow()
        except (RayError, httpx.HTTPError) as error:
            raise AirflowException(str(error)) from None

    def on_kill(self) -> None:
        if self._job:
            self.jobs.stop(self._job)

    def _follow(self) -> None:
        """Pass on what the job prints until it is over. Raises AirflowException unless it ended well."""
        told = 0
        while True:
            found = self.jobs.find(self._job)
            if found is None:
                raise AirflowException(f"Ray does not know {self._job} any more: its head was started anew meanwhile")
            text = self.jobs.logs(self._job)
            whole = len(text) if found["status"] in OVER else text.rfind("\n") + 1
            for line in text[told:whole].splitlines():
                self.log.info("%s", line)
            told = max(told, whole)
            if found["status"] in OVER:
                break
            time.sleep(self.poll_seconds)
        if found["status"] != "SUCCEEDED":
            raise AirflowException(f"{self._job} is {found['status']}: {found.get('message') or 'no reason given'}")

    @cached_property
    def jobs(self) -> RayJobs:
        return RayJobs.from_settings(Settings.from_env())


class RayReceiptOperator(ReceiptMixin, RayJobOperator):
    """A Ray app whose success is its receipt."""

    def add_arguments(self, arguments: list[str]) -> None:
        self.command = [a for a in [*self.command, *arguments] if a]
