"""Sensor that starts a publication: one run of a DAG at a time is between its pin of main and its merge."""

import random
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout

from clickstream.hooks.nessie import NessieHook, Ref
from clickstream.operators.nessie import checked_main
from clickstream.task_names import run_branch
from clickstream_contracts import names

# The ten runs of a backfill wait for each other, and one of them may take more than an hour.
PATIENCE = timedelta(hours=12)
FIRST_PAUSE = timedelta(seconds=30)
# A check takes 1-2 s of CPU time, most of it the start of the task.
LONGEST_PAUSE = timedelta(minutes=5)
# States of a task that will not run any more.
ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")


class PinMainSensor(BaseSensorOperator):
    """Waits while another run of the DAG publishes, then creates the run's branch and returns the commit of main that it starts from.

    Runs of one DAG write the same tables, so of two runs from the same main only one could merge. Airflow does not count the runs of
    a backfill in `max_active_runs`. The run's branch is what other runs wait for, so it is created before they are looked for: of two
    runs that start at once, at least one sees the other, deletes its own branch and waits. A branch whose run has ended is ignored.

    - `must_contain`: the task fails if main does not contain this commit
    - `last_task_id`: the task that deletes the branch; a run in which it has ended does not publish any more
    """

    template_fields: Sequence[str] = ("must_contain",)

    def __init__(self, *, must_contain: str = "", last_task_id: str = "drop_branch", **kwargs: Any) -> None:
        pauses = {"poke_interval": FIRST_PAUSE, "exponential_backoff": True, "max_wait": LONGEST_PAUSE}
        super().__init__(**{"mode": "reschedule", "timeout": PATIENCE, **pauses, **kwargs})
        self.must_contain = must_contain
        self.last_task_id = last_task_id
        self._publishing: list[str] = []

    @cached_property
    def nessie(self) -> NessieHook:
        return NessieHook.from_settings()

    def execute(self, context: Context) -> Any:
        try:
            return super().execute(context)
        except AirflowSensorTimeout:
            raise AirflowFailException(
                f"run {', '.join(self._publishing)} of {context['ti'].dag_id} still has not ended after {self.timeout / 3600:.0f} h:"
                " finish it or mark it as failed, then clear this task"
            ) from None

    def _get_next_poke_interval(self, *args: Any, **kwargs: Any) -> float:
        """Returns the next pause in seconds, with a random part: runs that met in a check would meet again after equal pauses."""
        return float(super()._get_next_poke_interval(*args, **kwargs)) * random.uniform(0.5, 1)

    def poke(self, context: Context) -> PokeReturnValue:
        pinned = checked_main(self.nessie, self.must_contain)
        branch = self._create_branch(run_branch(context["ti"]), pinned)
        self._publishing = self._publishing_runs(context["ti"], branch)
        if self._publishing:
            self.nessie.delete_branch(branch)
            self.log.info("Waiting for run %s, which is between its pin of main and its merge", ", ".join(self._publishing))
            return PokeReturnValue(is_done=False)
        self.log.info("Pinned %s", pinned)
        return PokeReturnValue(is_done=True, xcom_value=pinned.hash)

    def _create_branch(self, name: str, pinned: Ref) -> Ref:
        """Creates the branch at `pinned`, also if the run was cleared and its branch has commits that started from an older main."""
        branch = self.nessie.ref(name)
        if branch is not None:
            self.nessie.delete_branch(branch)
        return self.nessie.create_branch(name, pinned)

    def _publishing_runs(self, ti: Any, branch: Ref) -> list[str]:
        """Returns the ids of the other runs of this DAG that have a branch and have not ended."""
        others = {ref.name for ref in self.nessie.branches(names.branch(ti.dag_id, ""))} - {branch.name}
        if not others:
            return []
        runs = ti.get_task_states(dag_id=ti.dag_id, task_ids=[self.last_task_id])
        return sorted(
            run_id
            for run_id, states in runs.items()
            if names.branch(ti.dag_id, run_id) in others and states.get(self.last_task_id) not in ENDED
        )
