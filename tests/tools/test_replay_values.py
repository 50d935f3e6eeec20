"""Times and numbers of a person's file: recognised or refused, exact, and never guessed."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tools.common.command import UsageError
from tools.replay import mapping as mappings
from tools.replay import numbers
from tools.replay.parquet_rows import Unreadable
from tools.replay.times import milliseconds

NINE = 1_762_160_400_000  # 2025-11-03T09:00:00Z
MIDNIGHT = NINE - 9 * 3_600_000


@pytest.mark.parametrize(
    "value",
    [
        1_762_160_400, 1_762_160_400_000, 1_762_160_400_000_000, 1_762_160_400_000_000_000, "1762160400", "1762160400000000000",
        1_762_160_400.0, "1762160400.0", "1762160400000.0", "1.7621604e12", Decimal("1762160400000"),
        "2025-11-03T09:00:00Z", "2025-11-03T10:00:00+01:00", "2025-11-03 09:00:00 UTC", "2025-11-03 09:00:00 GMT", "2025-11-03 09:00",
        "2025-11-03 04:00:00 -0500", "2025-11-03T09:00:00.000000000Z", "2025-11-03T09:00:00,000",
        "2025-11-03T10:00:00+01:00[Europe/Berlin]",
        "20251103T090000Z", "20251103T100000+0100", "20251103090000", "202511030900", "20251103090000000", 20251103090000, " 1762160400 ",
        datetime(2025, 11, 3, 9), datetime(2025, 11, 3, 10, tzinfo=ZoneInfo("Europe/Berlin")),
    ],
)  # fmt: skip
def test_a_time_in_any_common_form_is_recognised(value: Any) -> None:
    assert milliseconds(value) == NINE


@pytest.mark.parametrize("value", ["20251103", 20251103, "2025-11-03", date(2025, 11, 3)])
def test_a_date_is_its_midnight(value: Any) -> None:
    assert milliseconds(value) == MIDNIGHT
    assert milliseconds(value, zone=ZoneInfo("Europe/Berlin")) == MIDNIGHT - 3_600_000


@pytest.mark.parametrize(("unit", "factor"), [("epoch_s", 1), ("epoch_ms", 1000), ("epoch_us", 10**6), ("epoch_ns", 10**9)])
def test_a_named_unit_is_exact(unit: str, factor: int) -> None:
    assert milliseconds(1_762_160_400 * factor, unit) == NINE
    assert milliseconds(str(1_762_160_400 * factor), unit) == NINE
    # What is smaller than a millisecond is cut off, not rounded, and no digit is lost on the way.
    assert milliseconds(f"{1_762_160_400 * factor - 1}", unit) == NINE - (1000 if unit == "epoch_s" else 1)


@pytest.mark.parametrize(
    "value",
    ["99999999999999999999999", 10**25, "03.11.2025", "11/03/2025 09:00", "yesterday", "NaN", float("nan"), float("inf"), True,
     "1_762_160_400",
     "", {"a": 1}, [1], Unreadable("bytes"), "9" * 5000, "1e999999999"],
)  # fmt: skip
@pytest.mark.parametrize("time_format", ["auto", "iso", "epoch_s", "epoch_ns", "%d.%m.%y %H"])
def test_what_is_no_time_is_refused(value: Any, time_format: str) -> None:
    with pytest.raises((ValueError, TypeError, ArithmeticError)):
        milliseconds(value, time_format)


@pytest.mark.parametrize("value", ["20251332", "20251303", "20251303090000", "20251303090000123", "202502301200"])
def test_a_date_that_the_calendar_has_not_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"unconverted|does not match|out of range"):
        milliseconds(value)


def test_milliseconds_of_a_date_without_separators_are_kept() -> None:
    assert milliseconds("20251103090000123") == NINE + 123


def test_a_zone_is_that_of_times_without_one() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert milliseconds("2025-11-03 10:00:00", zone=berlin) == NINE
    assert milliseconds("03.11.2025 10:00", "%d.%m.%Y %H:%M", berlin) == NINE
    assert milliseconds("20251103100000", zone=berlin) == NINE
    assert milliseconds(datetime(2025, 11, 3, 10), zone=berlin) == NINE
    # In summer the offset is another one; numbers and times with a zone are not changed.
    assert milliseconds("2025-07-01 02:00:00", zone=berlin) == datetime(2025, 7, 1, tzinfo=UTC).timestamp() * 1000
    assert milliseconds(1_762_160_400, zone=berlin) == milliseconds("2025-11-03T09:00:00Z", zone=berlin) == NINE


@pytest.mark.parametrize("zone", ["Mars/Phobos", "", "../../etc/passwd", 5, ["UTC"]])
def test_an_unknown_zone_of_a_mapping_is_one_error(tmp_path: Path, zone: Any) -> None:
    with pytest.raises(UsageError, match=r"own.yaml: zone: unknown time zone"):
        mappings.parse({"fields": {"event_time": "t", "event_type": "e", "session_id": "s"}, "zone": zone}, "own", "own.yaml")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("12.50", 12.5),
        (" 12.5 ", 12.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1e2", -100.0),
        (7, 7.0),
        (0.1, 0.1),
        (Decimal("12.50"), 12.5),
        ("+3", 3.0),
    ],
)
def test_a_number_is_read(value: Any, number: float) -> None:
    assert numbers.number(value) == number


@pytest.mark.parametrize(
    "value",
    ["12,50", "1_000", "1,000.00", "1'000", "NaN", "nan", float("nan"), "Infinity", float("-inf"), "", "x", "0x10", "٣", "½", "1e400",
     "1e9999",
     True, None, {"a": 1}, [1], "9" * 2000, Unreadable("bytes"), Decimal("NaN"), "12.50 EUR", "$5"],
)  # fmt: skip
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        numbers.number(value)


def test_whole_numbers_of_any_size_are_exact() -> None:
    assert numbers.whole_number("34012345000000001801") == 34012345000000001801
    assert numbers.whole_number(2**64) == 2**64
    assert (numbers.whole_number("3.0"), numbers.whole_number(3.0), numbers.whole_number("1e3")) == (3, 3, 1000)
    with pytest.raises(ValueError, match="decimals"):
        numbers.whole_number("3.5")


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345678901234567890123, "12345678901234567890123"), (12001.0, "12001"), (Decimal("12345678901234567.0"), "12345678901234567"),
     ("NA", "NA"),
     ("None", "None"), (1.5, "1.5"), (2**64, "18446744073709551616")],
)  # fmt: skip
def test_ids_are_exact_texts(value: Any, text: str) -> None:
    assert numbers.text(value) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300, {"a": 1}, [1], Unreadable("bytes"), None])
def test_what_is_no_single_value_is_no_text(value: Any) -> None:
    with pytest.raises(ValueError, match=r"no texts|no single value"):
        numbers.text(value)
