"""Converts values of a file to the types of the event contract."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from clickstream_contracts.schema import Field

Value = Any
Converter = Callable[[Value], Value]
# How a time may be written in a file, beside a strptime pattern. `auto` decides for each value.
TIME_FORMATS: Final = ("auto", "iso", "epoch_s", "epoch_ms", "epoch_us")
TYPE_NAMES: Final = {"timestamptz": "time", "int": "whole number", "long": "whole number"}
# A number below MAX_SECONDS is taken as seconds since 1970, below MAX_MILLISECONDS as milliseconds; both limits are the year 5138.
MAX_SECONDS, MAX_MILLISECONDS = 1e11, 1e14


class RejectedLine(ValueError):
    """A line cannot become an event. `reason` holds no values, so that equal reasons can be counted; the text adds the value."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


def converter(field: Field, time_format: str, values: dict[Any, str] | None) -> Converter:
    """Returns a function that converts a value to the field's type, or raises RejectedLine.

    `values` translates the file's values to those of the field; a field with a fixed list of values accepts no others.
    """
    if values is None and field.choices:
        values = {choice: choice for choice in field.choices}
    if values is None:
        return _type_converter(field, time_format)
    translations = {str(key): value for key, value in values.items()}

    def translate(value: Value) -> Value:
        if str(value) not in translations:
            raise RejectedLine(f"{field.name}: value is not in the mapping", f"{value!r}, add it to `values` of {field.name}")
        return translations[str(value)]

    return translate


def _type_converter(field: Field, time_format: str) -> Converter:
    if field.type == "timestamptz":
        return _rejecting(field, lambda value: milliseconds(value, time_format))
    if field.type in ("int", "long"):
        return _rejecting(field, whole_number)
    if field.type in ("double", "decimal(18,2)"):
        return _rejecting(field, number)
    return text


def _rejecting(field: Field, convert: Converter) -> Converter:
    """Returns `convert` with its errors turned into RejectedLine."""

    def convert_or_reject(value: Value) -> Value:
        try:
            return convert(value)
        except (ValueError, OverflowError, OSError, TypeError):
            raise RejectedLine(f"{field.name}: not a {TYPE_NAMES.get(field.type, 'number')}", repr(value)) from None

    return convert_or_reject


def text(value: Value) -> str:
    """Returns the value as text; whole floats, as some exports write ids, without their `.0`."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def whole_number(value: Value) -> int:
    """Returns a number or text as an int. Raises ValueError if it has decimals."""
    parsed = number(value)
    if parsed != int(parsed):
        raise ValueError(value)
    return int(parsed)


def number(value: Value) -> float:
    """Returns a number or text as a float. Raises ValueError for booleans, NaN and infinity."""
    if isinstance(value, bool):
        raise ValueError(value)
    parsed = float(value)
    if not math.isfinite(parsed):
        raise ValueError(value)
    return parsed


def milliseconds(value: Value, time_format: str) -> int:
    """Returns a time in milliseconds since 1970. A time without a zone is UTC."""
    if isinstance(value, datetime):
        return _epoch_ms(value)
    if time_format == "auto":
        time_format = _detect_format(value)
    if time_format == "iso":
        return _epoch_ms(datetime.fromisoformat(str(value).removesuffix(" UTC")))
    if time_format == "epoch_s":
        return round(float(value) * 1000)
    if time_format == "epoch_ms":
        return int(value)
    if time_format == "epoch_us":
        return int(value) // 1000
    return _epoch_ms(datetime.strptime(str(value), time_format))


def _detect_format(value: Value) -> str:
    """Returns the format of a time: text is ISO 8601; a number is in seconds, milliseconds or microseconds by its size."""
    try:
        size = abs(float(value))
    except ValueError:
        return "iso"
    if size < MAX_SECONDS:
        return "epoch_s"
    return "epoch_ms" if size < MAX_MILLISECONDS else "epoch_us"


def _epoch_ms(moment: datetime) -> int:
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
