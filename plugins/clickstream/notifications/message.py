"""The texts of notifications: a failed task, and an audit that only warns."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from airflow.sdk import Context
from airflow.sdk.log import redact

# An error may be a whole stack trace; the log has all of it.
MAX_ERROR_CHARACTERS = 1500
MAX_ROW_CHARACTERS = 300


@dataclass(frozen=True)
class Message:
    """What is sent. `owner` is that of the audit, '' for a failed task that is no audit; `rows` are the first rows it returned.

    `count` is the number of all rows that the audit returned, None for a failed task that is no audit.
    """

    kind: str
    dag_id: str
    run_id: str
    task_id: str
    reason: str
    log_url: str
    audit: str = ""
    owner: str = ""
    count: int | None = None
    rows: tuple[dict[str, Any], ...] = ()

    @property
    def subject(self) -> str:
        """The first line."""
        if self.audit:
            verb = "failed" if self.kind == "failure" else "warns"
            return f"{self.dag_id}: audit {self.audit} {verb} (owner {self.owner})"
        return f"{self.dag_id}: task {self.task_id} failed"

    def text(self, max_rows: int) -> str:
        """Returns the message as plain text, with `max_rows` of its rows at most."""
        lines = [self.subject, self.reason, *(f"  {_row_text(row)}" for row in self.rows[:max_rows]), f"run: {self.run_id}"]
        return "\n".join([*lines, f"log: {self.log_url}"] if self.log_url else lines)

    def fields(self, max_rows: int) -> dict[str, Any]:
        """Returns the message as data: its fields, and its text."""
        return {**asdict(self), "rows": list(self.rows[:max_rows]), "text": self.text(max_rows)}


def failure_message(context: Context) -> Message:
    """Returns the message about the failed task of a context."""
    return _message("failure", context, str(context.get("exception") or "its process ended, or its state was set to failed"))


def warning_message(context: Context) -> Message:
    """Returns the message about the audit of a context, which has rows and only warns."""
    audit = _audit(context)
    return _message("warning", context, f"{audit['rows']} rows: {audit['meaning']}")


def _message(kind: str, context: Context, reason: str) -> Message:
    ti = context["ti"]
    audit = _audit(context)
    # What Airflow masks in the log must not leave the cluster either.
    reason = str(redact(reason))
    return Message(
        kind=kind,
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        reason=reason if len(reason) <= MAX_ERROR_CHARACTERS else f"{reason[:MAX_ERROR_CHARACTERS]} ...",
        log_url=str(getattr(ti, "log_url", "") or ""),
        audit=audit.get("name", ""),
        owner=audit.get("owner", ""),
        count=audit.get("rows"),
        rows=tuple(audit.get("sample", ())),
    )


def _audit(context: Context) -> dict[str, Any]:
    """Returns the audit that the task of a context reports; empty for another task, or if its template was not rendered."""
    audit = getattr(context.get("task"), "audit", None)
    return audit if isinstance(audit, dict) else {}


def _row_text(row: dict[str, Any]) -> str:
    text = json.dumps(row, default=str, ensure_ascii=False)
    return text if len(text) <= MAX_ROW_CHARACTERS else f"{text[:MAX_ROW_CHARACTERS]} ..."
