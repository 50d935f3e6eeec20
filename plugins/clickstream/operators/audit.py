"""Operators that show in the grid which audits did not pass: one mapped task instance for each of them."""

import json
from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

# The severity of an audit that only warns.
WARN = "warn"


def has_passed(audit: dict[str, Any]) -> bool:
    """Returns whether an audit of a receipt returned no rows; an audit whose query failed has not passed."""
    return not audit["rows"] and not audit.get("error")


class FailedAuditsOperator(BaseOperator):
    """Returns the audits in the receipt of `audit_task_id` that did not pass, those with severity warn too."""

    def __init__(self, *, audit_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.audit_task_id = audit_task_id

    def execute(self, context: Context) -> list[dict[str, Any]]:
        receipt = context["ti"].xcom_pull(task_ids=self.audit_task_id, key="return_value")
        if receipt is None:
            raise AirflowSkipException(f"{self.audit_task_id} ended without a receipt: its log says why")
        audits = receipt["facts"].get("audits", [])
        failed = [audit for audit in audits if not has_passed(audit)]
        self.log.info("%d of %d audits did not pass", len(failed), len(audits))
        return failed


class AuditResultOperator(BaseOperator):
    """Fails with the rows of an audit that did not pass, or logs them if the audit only warns. It does not run the audit again."""

    template_fields: Sequence[str] = ("audit",)

    def __init__(self, *, audit: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.audit = audit

    def execute(self, context: Context) -> None:
        audit = self.audit
        self.log.info("Sample rows:\n%s", json.dumps(audit["sample"], indent=1))
        reason = audit.get("error") or f"{audit['rows']} rows: {audit['meaning']}"
        message = f"audit {audit['name']} (owner {audit['owner']}): {reason}"
        if audit["severity"] == WARN and not audit.get("error"):
            self.log.warning("%s. It only warns: the run goes on", message)
            return
        raise AirflowFailException(f"{message}. Nothing was merged; correct the data, then clear the run from pin_main on")
