"""Reads files of users and products: the columns of the landing tables, or those that a mapping names."""

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from clickstream_contracts import schema
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
DECIMAL: Final = re.compile(r"decimal\((\d+),(\d+)\)")


def read(path: Path, table: str, mapping: Mapping | None = None) -> pa.Table:
    """Returns the states of a file with the types of the landing table; without `updated_at` they always held.

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
            raise UsageError(
                f"{path}, line {line.number}: {contract.keys[0]} {key[0]!r} a second time with other values: remove one of the lines, or"
                f" give them different values of {UPDATED_AT}"
            )
    names = [field.name for field in contract.fields if field.name == UPDATED_AT or field.name in {rule.name for rule in rules}]
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
    if contract.keys[0] not in columns:
        raise UsageError(f"{location}: no column {contract.keys[0]!r}, which identifies a row; the columns are {', '.join(allowed)}")
    fields = (contract.field(name) for name in allowed if name in columns)
    return tuple(field_rule.parse(field.name, field, location, UTC, frozenset()) for field in fields)


def _rules_of_mapping(mapping: Mapping, contract: schema.Contract, columns: set[str], path: Path) -> tuple[FieldRule, ...]:
    rules = mapping.users if contract.table == "users" else mapping.products
    if contract.keys[0] not in {rule.name for rule in rules}:
        raise UsageError(f"mapping {mapping.name}: {contract.table}: {contract.keys[0]} is missing: add the column that identifies a row")
    for rule in rules:
        missing = rule.missing_column(columns)
        if missing is not None:
            existing = ", ".join(sorted(columns))
            raise UsageError(
                f"{path}: no column {missing!r}, which mapping {mapping.name} reads {rule.name} from; the columns are {existing}:"
                " correct the mapping"
            )
    return rules


def _state(line: Line, rules: tuple[FieldRule, ...], contract: schema.Contract, path: Path) -> State:
    """Returns the state in a line. Raises UsageError if the line cannot be read, or if it has no id."""
    location = f"{path}, line {line.number}"
    if line.values is None:
        raise UsageError(f"{location}: {line.error}")
    try:
        values = {rule.name: _typed(rule.read(line.values), contract.field(rule.name)) for rule in rules}
    except RejectedLine as error:
        raise UsageError(f"{location}: column {error}") from None
    if values[contract.keys[0]] is None:
        raise UsageError(f"{location}: {contract.keys[0]} is empty: it identifies a row")
    return {**values, UPDATED_AT: values.get(UPDATED_AT) or ALWAYS}


def _typed(value: Any, field: schema.Field) -> Any:
    """Returns a converted value as Arrow takes it. Times are in milliseconds since 1970, prices are rounded as those of events.

    Raises RejectedLine if the table cannot hold the value.
    """
    if value is None:
        return None
    try:
        if field.type == "timestamptz":
            return datetime.fromtimestamp(value / 1000, UTC)
        return _rounded(value, field.type) if field.type.startswith("decimal") else value
    except (ValueError, ArithmeticError, OSError):
        raise RejectedLine(f"{field.name}: out of range", shown(value)) from None


def _rounded(value: float, type_: str) -> Decimal:
    precision, scale = _precision_and_scale(type_)
    rounded = Decimal(repr(value)).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    if abs(rounded) >= Decimal(10) ** (precision - scale):
        raise ValueError
    return rounded


def _precision_and_scale(type_: str) -> tuple[int, int]:
    match = DECIMAL.fullmatch(type_)
    if match is None:
        raise AssertionError(f"{type_} is no decimal type")
    return int(match[1]), int(match[2])


def _type(field: schema.Field) -> pa.DataType:
    if field.type == "timestamptz":
        return pa.timestamp("us", tz="UTC")
    return pa.decimal128(*_precision_and_scale(field.type)) if field.type.startswith("decimal") else pa.string()
