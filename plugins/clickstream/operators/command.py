"""Apps as plain processes."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from clickstream.operators.receipt import ReceiptMixin
from clickstream_contracts.settings import environment


class CommandOperator(BaseOperator):
    """Runs one command, its output in the task's log; a killed task takes the command's whole process group along."""

    template_fields: Sequence[str] = ("command",)

    def __init__(self, *, command: list[str], folder: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.command = command
        self.folder = folder

    def execute(self, context: Context) -> Any:
        result = self._process.run_command(self.command, env=environment(**self.environment()), cwd=self.folder)
        if result.exit_code != 0:
            raise AirflowException(f"{self.task_id} ended with exit code {result.exit_code}: {result.output}")

    def environment(self) -> dict[str, str]:
        """What the command finds in its environment besides this process's own."""
        return {}

    def on_kill(self) -> None:
        self._process.send_sigterm()

    @cached_property
    def _process(self) -> SubprocessHook:
        return SubprocessHook()


class CommandReceiptOperator(ReceiptMixin, CommandOperator):
    """A command whose success is its receipt."""

    def add_arguments(self, arguments: list[str]) -> None:
        self.command = [a for a in [*self.command, *arguments] if a]
