"""A mapping, written as YAML: which column of a file becomes which field of the event."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from clickstream_contracts import schema
from tools.common.command import UsageError
from tools.replay import reading_options
from tools.replay.convert import RejectedLine, converter
from tools.replay.reading_options import ReadingOptions
from tools.replay.times import TIME_FORMATS

BUNDLED: Final = Path(__file__).parent / "mappings"
KEYS: Final = {"description", "fields", "each", "session_gap_minutes", "products", "zone", *reading_options.KEYS}
FIELD_KEYS: Final = {"from", "constant", "time", "values", "join", "optional"}
EVENT_FIELDS: Final = {f.name for f in schema.event().fields}
PRODUCT_FIELDS: Final = {f.name for f in schema.tables()["landing.products"].fields} - {"updated_at"}
# The replay derives these if the mapping has no rule for them.
DERIVED_FIELDS: Final = {"event_id", "session_id", "schema_version"}
# Fields without which a line is rejected.
REQUIRED_FIELDS: Final = {f.name for f in schema.event().fields if f.required} - {"event_id", "schema_version"}
# The current element of the list named by `each` is read as `each.<column>`.
EACH: Final = "each"

Value = Any
Values = dict[str, Any]


@dataclass(frozen=True)
class FieldRule:
    """Where the value of a field comes from: a constant, the first of several columns that has a value, or several joined."""

    name: str
    paths: tuple[str, ...] = ()
    constant: Value = None
    join: str | None = None
    optional: bool = False
    convert: Callable[[Value], Value] = field(default=lambda value: value, compare=False)

    def read(self, values: Values) -> Value:
        """Returns the field's value, None if the line has none. Raises RejectedLine if it cannot be converted."""
        if self.constant is not None:
            return self.constant
        present = [value for path in self.paths if (value := look_up(values, path)) not in (None, "")]
        if self.join is not None:
            is_complete = len(present) == len(self.paths)
            return self.convert(self.join.join(map(str, present))) if present and is_complete else None
        return self.convert(present[0]) if present else None

    def missing_column(self, columns: set[str]) -> str | None:
        """Returns a column that the rule needs and the file lacks; None if the field can be read or is optional."""
        missing = [path.split(".")[0] for path in self.paths if not _has_column(columns, path)]
        if not missing or self.optional:
            return None
        # Without `join` one of the columns is enough.
        is_one_enough = self.join is None and len(missing) < len(self.paths)
        return None if is_one_enough else missing[0]


def _has_column(columns: set[str], path: str) -> bool:
    """Returns whether a path begins with one of the columns; the name of a column may itself contain dots."""
    return path.split(".")[0] == EACH or any(path == column or path.startswith(f"{column}.") for column in columns)


def look_up(values: Any, path: str) -> Value:
    """Returns the value at a dotted path; the name of a column or key may itself contain dots, and the longest name counts first.

    A list of {key, value} pairs, as in GA4 exports, is read like an object.
    """
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


def _look_up_in_list(values: list[Any], step: str) -> Value:
    """Returns the element at an index, or the value of the pair with a key."""
    if step.isdigit():
        return values[int(step)] if int(step) < len(values) else None
    pair = next((v for v in values if isinstance(v, dict) and v.get("key") == step), {})
    value = pair.get("value")
    # GA4 wraps the value: {"string_value": "EUR"} or {"int_value": 99}.
    return next((v for v in value.values() if v is not None), None) if isinstance(value, dict) else value


@dataclass(frozen=True)
class Mapping:
    """Rules for the fields of events and products. `each` names a list in the line whose elements become one event each."""

    name: str
    fields: tuple[FieldRule, ...]
    products: tuple[FieldRule, ...] = ()
    each: str = ""
    session_gap_minutes: int = 30
    reading: ReadingOptions = ReadingOptions()

    @property
    def derives_sessions(self) -> bool:
        return all(rule.name != "session_id" for rule in self.fields)

    def require_columns(self, columns: set[str], file: str) -> None:
        """Raises UsageError if the file lacks a column that the mapping needs."""
        for rule in (*self.fields, *self.products):
            missing = rule.missing_column(columns)
            if missing is not None:
                existing = ", ".join(sorted(columns)) or "none"
                raise UsageError(
                    f"{file}: no column {missing!r}, which mapping {self.name} reads {rule.name} from; the columns are {existing}:"
                    " use another mapping, or write your own"
                )

    def elements(self, values: Values) -> Iterator[Values]:
        """Yields the values for each event of a line: one for each element of the list `each`, or the line's values."""
        elements = values.get(self.each) if self.each else None
        if elements and isinstance(elements, list):
            yield from ({**values, EACH: element} for element in elements)
        else:
            yield values

    def event(self, values: Values) -> Values:
        """Returns the event's fields that have a value. Raises RejectedLine if a required one has none."""
        event = {}
        for rule in self.fields:
            value = rule.read(values)
            if value is not None:
                event[rule.name] = value
            elif rule.name in REQUIRED_FIELDS:
                raise RejectedLine(f"{rule.name}: no value")
        return event

    def product(self, values: Values) -> Values:
        """Returns the state of the product in an event's values."""
        return {rule.name: rule.read(values) for rule in self.products}


def load(name: str) -> Mapping:
    """Returns a bundled mapping by name, or a user's own by path. Raises UsageError that names the file, the key and the value."""
    is_path = name.endswith((".yaml", ".yml"))
    path = Path(name) if is_path else BUNDLED / f"{name}.yaml"
    try:
        content = yaml.safe_load(path.read_text())
    except OSError:
        bundled = ", ".join(sorted(p.stem for p in BUNDLED.glob("*.yaml")))
        raise UsageError(f"no mapping {name!r}: use {bundled}, or the path of a .yaml file") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    return parse(content, path.stem, str(path))


def parse(content: Any, name: str, file: str) -> Mapping:
    """Returns a mapping from its YAML content. Raises UsageError."""
    if not isinstance(content, dict) or not isinstance(content.get("fields"), dict):
        raise UsageError(f"{file}: key `fields` is missing: a mapping needs an object of event fields and their columns")
    _check_keys(set(content), KEYS, file)
    _check_keys(set(content["fields"]), EVENT_FIELDS, f"{file}: fields")
    _check_keys(set(content.get("products", {})), PRODUCT_FIELDS, f"{file}: products")
    missing = sorted(REQUIRED_FIELDS - DERIVED_FIELDS - set(content["fields"]))
    if missing:
        raise UsageError(f"{file}: fields: {missing[0]} is missing: every event needs it, add the column it is read from")
    if "session_id" not in content["fields"] and "user_id" not in content["fields"]:
        raise UsageError(f"{file}: fields: session_id is missing: add it, or user_id to derive sessions from")
    products, zone = schema.tables()["landing.products"], _zone(content.get("zone", "UTC"), file)
    return Mapping(
        name=name,
        fields=tuple(_rule(field, spec, schema.event(), file, zone) for field, spec in content["fields"].items()),
        products=tuple(_rule(field, spec, products, file, zone) for field, spec in content.get("products", {}).items()),
        each=content.get("each", ""),
        session_gap_minutes=content.get("session_gap_minutes", 30),
        reading=reading_options.parse(content, file),
    )


def _zone(name: Any, file: str) -> tzinfo:
    """Returns the time zone of times that name none. Raises UsageError for an unknown name."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise UsageError(f"{file}: zone: unknown time zone {name!r}: use a name like Europe/Berlin") from None


def _check_keys(keys: set[str], allowed: set[str], location: str) -> None:
    unknown = sorted(map(str, keys - allowed))
    if unknown:
        raise UsageError(f"{location}: unknown key {unknown[0]!r}: use {', '.join(sorted(allowed))}")


def _rule(name: str, spec: Any, contract: schema.Contract, file: str, zone: tzinfo) -> FieldRule:
    """Returns the rule of a field. `spec` is a column's name, or an object with the keys FIELD_KEYS."""
    location = f"{file}: {name}"
    spec = {"from": spec} if isinstance(spec, str) else spec
    if not isinstance(spec, dict):
        raise UsageError(f"{location}: {spec!r} is no rule: give the name of a column, or an object with `from` or `constant`")
    _check_keys(set(spec), FIELD_KEYS, location)
    paths = spec.get("from", [])
    if not paths and "constant" not in spec:
        raise UsageError(f"{location}: give `from` or `constant`")
    time_format = spec.get("time", "auto")
    if time_format not in TIME_FORMATS and "%" not in str(time_format):
        raise UsageError(f"{location}: unknown time {time_format!r}: use {', '.join(TIME_FORMATS)}, or a pattern like %d.%m.%Y %H:%M")
    return FieldRule(
        name=name,
        paths=(paths,) if isinstance(paths, str) else tuple(paths),
        constant=spec.get("constant"),
        join=spec.get("join"),
        optional=spec.get("optional", False),
        convert=converter(contract.field(name), time_format, spec.get("values"), zone),
    )
