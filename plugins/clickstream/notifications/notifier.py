"""Airflow notifiers: callbacks of tasks that failed, and of audits that only warn."""

from airflow.sdk import BaseNotifier, Context

from clickstream.notifications import targets
from clickstream.notifications.message import Message, failure_message, warning_message


class FailureNotifier(BaseNotifier):
    """Sends that a task failed for good: `on_failure_callback` of every task.

    With `first_only`, the task is not sent again if it failed in the run before too: a stream that is down fails every five minutes.
    """

    def __init__(self, *, first_only: bool = False) -> None:
        super().__init__()
        self.first_only = first_only

    def notify(self, context: Context) -> None:
        try:
            if self.first_only and _failed_before(context):
                self.log.info("No notification: this task failed in the run before too")
                return
            _send(self, failure_message(context), context)
        except Exception as error:
            self.log.warning("The failure was not notified: %s", type(error).__name__)


class AuditWarningNotifier(BaseNotifier):
    """Sends that an audit returned rows although its task succeeded, because it only warns: `on_success_callback` of `audit_result`."""

    def notify(self, context: Context) -> None:
        try:
            _send(self, warning_message(context), context)
        except Exception as error:
            self.log.warning("The warning was not notified: %s", type(error).__name__)


def _send(notifier: BaseNotifier, message: Message, context: Context) -> None:
    """Send a message to its owner, or log it if no connection says where to. What cannot be sent is logged."""
    connection = targets.find_connection(message.owner)
    if connection is None:
        notifier.log.warning(
            "Notification, not sent because Airflow has no connection %s:\n%s", targets.CONNECTION, message.text(targets.DEFAULT_ROWS)
        )
        return
    try:
        targets.send(connection, message, context)
    except targets.NotificationError as error:
        notifier.log.warning("Notification not sent, %s:\n%s", error, message.text(targets.DEFAULT_ROWS))
        return
    notifier.log.info("Notification sent by connection %s: %s", connection.conn_id, message.subject)


def _failed_before(context: Context) -> bool:
    """Returns whether the task failed in the run before this one too; False for a manual run and if Airflow does not say."""
    try:
        if context["dag_run"].logical_date is None:
            return False
        previous = context["ti"].get_previous_ti()
    except Exception:
        return False
    return previous is not None and previous.state == "failed"
