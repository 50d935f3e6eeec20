"""What the grid shows of the audits: those that did not pass, with the reason, and none of those that passed."""

from dataclasses import asdict
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from clickstream.hooks.nessie import Ref
from clickstream.operators.audit import AuditResultOperator, FailedAuditsOperator
from clickstream.operators.nessie import PublishBranchOperator
from clickstream.task_names import run_branch
from clickstream_contracts.receipt import Receipt
from tests.plugins.conftest import Lake

DETAILS = {"meaning": "an event is stored twice", "owner": "data", "sample": [{"event_id": "e-1"}], "error": ""}
PASSED = {"name": "orders_match_events", "severity": "error", "rows": 0}
WARNED = {"name": "quarantine_rate", "severity": "warn", "rows": 3, **DETAILS}
FAILED = {"name": "events_unique", "severity": "error", "rows": 2, **DETAILS}
BROKEN = {"name": "ledger_gapless", "severity": "warn", "rows": 0, **DETAILS, "sample": [], "error": "no such column"}


def push_receipt(context: Any, ref: str, *audits: dict[str, Any]) -> None:
    """Pushes the receipt of the task `audit`, also if the task failed."""
    failures = [{"name": audit["name"]} for audit in audits if audit in (FAILED, BROKEN)]
    receipt = Receipt(app="audits", run="r", inputs={"ref": ref}, facts={"audits": list(audits), "failures": failures})
    context["ti"].task_id = "audit"
    context["ti"].xcom_push("return_value", asdict(receipt))


def failed_audits(context: Any) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = FailedAuditsOperator(task_id="failed_audits", audit_task_id="audit").execute(context)
    return result


def report(audit: dict[str, Any]) -> None:
    AuditResultOperator(task_id="audit_result", audit=audit).execute({})


def test_only_audits_that_did_not_pass_get_a_task(context: Any) -> None:
    push_receipt(context, "b@1", PASSED, WARNED, FAILED, BROKEN)
    assert failed_audits(context) == [WARNED, FAILED, BROKEN]


def test_after_a_night_without_findings_there_is_no_task(context: Any) -> None:
    push_receipt(context, "b@1", PASSED)
    assert failed_audits(context) == []


def test_without_a_receipt_there_is_nothing_to_show(context: Any) -> None:
    with pytest.raises(AirflowSkipException, match="audit ended without a receipt"):
        failed_audits(context)


@pytest.mark.parametrize(
    ("audit", "reason"),
    [
        (FAILED, r"audit events_unique \(owner data\): 2 rows: an event is stored twice"),
        (BROKEN, r"audit ledger_gapless \(owner data\): no such column"),
    ],
)
def test_a_failed_audit_is_red_with_its_reason_and_each_time_it_is_cleared(audit: dict[str, Any], reason: str) -> None:
    for _ in range(2):
        with pytest.raises(AirflowFailException, match=reason):
            report(audit)


def test_an_audit_that_only_warns_is_green_and_logs_its_reason_and_rows(capsys: pytest.CaptureFixture[str]) -> None:
    report(WARNED)
    log = capsys.readouterr().out
    assert "audit quarantine_rate (owner data): 3 rows: an event is stored twice" in log
    assert "e-1" in log


@pytest.mark.parametrize("audits", [(PASSED, FAILED), (BROKEN,)])
def test_a_commit_with_failed_audits_is_not_merged_even_if_the_task_was_marked_as_successful(
    context: Any, lake: Lake, audits: tuple[dict[str, Any], ...]
) -> None:
    publish, audited = sealed_run(context, lake)
    push_receipt(context, str(audited), *audits)
    main = lake.hook.head("main")
    with pytest.raises(AirflowFailException, match=f"is not merged, because these audits failed: {audits[-1]['name']}"):
        publish.execute(context)
    assert lake.hook.head("main") == main


def test_a_commit_that_no_audit_read_is_not_merged(context: Any, lake: Lake) -> None:
    publish, audited = sealed_run(context, lake)
    with pytest.raises(AirflowFailException, match="because task audit audited nothing"):
        publish.execute(context)
    push_receipt(context, f"{audited.name}@00", PASSED)
    with pytest.raises(AirflowFailException, match=f"because task audit audited {audited.name}@00: clear the run from audit on"):
        publish.execute(context)


def test_a_commit_whose_audits_passed_or_only_warned_is_merged(context: Any, lake: Lake) -> None:
    publish, audited = sealed_run(context, lake)
    push_receipt(context, str(audited), PASSED, WARNED)
    assert publish.execute(context)["audited"] == audited.hash


def sealed_run(context: Any, lake: Lake) -> tuple[PublishBranchOperator, Ref]:
    """Returns the merge of a sealed run, and its sealed commit."""
    main = lake.hook.head("main")
    lake.hook.create_branch(run_branch(context["ti"]), main)
    audited = lake.write(run_branch(context["ti"]), "curated.events")
    sealed = {"hash": audited.hash, "tables": ["curated.events"]}
    task = PublishBranchOperator(task_id="merge", pinned=main.hash, sealed=sealed, day="2026-01-02", audit_task_id="audit")
    return task, audited
