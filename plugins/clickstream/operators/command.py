"""Operators that run an app as a process of this machine."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from clickstream.operators.processes import end_processes
from clickstream.operators.receipt import ReceiptMixin, without_empty
from clickstream_contracts.settings import environment


class CommandOperator(BaseOperator):
    """Runs one command with its output in the task's log. Killing the task kills the command's process group."""

    template_fields: Sequence[str] = ("command",)

    def __init__(self, *, command: list[str], folder: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.command = command
        self.folder = folder

    def execute(self, context: Context) -> Any:
        result = self._process.run_command(self.command, env=environment(**self.extra_environment()), cwd=self.folder)
        if result.exit_code != 0:
            raise AirflowException(f"{self.task_id} failed with exit code {result.exit_code}: {result.output}")

    def extra_environment(self) -> dict[str, str]:
        """Returns environment variables of the command in addition to those of the Airflow process."""
        return {}

    def on_kill(self) -> None:
        self._process.send_sigterm()

    @cached_property
    def _process(self) -> SubprocessHook:
        return SubprocessHook()


class CommandReceiptOperator(ReceiptMixin, CommandOperator):
    """Runs a command and requires its receipt. Processes of earlier tries are ended first: two of them must not write at once."""

    def end_earlier_tries(self, receipt_uris: list[str]) -> None:
        groups = end_processes(receipt_uris)
        if groups:
            self.log.warning("Ended processes of earlier tries, whose task runner was killed: process groups %s", groups)

    def add_arguments(self, arguments: list[str]) -> None:
        self.command = without_empty([*self.command, *arguments])
