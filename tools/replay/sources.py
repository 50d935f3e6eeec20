"""Reads event files line by line: CSV, JSON lines and Parquet; the first two may be gzipped."""

from collections.abc import Callable, Iterator
from pathlib import Path

from tools.common.command import UsageError
from tools.replay import csv_rows, json_lines, parquet_rows, text_lines
from tools.replay.lines import Line, until_damage
from tools.replay.reading_options import DEFAULTS, ReadingOptions

__all__ = ["Line", "columns", "read"]

MAX_NAME, MAX_SHOWN = 500, 80  # characters of a column's name
CSV, JSON, PARQUET = "csv", "json", "parquet"
FORMATS = {
    ".csv": CSV, ".tsv": CSV, ".txt": CSV, ".json": JSON, ".jsonl": JSON, ".ndjson": JSON, ".log": JSON, ".parquet": PARQUET,
}  # fmt: skip


def read(path: Path, options: ReadingOptions = DEFAULTS) -> Iterator[Line]:
    """Yields the lines of a file that are not empty.

    Raises DamagedFile after the last readable line, and UsageError if the file is of no known format or encoding.
    """
    format_ = _format(path)
    if format_ == PARQUET:
        yield from parquet_rows.read(path)
        return
    lines = text_lines.read(path, options.encoding)
    yield from json_lines.read(lines) if format_ == JSON else csv_rows.read(path, lines, options)[1]


def columns(path: Path, options: ReadingOptions = DEFAULTS, is_enough: Callable[[set[str]], bool] = lambda columns: False) -> set[str]:
    """Returns the columns of a file; those of JSON are the keys of all lines, or of the first ones that are enough.

    Raises UsageError if the file has no data, or two columns of one name.
    """
    _require_data(path, options)
    if _format(path) == JSON:
        return _json_keys(path, options, is_enough)
    names = (
        parquet_rows.columns(path) if _format(path) == PARQUET else csv_rows.read(path, text_lines.read(path, options.encoding), options)[0]
    )
    repeated = next((name for name in names if name and names.count(name) > 1), None)
    if repeated is not None:
        raise UsageError(f"{path}: two columns have the name {repeated!r}: rename one of them")
    too_long = next((name for name in names if len(name) > MAX_NAME), None)
    if too_long is not None:
        raise UsageError(f"{path}: a column has the name {too_long[:MAX_SHOWN]!r}...: correct line 1, perhaps a quote is stray")
    return set(names)


def _format(path: Path) -> str:
    suffix = path.with_suffix("").suffix if path.suffix.lower() == ".gz" else path.suffix
    if suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: unknown suffix {suffix!r}: rename the file to one of {', '.join(FORMATS)}, with .gz if it is compressed")
    return FORMATS[suffix.lower()]


def _require_data(path: Path, options: ReadingOptions) -> None:
    if next(read(path, options), None) is None:
        raise UsageError(f"{path}: the file has no line of data")


def _json_keys(path: Path, options: ReadingOptions, is_enough: Callable[[set[str]], bool]) -> set[str]:
    """Returns the keys of the lines up to the first after which they are enough."""
    keys: set[str] = set()
    for line in until_damage(read(path, options)):
        if line.values is not None and not keys.issuperset(line.values):
            keys.update(line.values)
            if is_enough(keys):
                break
    return keys
