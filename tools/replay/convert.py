"""Converts values of a file to the types of the event contract."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final

from clickstream_contracts import currencies
from clickstream_contracts.schema import Field
from tools.replay.numbers import number, text, whole_number
from tools.replay.times import milliseconds

Value = Any
Converter = Callable[[Value], Value]
TYPE_NAMES: Final = {
    "timestamptz": "time",
    "date": "day",
    "int": "whole number",
    "long": "whole number",
    "string": "text",
    "boolean": "yes or no",
}
FIELD_NAMES: Final = {"currency": "code of ISO 4217", "reporting_currency": "code of ISO 4217"}
DAY_MS: Final = 86_400_000
YES_OR_NO: Final = {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}
# Fields that identify something, in a file of users or products as in events.
IDS: Final = {"event_id", "user_id", "session_id", "device_id", "product_id", "order_id"}
# An id that a spreadsheet or a table with empty cells turned into a number with one decimal.
FLOAT_ID: Final = re.compile(r"[0-9]+\.0")
# The key of `values` for all values that are not listed.
ANY_OTHER: Final = "*"
# Characters of a value that are shown in a message.
MAX_SHOWN: Final = 80


class RejectedLine(ValueError):
    """A line cannot become an event. `reason` holds no values, so that equal reasons can be counted; the text adds the value."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class NoEvent(RejectedLine):
    """The mapping says that a value is no event: an element is left out, and a line that has no other event is rejected."""


def converter(field: Field, time_format: str, values: dict[Any, str | None] | None, zone: tzinfo = UTC) -> Converter:
    """Returns a function that converts a value to the field's type, or raises RejectedLine.

    `values` translates the file's values to those of the field, None to no event; a field with a fixed list of values accepts no
    others.
    zone: of times that name none.
    """
    if values is None and field.choices:
        values = {choice: choice for choice in field.choices}
    if values is None:
        return _type_converter(field, time_format, zone)
    translations = {str(key): value for key, value in values.items()}

    def translate(value: Value) -> Value:
        key = str(value) if str(value) in translations else ANY_OTHER
        if key not in translations:
            raise RejectedLine(f"{field.name}: value is not in the mapping", f"{shown(value)}, add it to `values` of {field.name}")
        translation = translations[key]
        if translation is None:
            raise NoEvent(f"{field.name}: the mapping leaves this value out", shown(value))
        return translation

    return translate


def _type_converter(field: Field, time_format: str, zone: tzinfo) -> Converter:
    if field.type == "timestamptz":
        return _rejecting(field, lambda value: milliseconds(value, time_format, zone))
    if field.type == "date":
        return _rejecting(field, lambda value: day(value, time_format))
    if field.type == "boolean":
        return _rejecting(field, yes_or_no)
    if field.type in ("int", "long"):
        return _rejecting(field, whole_number)
    if field.type == "double" or field.type.startswith("decimal"):
        return _rejecting(field, number)
    if field.name in TEXT_CONVERTERS:
        return _rejecting(field, TEXT_CONVERTERS[field.name])
    return _rejecting(field, identifier if field.name in IDS else text)


def _rejecting(field: Field, convert: Converter) -> Converter:
    """Returns `convert` with its errors turned into RejectedLine."""

    def convert_or_reject(value: Value) -> Value:
        try:
            return convert(value)
        except (ValueError, ArithmeticError, OSError, TypeError) as error:
            hint = f": {error}" if isinstance(error, ValueError) and str(error) else ""
            expected = FIELD_NAMES.get(field.name) or TYPE_NAMES.get(field.type, "number")
            raise RejectedLine(f"{field.name}: not a {expected}", f"{shown(value)}{hint}") from None

    return convert_or_reject


def identifier(value: Value) -> str:
    """Returns an id as text without surrounding spaces; `12001.0` is the id `12001`. Raises ValueError for objects and lists."""
    written = text(value).strip()
    return written.removesuffix(".0") if written.endswith(".0") and FLOAT_ID.fullmatch(written) else written


def day(value: Value, time_format: str) -> date:
    """Returns a day, which has no time zone. Raises ValueError for a time of day: of which zone would the day be?"""
    days, rest = divmod(milliseconds(value, time_format, UTC), DAY_MS)
    if rest:
        raise ValueError("a day has no time of day: write it like 2026-01-31")
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)).date()


def yes_or_no(value: Value) -> bool:
    """Returns whether a value says yes. Raises ValueError for a text that is neither."""
    written = text(value).strip().lower()
    if written not in YES_OR_NO:
        raise ValueError(f"write one of {', '.join(YES_OR_NO)}, or name its values in a mapping")
    return YES_OR_NO[written]


def currency(value: Value) -> str:
    """Returns a currency's code in capitals: `eur` is EUR. Raises ValueError for what is no code of ISO 4217."""
    code = text(value).strip().upper()
    if code not in currencies.CODES:
        raise ValueError("use one like EUR")
    return code


def country(value: Value) -> str:
    """Returns the code of a country in capitals: `de` is DE; longer texts, as names of countries, are unchanged."""
    written = text(value).strip()
    return written.upper() if len(written) == 2 else written


TEXT_CONVERTERS: Final[dict[str, Converter]] = {"currency": currency, "reporting_currency": currency, "country": country}


def shown(value: Value) -> str:
    """Returns a value as a message shows it, cut to MAX_SHOWN characters."""
    written = repr(value)
    return written if len(written) <= MAX_SHOWN else f"{written[:MAX_SHOWN]}..."
