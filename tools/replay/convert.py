"""Converts values of a file to the types of the event contract."""

from collections.abc import Callable
from datetime import UTC, tzinfo
from typing import Any, Final

from clickstream_contracts.schema import Field
from tools.replay.numbers import number, text, whole_number
from tools.replay.times import milliseconds

Value = Any
Converter = Callable[[Value], Value]
TYPE_NAMES: Final = {"timestamptz": "time", "int": "whole number", "long": "whole number", "string": "text"}
# Characters of a value that are shown in a message.
MAX_SHOWN: Final = 80


class RejectedLine(ValueError):
    """A line cannot become an event. `reason` holds no values, so that equal reasons can be counted; the text adds the value."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


def converter(field: Field, time_format: str, values: dict[Any, str] | None, zone: tzinfo = UTC) -> Converter:
    """Returns a function that converts a value to the field's type, or raises RejectedLine.

    `values` translates the file's values to those of the field; a field with a fixed list of values accepts no others.
    zone: of times that name none.
    """
    if values is None and field.choices:
        values = {choice: choice for choice in field.choices}
    if values is None:
        return _type_converter(field, time_format, zone)
    translations = {str(key): value for key, value in values.items()}

    def translate(value: Value) -> Value:
        if str(value) not in translations:
            raise RejectedLine(f"{field.name}: value is not in the mapping", f"{shown(value)}, add it to `values` of {field.name}")
        return translations[str(value)]

    return translate


def _type_converter(field: Field, time_format: str, zone: tzinfo) -> Converter:
    if field.type == "timestamptz":
        return _rejecting(field, lambda value: milliseconds(value, time_format, zone))
    if field.type in ("int", "long"):
        return _rejecting(field, whole_number)
    if field.type in ("double", "decimal(18,2)"):
        return _rejecting(field, number)
    return _rejecting(field, text)


def _rejecting(field: Field, convert: Converter) -> Converter:
    """Returns `convert` with its errors turned into RejectedLine."""

    def convert_or_reject(value: Value) -> Value:
        try:
            return convert(value)
        except (ValueError, ArithmeticError, OSError, TypeError) as error:
            hint = f": {error}" if isinstance(error, ValueError) and str(error) else ""
            raise RejectedLine(f"{field.name}: not a {TYPE_NAMES.get(field.type, 'number')}", f"{shown(value)}{hint}") from None

    return convert_or_reject


def shown(value: Value) -> str:
    """Returns a value as a message shows it, cut to MAX_SHOWN characters."""
    written = repr(value)
    return written if len(written) <= MAX_SHOWN else f"{written[:MAX_SHOWN]}..."
