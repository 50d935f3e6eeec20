"""Operator that runs a DAG run again after its merge met a conflict."""

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Context, TriggerRule
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from clickstream.operators.nessie import CONFLICT_KEY


class RerunOperator(TriggerDagRunOperator):
    """Triggers a rerun from the new main, at most twice, if `merge_task_id` failed with a conflict; skips after other failures.

    The rerun has the parameters of this run, replaced by those of `run_conf`.
    """

    template_fields: Sequence[str] = ("trigger_dag_id", "trigger_run_id", "run_conf")

    def __init__(self, *, merge_task_id: str, run_conf: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(
            trigger_dag_id="{{ dag.dag_id }}",
            trigger_run_id="{{ names.rerun_id(run_id) }}",
            logical_date=None,
            trigger_rule=TriggerRule.ONE_FAILED,
            skip_when_already_exists=True,
            **kwargs,
        )
        self.merge_task_id = merge_task_id
        self.run_conf = dict(run_conf or {})

    def execute(self, context: Context) -> None:
        conflict = context["ti"].xcom_pull(task_ids=self.merge_task_id, key=CONFLICT_KEY)
        if not conflict:
            raise AirflowSkipException(f"{self.merge_task_id} failed without a conflict: a rerun would fail again")
        if not self.trigger_run_id:
            raise AirflowFailException(f"{conflict}; this was the second rerun: stop the other writer, then trigger the DAG")
        self.log.warning("%s. Triggering %s", conflict, self.trigger_run_id)
        self.conf = {**context["params"], **self.run_conf}
        super().execute(context)
