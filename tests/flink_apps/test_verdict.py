"""The rendered statements, run over the known cases into real Iceberg tables."""

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
    """Both tables after every case went through."""
    folder = tmp_path_factory.mktemp("cases")
    command = [sys.executable, "-m", "tests.flink_apps.run_cases", str(folder)]
    done = subprocess.run(command, env=flink_environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((folder / "outcome.json").read_text())
    return Outcome(found["raw.clicks"], found["raw.quarantine"])


def test_every_record_ends_on_exactly_one_side(outcome: Outcome) -> None:
    offsets = Counter(row["kafka_offset"] for row in outcome.clicks + outcome.quarantine)
    assert offsets == Counter(range(len(cases.ALL)))


def test_every_case_has_its_reason_and_detail(outcome: Outcome) -> None:
    verdicts = {row["kafka_offset"]: ("", "") for row in outcome.clicks}
    verdicts |= {row["kafka_offset"]: (row["reason"], row["detail"] or "") for row in outcome.quarantine}
    wrong = {
        case.name: (verdicts[n], case.reason, case.detail)
        for n, case in enumerate(cases.ALL)
        if verdicts[n][0] != case.reason or case.detail not in verdicts[n][1]
    }
    assert wrong == {}


def test_the_cases_use_every_reason() -> None:
    assert {case.reason for case in cases.WRONG + cases.NOT_JSON} == set(schema.tables()["raw.quarantine"].field("reason").choices)


def test_quarantine_keeps_every_byte(outcome: Outcome) -> None:
    kept = {row["kafka_offset"]: row["payload"] for row in outcome.quarantine}
    wrong = [
        cases.ALL[n].name for n, payload in kept.items() if (None if payload is None else bytes.fromhex(payload)) != cases.ALL[n].payload
    ]
    assert wrong == []


def test_details_are_short(outcome: Outcome) -> None:
    assert max(len(row["detail"] or "") for row in outcome.quarantine) < 200


def click(outcome: Outcome, name: str) -> dict[str, Any]:
    offset = next(n for n, case in enumerate(cases.ALL) if case.name == name)
    return next(row for row in outcome.clicks if row["kafka_offset"] == offset)


def test_a_click_is_typed(outcome: Outcome) -> None:
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
def test_values_survive(outcome: Outcome, name: str, column: str, value: str) -> None:
    assert str(click(outcome, name)[column]) == value
