"""Notifications over real servers: who gets which message, and what the log of the task says when none can be sent."""

import email
import email.policy
import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.configuration import conf
from airflow.sdk.log import mask_secret

from clickstream.notifications import targets
from clickstream.notifications.notifier import AuditWarningNotifier, FailureNotifier
from clickstream.operators.audit import AuditResultOperator
from tests.plugins.receivers import Webhook, mail_server, webhook

SAMPLE = [{"reason": "bad_type", "event_id": f"e-{number}"} for number in range(5)]
AUDIT = {"name": "quarantine_rate", "severity": "warn", "rows": 12, "meaning": "too many", "owner": "stream", "sample": SAMPLE, "error": ""}
SECRET = "T0KEN-of-the-address"


def context(task: Any = None, logical_date: Any = None, previous: Any = None, exception: Any = None) -> Any:
    """The context of a task's callback; `previous` is the task in the run before, or an error of asking for it."""

    def get_previous_ti() -> Any:
        if isinstance(previous, Exception):
            raise previous
        return previous

    ti = SimpleNamespace(
        dag_id="clickstream_nightly",
        run_id="manual__1",
        task_id=task.task_id if task else "curate",
        log_url="http://airflow.example.org/log",
        get_previous_ti=get_previous_ti,
    )
    return {"ti": ti, "task": task, "dag_run": SimpleNamespace(logical_date=logical_date), "exception": exception}


def audit_context(**changes: Any) -> Any:
    return context(AuditResultOperator(task_id="audit_result", audit=AUDIT | changes), exception=changes.get("exception"))


def connect(monkeypatch: pytest.MonkeyPatch, name: str, **fields: Any) -> None:
    """Defines the connection of an owner, or the common one for ''."""
    variable = "AIRFLOW_CONN_CLICKSTREAM_NOTIFICATIONS" + (f"_{name.upper()}" if name else "")
    monkeypatch.setenv(variable, json.dumps({"conn_type": "generic", **fields}))


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """A webhook to which the common connection points, with a secret in its address as Slack has."""
    with webhook() as server:
        connect(monkeypatch, "", password=f"{server.uri}/services/{SECRET}")
        yield server


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Any:
    """Everything that was logged or printed so far, by any library, also below the level of a task's log."""
    caplog.set_level(logging.DEBUG)
    # Airflow silences it, unless its logging is configured otherwise.
    caplog.set_level(logging.DEBUG, logger="httpx")
    return lambda: caplog.text + "".join(capsys.readouterr())


def test_a_failed_task_is_sent_with_its_reason_its_run_and_the_address_of_its_log(receiver: Webhook) -> None:
    FailureNotifier()(context(exception=ValueError("no such column")))
    [request] = receiver.requests
    assert request["path"] == f"/services/{SECRET}"
    assert request["body"] == {
        "text": "clickstream_nightly: task curate failed\nno such column\nrun: manual__1\nlog: http://airflow.example.org/log"
    }


def test_what_airflow_masks_in_the_log_is_masked_in_the_message_too(receiver: Webhook) -> None:
    mask_secret("p4ssw0rd-of-nessie")
    FailureNotifier()(context(exception=ValueError("401 for p4ssw0rd-of-nessie")))
    assert "401 for ***" in receiver.bodies[0]["text"]


def test_a_task_whose_process_was_killed_has_no_exception_and_is_sent_too(receiver: Webhook) -> None:
    FailureNotifier()(context())
    assert "its process ended" in receiver.bodies[0]["text"]


def test_an_audit_that_warns_is_sent_with_name_owner_number_of_rows_and_the_first_rows(receiver: Webhook) -> None:
    AuditWarningNotifier()(audit_context())
    lines = receiver.bodies[0]["text"].splitlines()
    assert lines[:2] == ["clickstream_nightly: audit quarantine_rate warns (owner stream)", "12 rows: too many"]
    assert [json.loads(line) for line in lines[2:7]] == SAMPLE


def test_an_audit_that_fails_is_sent_with_its_owner_and_its_rows_too(receiver: Webhook) -> None:
    FailureNotifier()(audit_context(severity="error", exception=ValueError("12 rows")))
    text = receiver.bodies[0]["text"]
    assert text.startswith("clickstream_nightly: audit quarantine_rate failed (owner stream)")
    assert "e-4" in text


def test_the_connection_of_an_owner_gets_what_the_owner_must_know_and_the_common_one_the_rest(
    receiver: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook() as owner:
        connect(monkeypatch, "stream", password=owner.uri)
        AuditWarningNotifier()(audit_context())
        AuditWarningNotifier()(audit_context(owner="lake"))
        FailureNotifier()(context(exception=ValueError("x")))
    assert ["owner stream" in body["text"] for body in owner.bodies] == [True]
    assert ["owner lake" in body["text"] for body in receiver.bodies] == [True, False]


def test_a_receiver_of_data_gets_the_fields_and_its_authorization(monkeypatch: pytest.MonkeyPatch) -> None:
    with webhook() as server:
        connect(monkeypatch, "", password=server.uri, extra={"body": "fields", "rows": 2, "authorization": f"Bearer {SECRET}"})
        AuditWarningNotifier()(audit_context())
    [request] = server.requests
    assert request["headers"]["Authorization"] == f"Bearer {SECRET}"
    fields = request["body"]
    assert (fields["kind"], fields["audit"], fields["owner"], fields["count"]) == ("warning", "quarantine_rate", "stream", 12)
    assert fields["rows"] == SAMPLE[:2]


def test_rows_can_be_left_out_because_they_may_hold_ids_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    with webhook() as server:
        connect(monkeypatch, "", password=server.uri, extra={"rows": 0})
        AuditWarningNotifier()(audit_context())
    assert "e-0" not in json.dumps(server.bodies)
    assert "12 rows: too many" in server.bodies[0]["text"]


def test_a_mail_is_sent_by_a_connection_of_the_type_smtp(monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server() as mailbox:
        extra = {
            "disable_tls": True,
            "disable_ssl": True,
            "from_email": "airflow@example.org",
            "to": ["data@example.org", "ops@example.org"],
        }
        connect(monkeypatch, "", conn_type="smtp", host="127.0.0.1", port=mailbox.port, extra=extra)
        AuditWarningNotifier()(audit_context(sample=[{"text": "{{ 1/0 }} <b>"}]))
    [(recipients, text)] = mailbox.mails
    assert recipients == ["data@example.org", "ops@example.org"]
    mail = email.message_from_string(text, policy=email.policy.default)
    assert mail["Subject"] == "clickstream_nightly: audit quarantine_rate warns (owner stream)"
    [part] = [part for part in mail.walk() if part.get_content_type() == "text/html"]
    body = part.get_content()
    assert "{{ 1/0 }} &lt;b&gt;" in body


def test_without_a_connection_the_log_of_the_task_has_the_message(log: Any) -> None:
    AuditWarningNotifier()(audit_context())
    text = log()
    assert "Airflow has no connection clickstream_notifications" in text
    assert "audit quarantine_rate warns (owner stream)" in text
    assert "e-4" in text


@pytest.mark.parametrize(
    ("statuses", "requests", "logged"),
    [([404], 1, "HTTP status 404"), ([500], 2, "HTTP status 500"), ([503, 200], 2, "Notification sent"), ([200], 1, "Notification sent")],
)
def test_an_error_of_the_receiver_is_logged_without_a_secret_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, log: Any, statuses: list[int], requests: int, logged: str
) -> None:
    with webhook(*statuses) as server:
        connect(monkeypatch, "", password=f"{server.uri}/{SECRET}", extra={"authorization": f"Bearer {SECRET}"})
        FailureNotifier()(context(exception=ValueError("x")))
    assert len(server.requests) == requests
    text = log()
    assert logged in text
    assert SECRET not in text


@pytest.mark.parametrize(
    ("fields", "logged"),
    [
        ({"password": f"http://127.0.0.1:9/{SECRET}"}, "connection clickstream_notifications: ConnectError"),
        ({"password": f"http://127.0.0.1:bad/{SECRET}"}, "connection clickstream_notifications: InvalidURL"),
        ({"password": SECRET}, "has no address: its password is the address of the webhook"),
        ({"conn_type": "slack", "password": SECRET}, "has the type 'slack': use one of generic, http, smtp"),
        ({"conn_type": "smtp", "password": SECRET}, "names no recipient"),
        (
            {"conn_type": "smtp", "host": "127.0.0.1", "port": 9, "login": "me", "password": SECRET, "extra": {"to": "me@example.org"}},
            "connection clickstream_notifications: ConnectionRefusedError",
        ),
        ({"password": f"http://127.0.0.1:9/{SECRET}", "extra": {"rows": "many"}}, "connection clickstream_notifications: ValueError"),
    ],
)
def test_a_wrong_connection_is_logged_with_the_message_without_a_secret_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, log: Any, fields: dict[str, Any], logged: str
) -> None:
    connect(monkeypatch, "", **fields)
    FailureNotifier()(context(exception=ValueError("no such column")))
    text = log()
    assert logged in text
    assert "no such column" in text
    assert SECRET not in text


def test_a_context_that_lacks_everything_fails_nothing(log: Any) -> None:
    for notifier in (FailureNotifier(), FailureNotifier(first_only=True), AuditWarningNotifier()):
        notifier({})
    assert log().count("was not notified: KeyError") == 3


def test_a_slow_receiver_is_given_up_before_airflow_ends_the_process() -> None:
    longest = targets.ATTEMPTS * 2 * targets.TIMEOUT_SECONDS + 1
    assert longest < conf.getfloat("core", "task_success_overtime")


@pytest.mark.parametrize(
    ("previous", "logical_date", "sent"),
    [
        (None, "2026-01-02", 1),
        (SimpleNamespace(state="success"), "2026-01-02", 1),
        (SimpleNamespace(state="failed"), "2026-01-02", 0),
        (RuntimeError("the API server restarts"), "2026-01-02", 1),
        (SimpleNamespace(state="failed"), None, 1),
    ],
)
def test_a_stream_that_stays_down_is_sent_once(receiver: Webhook, previous: Any, logical_date: Any, sent: int) -> None:
    FailureNotifier(first_only=True)(context(previous=previous, logical_date=logical_date, exception=ValueError("down")))
    assert len(receiver.requests) == sent


def test_a_nightly_run_that_fails_again_is_sent_again(receiver: Webhook) -> None:
    FailureNotifier()(context(previous=SimpleNamespace(state="failed"), logical_date="2026-01-02", exception=ValueError("x")))
    assert len(receiver.requests) == 1
