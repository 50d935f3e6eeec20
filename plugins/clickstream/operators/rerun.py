"""Operator that runs a DAG run again after its merge met a conflict."""

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Context, TaskInstanceState, TriggerRule
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from clickstream.operators.nessie import CONFLICT_KEY


class RerunOperator(TriggerDagRunOperator):
    """Triggers a rerun from the new main, at most twice, if `merge_task_id` failed with a conflict; skips after other failures.

    `pin_task_id` returned the commit of main that the run started from. The rerun has the parameters of this run, replaced by those of
    `run_conf` that are not empty.
    """

    template_fields: Sequence[str] = ("trigger_dag_id", "trigger_run_id", "run_conf")

    def __init__(
        self, *, merge_task_id: str, pin_task_id: str = "pin_main", run_conf: Mapping[str, str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(
            trigger_dag_id="{{ dag.dag_id }}",
            trigger_run_id="{{ names.rerun_id(run_id, ti.xcom_pull(task_ids='" + pin_task_id + "')) }}",
            logical_date=None,
            trigger_rule=TriggerRule.ONE_FAILED,
            # Of a retry, whose response was lost: another conflict has another id.
            skip_when_already_exists=True,
            **kwargs,
        )
        self.merge_task_id = merge_task_id
        self.run_conf = dict(run_conf or {})

    def execute(self, context: Context) -> None:
        conflict = context["ti"].xcom_pull(task_ids=self.merge_task_id, key=CONFLICT_KEY)
        # The conflict may be that of an earlier pass of a cleared run, in which the merge did not run this time.
        if not conflict or self._merge_state(context["ti"]) != TaskInstanceState.FAILED:
            raise AirflowSkipException(f"{self.merge_task_id} failed without a conflict: a rerun would fail again")
        if not self.trigger_run_id:
            raise AirflowFailException(f"{conflict}; this was the second rerun: stop the other writer, then trigger the DAG")
        self.log.warning("%s. Triggering %s", conflict, self.trigger_run_id)
        self.conf = {**context["params"], **{name: value for name, value in self.run_conf.items() if value}}
        super().execute(context)

    def _merge_state(self, ti: Any) -> str | None:
        state: str | None = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])[ti.run_id].get(self.merge_task_id)
        return state
