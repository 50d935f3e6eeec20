"""Texts that trackers write where they have no value."""

from typing import Any, Final

from clickstream_contracts.schema import Field

# Written by Google Analytics, by JavaScript that turned a missing value into text, and by devices that hide their id. `NULL`, `NA` and
# `None` are not among them: they are ids and names of real users, countries and products. A mapping adds its own.
DEFAULT: Final = frozenset(
    {
        "(not set)",
        "(none)",
        "(not provided)",
        "(data not available)",
        "(data deleted)",
        "undefined",
        "null",
        "[object Object]",
        "00000000-0000-0000-0000-000000000000",
    }
)
# Free texts: people do search for "null".
FREE_TEXTS: Final = {"search_query", "user_agent"}


def of_field(field: Field, placeholders: frozenset[str]) -> frozenset[str]:
    """Returns the placeholders that apply to a field: none unless it is a text that names something."""
    return frozenset() if field.type != "string" or field.name in FREE_TEXTS else placeholders


def is_missing(value: Any, placeholders: frozenset[str]) -> bool:
    """Returns whether a value of a file stands for none."""
    if not isinstance(value, str):
        return value is None
    return not value or value in placeholders or ((value[0] == " " or value[-1] == " ") and value.strip() in placeholders)
