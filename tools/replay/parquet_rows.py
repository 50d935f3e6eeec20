"""Reads Parquet row by row. Times of any unit, texts stored as bytes and nested values become plain Python values."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from tools.replay.lines import DamagedFile, Line

BATCH: Final = 10_000


class Unreadable:
    """A value that cannot be read, for example a text that is no UTF-8. A line whose event needs it is rejected."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return f"<{self.reason}>"


def columns(path: Path) -> list[str]:
    """Returns the names of the columns. Raises DamagedFile if the file has no valid footer."""
    with _open(path) as file:
        return list(file.schema_arrow.names)


def read(path: Path) -> Iterator[Line]:
    """Yields the rows. Rows that are damaged are left out; DamagedFile is raised after the last readable one."""
    damages = []
    with _open(path) as file:
        names, number = file.schema_arrow.names, 0
        for group in range(file.num_row_groups):
            last_number = number + file.metadata.row_group(group).num_rows
            try:
                for batch in file.iter_batches(BATCH, row_groups=[group]):
                    for values in _rows(batch, names):
                        number += 1
                        yield Line(number, _text(values), values)
            except (pa.ArrowException, OSError) as error:
                damages.append(f"rows {number + 1} to {last_number} cannot be read: {error}")
                number = last_number
    if damages:
        raise DamagedFile(f"{path}: damaged: {'; '.join(damages)}")


def _open(path: Path) -> pq.ParquetFile:
    try:
        # Spark and Hive write times as INT96, whose nanoseconds reach only to the year 2262.
        return pq.ParquetFile(path, coerce_int96_timestamp_unit="us")
    except (pa.ArrowException, OSError) as error:
        raise DamagedFile(f"{path}: damaged: {error}") from None


def _rows(batch: pa.RecordBatch, names: list[str]) -> Iterator[dict[str, Any]]:
    columns = [_values(column) for column in batch.columns]
    return (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)) if columns else iter(())


def _values(column: pa.Array) -> list[Any]:
    readable = _with_microseconds(column)
    try:
        values = readable.to_pylist()
    except (ValueError, OverflowError):
        values = [_value(scalar) for scalar in readable]
    return [plain(value) for value in values] if _is_special(readable.type) else values


def _with_microseconds(column: pa.Array) -> pa.Array:
    """Returns the column with times in microseconds, which Python's times have."""
    type_ = _microseconds(column.type)
    return column if type_ == column.type else column.cast(type_, safe=False)


def _microseconds(type_: pa.DataType) -> pa.DataType:
    """Returns a type with microseconds where it has nanoseconds, also inside."""
    if pa.types.is_timestamp(type_) and type_.unit == "ns":
        return pa.timestamp("us", type_.tz)
    if pa.types.is_time64(type_):
        return pa.time64("us")
    if pa.types.is_duration(type_):
        return pa.duration("us")
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(_microseconds(field.type)) for field in type_])
    if pa.types.is_map(type_):
        return pa.map_(_microseconds(type_.key_type), _microseconds(type_.item_type))
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        make = pa.list_ if pa.types.is_list(type_) else pa.large_list
        return make(type_.value_field.with_type(_microseconds(type_.value_type)))
    return type_


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError) as error:
        return Unreadable(str(error))


def _is_special(type_: pa.DataType) -> bool:
    """Returns whether a type's values are, or contain, others than single values, objects and lists."""
    return not (
        pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_primitive(type_)
        or pa.types.is_boolean(type_) or pa.types.is_decimal(type_)
    )  # fmt: skip


def plain(value: Any) -> Any:
    """Returns a value with texts instead of bytes and UUIDs, and objects instead of maps, also inside of objects and lists."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return Unreadable("bytes that are no UTF-8")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        is_map = bool(value) and all(isinstance(pair, tuple) for pair in value)
        return {str(plain(key)): plain(inner) for key, inner in value} if is_map else [plain(inner) for inner in value]
    return value


def _text(values: dict[str, Any]) -> str:
    """Returns a row as JSON; the event id is derived from it."""
    try:
        return orjson.dumps(values, default=str).decode()
    except orjson.JSONEncodeError:
        # Numbers beyond 64 bits.
        return json.dumps(values, default=str, ensure_ascii=False)
