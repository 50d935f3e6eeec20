"""From the values of a file to the types of the contract."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from clickstream_contracts.schema import Field

Value = Any
TIMES: Final = ("auto", "iso", "epoch_s", "epoch_ms", "epoch_us")


class Unmappable(ValueError):
    """A line cannot become an event; `reason` is short enough to be counted, `detail` names the value."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


def converter(field: Field, time: str, values: dict[Any, str] | None) -> Callable[[Value], Value]:
    """A function that gives a value the field's type, or raises Unmappable."""
    convert = _plain(field, time)
    if values is None and field.choices:
        values = {choice: choice for choice in field.choices}
    if values is None:
        return convert
    known = {str(key): value for key, value in values.items()}

    def translate(value: Value) -> Value:
        try:
            return known[str(value)]
        except KeyError:
            raise Unmappable(f"{field.name} is not in the mapping", repr(value)) from None

    return translate


def _plain(field: Field, time: str) -> Callable[[Value], Value]:
    if field.type == "timestamptz":
        return lambda value: _checked(field, lambda: milliseconds(value, time), value)
    if field.type in ("int", "long"):
        return lambda value: _checked(field, lambda: whole(value), value)
    if field.type in ("double", "decimal(18,2)"):
        return lambda value: _checked(field, lambda: number(value), value)
    return text


def _checked(field: Field, convert: Callable[[], Value], value: Value) -> Value:
    try:
        return convert()
    except (ValueError, OverflowError, OSError, TypeError):
        raise Unmappable(f"{field.name} is no {_kind(field)}", repr(value)) from None


def _kind(field: Field) -> str:
    return {"timestamptz": "time", "int": "whole number", "long": "whole number"}.get(field.type, "number")


def text(value: Value) -> str:
    """Texts as they are; whole floats, as some exports write ids, without their `.0`."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def whole(value: Value) -> int:
    """A whole number from a number or text."""
    found = number(value)
    if found != int(found):
        raise ValueError(value)
    return int(found)


def number(value: Value) -> float:
    """A finite number from a number or text."""
    if isinstance(value, bool):
        raise ValueError(value)
    found = float(value)
    if not math.isfinite(found):
        raise ValueError(value)
    return found


def milliseconds(value: Value, time: str) -> int:
    """Milliseconds since 1970. A time without a zone is UTC."""
    if isinstance(value, datetime):
        return _epoch(value)
    if time == "auto":
        time = _unit(value)
    if time == "iso":
        return _epoch(datetime.fromisoformat(str(value).removesuffix(" UTC")))
    if time == "epoch_s":
        return round(float(value) * 1000)
    if time in TIMES:
        return int(value) // (1000 if time == "epoch_us" else 1)
    return _epoch(datetime.strptime(str(value), time))


def _unit(value: Value) -> str:
    """How a time is written: as text, or as seconds, milliseconds or microseconds since 1970, told by their size."""
    try:
        size = abs(float(value))
    except ValueError:
        return "iso"
    return "epoch_s" if size < 1e11 else "epoch_ms" if size < 1e14 else "epoch_us"


def _epoch(moment: datetime) -> int:
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
