"""The statements of clicks_to_lake over the cases of cases.py, written into Iceberg tables."""

import json
import subprocess
import sys
from collections import Counter
from typing import Any, NamedTuple

import pytest

from clickstream_contracts import schema
from tests.flink_apps import cases


class Outcome(NamedTuple):
    clicks: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]


@pytest.fixture(scope="module")
def outcome(flink_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The rows of both tables after every case was processed."""
    folder = tmp_path_factory.mktemp("cases")
    command = [sys.executable, "-m", "tests.flink_apps.run_cases", str(folder)]
    process = subprocess.run(command, env=flink_environment, capture_output=True, text=True, timeout=300, check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    rows = json.loads((folder / "outcome.json").read_text())
    return Outcome(rows["raw.clicks"], rows["raw.quarantine"])


def test_every_record_is_in_exactly_one_table(outcome: Outcome) -> None:
    offsets = Counter(row["kafka_offset"] for row in outcome.clicks + outcome.quarantine)
    assert offsets == Counter(range(len(cases.ALL)))


def test_every_case_has_its_reason_and_detail(outcome: Outcome) -> None:
    results = {row["kafka_offset"]: ("", "") for row in outcome.clicks}
    results |= {row["kafka_offset"]: (row["reason"], row["detail"] or "") for row in outcome.quarantine}
    wrong = {
        case.name: (results[n], case.reason, case.detail)
        for n, case in enumerate(cases.ALL)
        if results[n][0] != case.reason or case.detail not in results[n][1]
    }
    assert wrong == {}


def test_the_cases_use_every_reason() -> None:
    assert {case.reason for case in cases.INVALID + cases.NOT_JSON} == set(schema.tables()["raw.quarantine"].field("reason").choices)


def test_quarantine_keeps_every_byte(outcome: Outcome) -> None:
    payloads = {row["kafka_offset"]: None if row["payload"] is None else bytes.fromhex(row["payload"]) for row in outcome.quarantine}
    wrong = [cases.ALL[n].name for n, payload in payloads.items() if payload != cases.ALL[n].payload]
    assert wrong == []


def test_details_are_short(outcome: Outcome) -> None:
    assert max(len(row["detail"] or "") for row in outcome.quarantine) < 200


def click(outcome: Outcome, name: str) -> dict[str, Any]:
    offset = next(n for n, case in enumerate(cases.ALL) if case.name == name)
    return next(row for row in outcome.clicks if row["kafka_offset"] == offset)


def test_a_click_has_typed_columns(outcome: Outcome) -> None:
    row = click(outcome, "plain")
    assert (row["event_id"], row["quantity"], str(row["price"]), row["latitude"]) == ("e-1", 2, "19.99", 52.52)
    assert row["event_time"].startswith("2026-01-02 00:00:00.000")
    assert row["coupon"] is None


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("price with an exponent", "price", "150.00"),
        ("price with float noise", "price", "19.99"),
        ("number as text", "quantity", "3"),
        ("text as number", "event_id", "12345"),
        ("umlauts, emoji, escapes", "search_query", 'Größe 🦊 \u2028 " \\ \u0000'),
        ("escaped pair", "search_query", "🦊"),
        ("null user", "user_id", "None"),
    ],
)
def test_values_are_stored_unchanged_or_as_their_type(outcome: Outcome, name: str, column: str, value: str) -> None:
    assert str(click(outcome, name)[column]) == value
