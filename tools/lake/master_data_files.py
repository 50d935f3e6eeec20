"""Reads files of users, products and currency rates: the columns of the landing tables, or those that a mapping names."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from clickstream_contracts import schema
from clickstream_contracts.event_limits import decimal_size, has_more_decimals, more_decimals
from tools.common.command import UsageError
from tools.replay import field_rule, sources
from tools.replay.convert import RejectedLine, shown
from tools.replay.field_rule import FieldRule
from tools.replay.lines import Line
from tools.replay.mapping import Mapping
from tools.replay.reading_options import DEFAULTS

State = dict[str, Any]
UPDATED_AT: Final = "updated_at"
# The updated_at of a state without a date: it always held. A fixed date keeps a second load from adding it again.
ALWAYS: Final = datetime(2000, 1, 1, tzinfo=UTC)
# A rate is a quotient; prices are exact.
ROUNDED_FIELDS: Final = frozenset({"rate"})
ARROW_TYPES: Final = {"timestamptz": pa.timestamp("us", tz="UTC"), "date": pa.date32(), "boolean": pa.bool_()}


def read(path: Path, table: str, mapping: Mapping | None = None) -> pa.Table:
    """Returns the rows of a file with the types of the landing table; a state without `updated_at` always held.

    Texts stay as they are, also `NA` and `NULL`; only an empty value is null. Raises UsageError that names the file, the line and
    the column, also for two lines that contradict each other.
    """
    contract = schema.tables()[table]
    options = mapping.reading if mapping else DEFAULTS
    columns = sources.columns(path, options)
    rules = _rules_of_mapping(mapping, contract, columns, path) if mapping else _rules_of_columns(contract, columns, path)
    states: dict[tuple[Any, ...], State] = {}
    for line in sources.read(path, options):
        state = _state(line, rules, contract, path)
        key = tuple(state[name] for name in contract.keys)
        if states.setdefault(key, state) != state:
            ids = ", ".join(f"{name} {shown(state[name])}" for name in contract.keys if name != UPDATED_AT)
            states_differ = f", or give them different values of {UPDATED_AT}" if UPDATED_AT in contract.keys else ""
            raise UsageError(f"{path}, line {line.number}: {ids} a second time with other values: remove one of the lines{states_differ}")
    read_names = {rule.name for rule in rules} | {UPDATED_AT}
    names = [field.name for field in contract.fields if field.name in read_names]
    return pa.table({name: pa.array([state.get(name) for state in states.values()], _type(contract.field(name))) for name in names})


def _rules_of_columns(contract: schema.Contract, columns: set[str], path: Path) -> tuple[FieldRule, ...]:
    """Returns rules that read each column as the field of its name."""
    allowed = [field.name for field in contract.fields]
    location = f"{path}: {contract.id}"
    unknown = sorted(columns - set(allowed))
    if unknown:
        raise UsageError(
            f"{location}: unknown column {unknown[0]!r}: rename it to one of {', '.join(allowed)}, or remove it, or name the columns in"
            " a mapping"
        )
    for name in _required(contract):
        if name not in columns:
            raise UsageError(f"{location}: no column {name!r}, which each row needs; the columns are {', '.join(allowed)}")
    fields = (contract.field(name) for name in allowed if name in columns)
    return tuple(field_rule.parse(field.name, field, location, UTC, frozenset()) for field in fields)


def _rules_of_mapping(mapping: Mapping, contract: schema.Contract, columns: set[str], path: Path) -> tuple[FieldRule, ...]:
    rules: tuple[FieldRule, ...] = getattr(mapping, contract.table)
    for name in _required(contract):
        if name not in {rule.name for rule in rules}:
            raise UsageError(f"mapping {mapping.name}: {contract.table}: {name} is missing: add it, each row needs it")
    for rule in rules:
        missing = rule.missing_column(columns)
        if missing is not None:
            existing = ", ".join(sorted(columns))
            raise UsageError(
                f"{path}: no column {missing!r}, which mapping {mapping.name} reads {rule.name} from; the columns are {existing}:"
                " correct the mapping"
            )
    return rules


def _required(contract: schema.Contract) -> list[str]:
    """Returns the fields that a file must have; `updated_at` has a default."""
    return [field.name for field in contract.fields if field.required and field.name != UPDATED_AT]


def _state(line: Line, rules: tuple[FieldRule, ...], contract: schema.Contract, path: Path) -> State:
    """Returns the state in a line. Raises UsageError if the line cannot be read, or if it lacks a value that each row needs."""
    location = f"{path}, line {line.number}"
    if line.values is None:
        raise UsageError(f"{location}: {line.error}")
    try:
        values = {rule.name: _typed(rule.read(line.values), contract.field(rule.name)) for rule in rules}
    except RejectedLine as error:
        raise UsageError(f"{location}: column {error}") from None
    for name in _required(contract):
        if values[name] is None:
            raise UsageError(f"{location}: {name} is empty: each row needs it")
    return values if UPDATED_AT not in contract.keys else {**values, UPDATED_AT: values.get(UPDATED_AT) or ALWAYS}


def _typed(value: Any, field: schema.Field) -> Any:
    """Returns a converted value as Arrow takes it. Times are in milliseconds since 1970, of a price only floating-point noise is rounded.

    Raises RejectedLine if the table cannot hold the value.
    """
    if value is None:
        return None
    try:
        if field.type == "timestamptz":
            return datetime.fromtimestamp(value / 1000, UTC)
        if field.type == "boolean" and not isinstance(value, bool):
            raise ValueError
        typed = _decimal(value, field) if field.type.startswith("decimal") else value
    except RejectedLine:
        raise
    except (ValueError, ArithmeticError, OSError):
        problem = "neither true nor false" if field.type == "boolean" else "out of range"
        raise RejectedLine(f"{field.name}: {problem}", shown(value)) from None
    if field.minimum is not None and typed < Decimal(repr(field.minimum)):
        raise RejectedLine(f"{field.name}: less than {Decimal(repr(field.minimum)):f}", shown(value))
    return typed


def _decimal(value: float, field: schema.Field) -> Decimal:
    digits, scale = decimal_size(field.type) or (0, 0)
    if field.name not in ROUNDED_FIELDS and has_more_decimals(value, scale):
        raise RejectedLine(f"{field.name}: {more_decimals(scale)}", shown(value))
    rounded = Decimal(repr(value)).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    if abs(rounded) >= Decimal(10) ** digits:
        raise ValueError
    return rounded


def _type(field: schema.Field) -> pa.DataType:
    if field.type in ARROW_TYPES:
        return ARROW_TYPES[field.type]
    size = decimal_size(field.type)
    return pa.decimal128(sum(size), size[1]) if size else pa.string()
