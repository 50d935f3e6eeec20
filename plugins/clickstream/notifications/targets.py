"""Where notifications go: a webhook or an e-mail address, from an Airflow connection. No secret of a connection is logged.

The connection of an owner is `clickstream_notifications_OWNER`; what has none goes to `clickstream_notifications`. Its type is `generic`
or `http` for a webhook (Airflow's page offers `http` only with the HTTP provider), `smtp` for e-mail.
"""

import html
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from airflow.sdk import Connection, Context
from airflow.sdk.exceptions import AirflowNotFoundException
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from clickstream.hooks.http_client import is_transient
from clickstream.notifications.message import Message
from clickstream_contracts import names
from clickstream_contracts.lake_clients import tls_context
from clickstream_contracts.settings import Settings

CONNECTION = "clickstream_notifications"
# Airflow ends the process of a task 20 s after the task ([core] task_success_overtime): both attempts must end before.
TIMEOUT_SECONDS = 4.0
ATTEMPTS = 2
DEFAULT_ROWS = 5


class NotificationError(Exception):
    """A notification that was not sent; the text names the connection and the cause, and no secret."""


def find_connection(owner: str) -> Connection | None:
    """Returns the connection of an owner, else the common one, else None."""
    candidates = [f"{CONNECTION}_{names.slug(owner)}", CONNECTION] if owner else [CONNECTION]
    for conn_id in candidates:
        try:
            return Connection.get(conn_id)
        except AirflowNotFoundException:
            continue
    return None


def max_rows(connection: Connection) -> int:
    """Returns how many rows of an audit a connection wants: `rows` in its extra."""
    return int(connection.extra_dejson.get("rows", DEFAULT_ROWS))


def send(connection: Connection, message: Message, context: Context) -> None:
    """Send a message. Raises NotificationError if it was not accepted."""
    senders = {"generic": send_webhook, "http": send_webhook, "smtp": send_mail}
    if connection.conn_type not in senders:
        raise NotificationError(f"connection {connection.conn_id} has the type {connection.conn_type!r}: use one of {', '.join(senders)}")
    try:
        senders[connection.conn_type](connection, message, context)
    except NotificationError:
        raise
    except Exception as error:
        # The text of the error may hold the address of a webhook, which is a secret.
        raise NotificationError(f"connection {connection.conn_id}: {_cause(error)}") from None


def send_webhook(connection: Connection, message: Message, context: Context) -> None:
    """Post a message to the webhook of a connection, whose password is the address."""
    extra = connection.extra_dejson
    rows = max_rows(connection)
    body = message.fields(rows) if extra.get("body") == "fields" else {"text": message.text(rows)}
    headers = {"Authorization": str(extra["authorization"])} if extra.get("authorization") else {}
    retrying = Retrying(retry=retry_if_exception(is_transient), stop=stop_after_attempt(ATTEMPTS), wait=wait_fixed(1), reraise=True)
    # Unlike the project's own services, a webhook may be behind the proxy of the environment.
    with _silent_http_log(), httpx.Client(timeout=TIMEOUT_SECONDS, headers=headers, verify=tls_context(Settings.from_env())) as client:
        retrying(lambda: client.post(_address(connection), json=body).raise_for_status())


def send_mail(connection: Connection, message: Message, context: Context) -> None:
    """Send a message by the mail server of a connection of the type `smtp`, to the addresses `to` in its extra."""
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    recipients = connection.extra_dejson.get("to")
    if not recipients:
        raise NotificationError(f'connection {connection.conn_id} names no recipient: add {{"to": "data@example.org"}} to its extra')
    text = f"<pre>{html.escape(message.text(max_rows(connection)))}</pre>"
    mail = SmtpNotifier(to=recipients, subject=message.subject, html_content=text, smtp_conn_id=connection.conn_id)
    # Without the rendering of templates: rows and errors may hold braces.
    mail.notify(context)


def _address(connection: Connection) -> str:
    address = str(connection.password or connection.host or "")
    if not address.startswith(("http://", "https://")):
        raise NotificationError(f"connection {connection.conn_id} has no address: its password is the address of the webhook, https://...")
    return address


@contextmanager
def _silent_http_log() -> Iterator[None]:
    """Keeps httpx from logging the address of each request."""
    logger = logging.getLogger("httpx")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _cause(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP status {error.response.status_code}"
    return type(error).__name__
