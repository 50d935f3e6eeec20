"""Finds a value in a line by a dotted path: `properties.products`, `event_params.currency`, `items.0.price`."""

from functools import lru_cache
from typing import Any

import orjson

Value = Any
Values = dict[str, Any]


def look_up(values: Value, path: str) -> Value:
    """Returns the value at a dotted path; the name of a column or key may itself contain dots, and the longest name counts first.

    A list of {key, value} pairs, as in GA4 exports, and one of {schema, data} pairs, as in Snowplow's, are read like an object. A text
    of JSON, as a CSV file has it in a column, is read like what it describes.
    """
    if isinstance(values, str):
        values = parse_json(values)
    if isinstance(values, dict):
        return _look_up_in_object(values, path)
    if isinstance(values, list):
        step, _, rest = path.partition(".")
        element = _look_up_in_list(values, step)
        return look_up(element, rest) if rest else element
    return None


def _look_up_in_object(values: Values, path: str) -> Value:
    name, rest = path, ""
    while name not in values or (rest and look_up(values[name], rest) is None):
        name, dot, last = name.rpartition(".")
        if not dot:
            return None
        rest = f"{last}.{rest}" if rest else last
    return look_up(values[name], rest) if rest else values[name]


def _look_up_in_list(values: list[Value], step: str) -> Value:
    """Returns the element at an index, or the value of the pair with a key."""
    if step.isdigit():
        return values[int(step)] if int(step) < len(values) else None
    pair = next((v for v in values if isinstance(v, dict) and v.get("key") == step), None)
    if pair is None:
        return next(iter(all_of_schema(values, step)), None)
    value = pair.get("value")
    # GA4 wraps the value: {"string_value": "EUR"} or {"int_value": 99}.
    return next((v for v in value.values() if v is not None), None) if isinstance(value, dict) else value


def all_of_schema(values: Value, name: str) -> list[Value]:
    """Returns the data of all {schema, data} pairs of a list whose schema has the name, as iglu:vendor/product/jsonschema/1-0-0 has."""
    pairs = values if isinstance(values, list) else []
    return [pair.get("data") for pair in pairs if isinstance(pair, dict) and _schema_name(pair.get("schema")) == name]


def _schema_name(schema: Value) -> str:
    parts = schema.split("/") if isinstance(schema, str) else []
    return parts[1] if len(parts) > 1 else ""


# A line's text is read once for each field of the mapping.
@lru_cache(maxsize=8)
def parse_json(text: str) -> Value:
    """Returns the object or list that a text describes in JSON, None for any other text."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def is_column(path: str, columns: set[str]) -> bool:
    """Returns whether a path begins with one of the columns; the name of a column may itself contain dots."""
    return any(path == column or path.startswith(f"{column}.") for column in columns)
