"""Operator that continues the recomputation of a long range of days with the next run."""

from collections.abc import Sequence

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Context, TriggerRule
from airflow.sdk.exceptions import AirflowSkipException

from clickstream_contracts import names


class NextDaysOperator(TriggerDagRunOperator):
    """Triggers a run of the same DAG for the next days of a range, after this run has published its own or had nothing to publish.

    So the runs of a range are never started before they are needed: one that fails ends the range, and one that is cleared and succeeds
    continues it. `first_day` is the first day of the next run, '' to skip; `last_day` ends the range.
    """

    template_fields: Sequence[str] = ("trigger_dag_id", "first_day", "last_day")

    def __init__(self, *, first_day: str, last_day: str, **kwargs: object) -> None:
        super().__init__(
            trigger_dag_id="{{ dag.dag_id }}",
            logical_date=None,
            trigger_rule=TriggerRule.NONE_FAILED,
            # Of a retry whose response was lost, or of a run that is cleared after the range went on.
            skip_when_already_exists=True,
            **kwargs,
        )
        self.first_day = first_day
        self.last_day = last_day

    def execute(self, context: Context) -> None:
        if not self.first_day:
            raise AirflowSkipException("no days are left to recompute")
        self.trigger_run_id = names.next_days_id(context["ti"].run_id, self.first_day)
        self.conf = {**context["params"], "first_day": self.first_day, "day": self.last_day}
        self.log.info("Triggering %s for the days from %s on, up to %s", self.trigger_run_id, self.first_day, self.last_day)
        super().execute(context)
