"""Reads numbers and ids exactly as a file holds them: nothing is guessed, and no digit is lost."""

import math
import re
from datetime import date, time
from decimal import Decimal
from typing import Any, Final

# Python's own readers also accept `1_000`, ` nan `, `infinity` and digits of other scripts. An exponent has at most three digits,
# because 1e999999999 as a whole number would fill the memory.
PLAIN_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
MAX_DIGITS: Final = 1000
# A whole number with more digits is no id; to write it would take long.
MAX_ID_EXPONENT: Final = 200


def number(value: Any) -> float:
    """Returns a number or text as a float. Raises ValueError with a hint if it is no finite number."""
    parsed = float(_plain_text(value) if isinstance(value, str) else exact(value))
    if not math.isfinite(parsed):
        raise ValueError("too large")
    return parsed


def whole_number(value: Any) -> int:
    """Returns a number or text as an int of any size. Raises ValueError with a hint if it has decimals or is no number."""
    parsed = exact(value)
    if parsed != parsed.to_integral_value():
        raise ValueError("it has decimals")
    return int(parsed)


def exact(value: Any) -> Decimal:
    """Returns a number or text with all its digits. Raises ValueError with a hint for everything else, also NaN and infinity."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise ValueError("it is of another type")
    # A float as the shortest text that gives the same float: 0.1, not 0.1000000000000000055.
    parsed = Decimal(_plain_text(value)) if isinstance(value, str) else Decimal(repr(value) if isinstance(value, float) else value)
    if not parsed.is_finite():
        raise ValueError("NaN and infinity are no values")
    return parsed


def _plain_text(text: str) -> str:
    stripped = text.strip()
    if len(stripped) > MAX_DIGITS:
        raise ValueError("too long")
    if not PLAIN_NUMBER.fullmatch(stripped):
        raise ValueError("write it with a decimal point and without thousands separators" if any(c in stripped for c in ",_'") else "")
    return stripped


def text(value: Any) -> str:
    """Returns a single value as text; whole floats, as some exports write ids, without their `.0`.

    Raises ValueError for objects and lists, and for NaN and infinity, which are no ids.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (float, Decimal)):
        if not math.isfinite(value) or Decimal(value).adjusted() > MAX_ID_EXPONENT:
            raise ValueError("NaN, infinity and huge numbers are no texts")
        return str(int(value)) if value == int(value) else str(value)
    if not isinstance(value, (int, date, time)):
        raise ValueError("it is no single value")
    return str(value)
