"""The validation of a deployment: what it plants, that the fraud rules alert on it, and that a missing outcome fails."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from clickstream_contracts import fraud_rules, render, schema
from clickstream_contracts.settings import Settings
from tests.flink_apps.fraud_oracle import expected_parts
from tools.kafka.client import SendError
from tools.validation import outcomes, planted
from tools.validation.__main__ import AFTER_FIRST_NIGHTLY, checks, run_check

NOW = 1_767_312_000_000
PLANTED = planted.Planted("validation-1", ["validation-1-0", "validation-1-1"], datetime(2026, 1, 2, tzinfo=UTC))


def test_the_burst_breaks_the_rule_that_it_is_planted_for() -> None:
    """More events of one user than the limit, within the window, of a type that is scored."""
    rules = fraud_rules.rules()
    pattern = next(pattern for pattern in rules.patterns if pattern.name == planted.PATTERN)
    burst = planted.events("1", NOW)
    assert len(burst) > pattern.limits["events"] + 2
    assert burst[-1]["event_time"] == NOW
    assert NOW - int(str(burst[0]["event_time"])) < 10_000
    assert planted.EVENT_TYPE in rules.scored_events
    assert {event["user_id"] for event in burst} == {"validation-1"}


def test_the_burst_scores_by_an_independent_implementation_of_the_rules() -> None:
    columns = dict.fromkeys(f.name for f in schema.event().fields)
    burst = [columns | event for event in planted.events("1", NOW)]
    scored = expected_parts(burst)
    # Each event after the fifth, and by no other pattern.
    assert list(scored.values()) == [{}] * 5 + [{planted.PATTERN: 0.6}] * (planted.BURST - 5)
    assert fraud_rules.rules().review_from <= 0.6


def test_planted_events_are_valid_and_marked() -> None:
    contract = render.json_schema(schema.event())
    for event in planted.events("1", NOW):
        assert set(contract["required"]) <= set(event) <= set(contract["properties"])
        assert all(str(event[name]).startswith(planted.PREFIX) for name in ("event_id", "user_id", "session_id", "device_id"))
        assert event["user_agent"] == planted.USER_AGENT
        assert not {"order_id", "price", "quantity", "product_id"} & set(event), "no order, revenue or product view"
    assert len({event["event_id"] for event in planted.events("1", NOW)}) == planted.BURST


def rows(monkeypatch: pytest.MonkeyPatch, **tables: list[dict[str, Any]]) -> None:
    def read(settings: Settings, table: str, row_filter: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
        assert "ingested_at >= '2026-01-02T00:00:00+00:00'" in row_filter, "only the newest partition is read"
        return tables.get(table.replace(".", "_"), [])

    monkeypatch.setattr(outcomes, "read_rows", read)


def test_an_event_that_is_not_in_the_lake_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"event_id": "validation-1-0", "kafka_partition": 1, "kafka_offset": 7}
    rows(monkeypatch, raw_clicks=[one])
    with pytest.raises(outcomes.Unmet, match=r"1 of 2 planted events are not in raw.clicks after 0 s, nor in raw.quarantine"):
        outcomes.event_in_lake(Settings(), PLANTED, 0)
    quarantined = [{"reason": "bad_type", "payload": b'{"user_id": "validation-1"}'}, {"reason": "not_json", "payload": b"other"}]
    rows(monkeypatch, raw_quarantine=quarantined)
    with pytest.raises(outcomes.Unmet, match=r"raw.quarantine has them for: bad_type$"):
        outcomes.event_in_lake(Settings(), PLANTED, 0)
    rows(monkeypatch, raw_clicks=[one, one | {"event_id": "validation-1-1", "kafka_offset": 8}])
    assert outcomes.event_in_lake(Settings(), PLANTED, 0).startswith("partition 1 offset 7")


def test_fraud_that_is_not_alerted_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    rows(monkeypatch, raw_fraud_alerts=[{"pattern": "card_testing", "decision": "block"}])
    with pytest.raises(outcomes.Unmet, match=r"no alert rapid_fire for validation-1 .*card_testing block"):
        outcomes.fraud_alerted(Settings(), PLANTED, 0)
    rows(monkeypatch, raw_fraud_alerts=[{"pattern": "rapid_fire", "decision": "review"}])
    assert outcomes.fraud_alerted(Settings(), PLANTED, 0) == "rapid_fire review"


def test_a_tag_of_another_dag_is_no_nightly_run(monkeypatch: pytest.MonkeyPatch) -> None:
    tags = [{"name": "features_2026-01-02_1a2b3c4d", "hash": "1"}]
    monkeypatch.setattr("tools.lake.nessie.references", lambda settings, kind: tags)
    with pytest.raises(outcomes.Unmet, match=r"no tag nightly_\*"):
        outcomes.nightly_published(Settings())


def test_an_error_of_a_client_is_a_failed_check() -> None:
    def refused(settings: Settings, seconds: float) -> str:
        raise SendError("cannot reach Kafka at kafka:9092")

    result = run_check("events", refused, "start Kafka", Settings(), 1)
    assert (result.passed, result.detail, result.fix) == (False, "cannot reach Kafka at kafka:9092", "start Kafka")
    assert run_check("events", lambda settings, seconds: "seen", "start Kafka", Settings(), 1).fix == ""


def test_every_check_is_expected_by_the_script() -> None:
    """A check that prints no line must not count as passed."""
    from scripts.kube.scheduler_checks import CHECKS
    from tests.manifests.rendered import ROOT

    expected = (ROOT / "scripts" / "kube" / "expected_checks.txt").read_text().splitlines()
    assert expected == [*CHECKS, *checks()]
    script = (ROOT / "scripts" / "validate-deployment.sh").read_text()
    assert all(f'"{name}"' in script for name in AFTER_FIRST_NIGHTLY)


@pytest.mark.parametrize(("option", "exit_code", "lines"), [("--before-first-nightly", 1, 3), ("--always-exit-0", 0, 5)])
def test_without_a_stack_every_line_fails_with_its_fix(option: str, exit_code: int, lines: int, tmp_path: Any) -> None:
    for name in ("key", "token"):
        (tmp_path / name).write_text(name)
    env = {
        "PATH": "/usr/bin:/bin",
        "CLICKSTREAM_STACK_DIR": str(tmp_path),
        "CLICKSTREAM_NESSIE_URI": "http://127.0.0.1:1",
        "CLICKSTREAM_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "CLICKSTREAM_SERVE_URI": "http://127.0.0.1:1",
        "CLICKSTREAM_SERVE_TOKEN_FILE": str(tmp_path / "token"),
        "CLICKSTREAM_S3_ACCESS_KEY_FILE": str(tmp_path / "key"),
        "CLICKSTREAM_S3_SECRET_KEY_FILE": str(tmp_path / "key"),
    }
    command = [sys.executable, "-m", "tools.validation", "--seconds", "0", option]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == exit_code, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == lines
    assert not any(result["passed"] for result in results)
    assert all(result["detail"] and result["fix"] for result in results)
