"""The limits of an event are the same before it is sent and in the stream: both are tested with the same records."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from clickstream_contracts import schema
from clickstream_contracts.event_limits import EventLimits, broken_limit
from clickstream_contracts.settings import Settings
from tests.flink_apps import cases
from tests.flink_apps.cases import Case

LIMITS = EventLimits.at(cases.ARRIVAL_MS, Settings())
# The stream reads a number from a text and a text from a number; a sender has typed values.
CONVERTED = {"number as text", "text as number"}
FIELDS = {field.name for field in schema.event().fields}


def known_fields(case: Case) -> dict[str, object]:
    return {name: value for name, value in json.loads(case.payload or b"{}").items() if name in FIELDS}


@pytest.mark.parametrize("case", [case for case in cases.CLICKS if case.name not in CONVERTED], ids=lambda case: case.name)
def test_an_event_that_the_stream_accepts_breaks_no_limit(case: Case) -> None:
    assert LIMITS.problem(known_fields(case)) is None


BROKEN = [case for case in cases.ALL if case.reason in ("bad_value", "time_out_of_range")]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_an_event_that_the_stream_quarantines_breaks_a_limit(case: Case) -> None:
    problem = LIMITS.problem(known_fields(case))
    assert problem is not None
    assert problem.reason.split(":")[0] in case.payload.decode() if case.payload else False


def test_the_cases_are_many() -> None:
    assert len(BROKEN) > 10


def test_an_event_without_optional_fields_and_with_nulls_breaks_no_limit() -> None:
    assert LIMITS.problem({"event_id": "e", "user_id": None}) is None


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("quantity", 10**400, "quantity: is not from 0 to 10000"),
        ("quantity", 1.5, "quantity: is no long"),
        ("price", True, "price: is no decimal(18,2)"),
        ("price", 1.234, "price: has more than 2 decimals"),
        ("price", Decimal("0.001"), "price: has more than 2 decimals"),
        ("price", float("nan"), "price: is no decimal(18,2)"),
        ("latitude", float("-inf"), "latitude: is no double"),
        ("user_id", 5, "user_id: is no text"),
        ("user_id", "\ud800", "user_id: has half a character: an unpaired surrogate"),
        ("session_id", "", "session_id: is empty"),
        ("event_time", -1, "event_time: is before 2000-01-01 (CLICKSTREAM_EVENT_EARLIEST)"),
        ("event_time", 10**30, "event_time: is too far in the future (CLICKSTREAM_EVENT_FUTURE_MINUTES)"),
        ("event_time", "2025", "event_time: is no timestamptz"),
    ],
)
def test_the_reason_names_the_field_and_the_limit(name: str, value: object, reason: str) -> None:
    problem = LIMITS.problem({name: value})
    assert problem is not None
    assert problem.reason == reason


def test_the_limits_of_the_time_are_settings() -> None:
    settings = Settings(event_earliest="2025-01-01", event_future_minutes=1)
    limits = EventLimits.at(cases.ARRIVAL_MS, settings)
    assert limits.latest == cases.ARRIVAL_MS + 60_000
    assert replace(limits, earliest=0).problem({"event_time": 1_700_000_000_000}) is None
    assert limits.problem({"event_time": 1_700_000_000_000}) is not None


def test_a_decimal_of_a_table_without_limits_has_its_digits_as_limit() -> None:
    list_price = schema.tables()["landing.products"].field("list_price")
    assert broken_limit(list_price, 9e15) is None
    assert broken_limit(list_price, 1e16) == "has more than 16 digits"
