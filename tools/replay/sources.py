"""Reads event files line by line: CSV, JSON lines and Parquet; the first two may be gzipped."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from tools.common.command import UsageError

FORMATS = {".csv": "csv", ".json": "jsonl", ".jsonl": "jsonl", ".ndjson": "jsonl", ".log": "jsonl", ".parquet": "parquet"}
# Lines from which the columns of a JSON lines file are collected.
HEAD_LINES = 200
PARQUET_BATCH = 10_000


@dataclass(frozen=True)
class Line:
    """One line of a file: its number, its unchanged text, and its values, or the error that kept it from being parsed."""

    number: int
    text: str
    values: dict[str, Any] | None
    error: str = ""


def read(path: Path) -> Iterator[Line]:
    """Yields the lines of a file that are not empty. Raises UsageError if the file cannot be read or is truncated."""
    number = 0
    try:
        for line in _reader(path):
            number = line.number
            yield line
    except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowException) as error:
        raise UsageError(f"{path}: damaged after line {number}: {error}: get the file again, lines up to there are valid") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None


def _reader(path: Path) -> Iterator[Line]:
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix not in FORMATS:
        raise UsageError(f"{path}: unknown suffix {suffix!r}: rename the file to one of {', '.join(FORMATS)}, with .gz if it is compressed")
    readers = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
    return readers[FORMATS[suffix]](path)


def _open(path: Path) -> IO[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    # Bytes that are not UTF-8 are kept as surrogates, so that the line is written to the reject file unchanged.
    return opener(path, "rt", encoding="utf-8", errors="surrogateescape", newline="")


def _csv(path: Path) -> Iterator[Line]:
    with _open(path) as file:
        # A row may span several lines of the file; these are the lines of the current row.
        row_lines: list[str] = []
        rows = csv.reader(_copy_lines(file, row_lines))
        header = [name.strip().lstrip("\ufeff") for name in next(rows, [])]
        row_lines.clear()
        while True:
            number, row, error_text = rows.line_num + 1, None, ""
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                error_text = f"not CSV: {error}"
            text = "".join(row_lines).rstrip("\r\n")
            row_lines.clear()
            if text or error_text:
                yield _csv_line(number, text, header, row, error_text)


def _copy_lines(file: IO[str], copies: list[str]) -> Iterator[str]:
    """Yields the lines of a file and appends each to `copies`."""
    for line in file:
        copies.append(line)
        yield line


def _csv_line(number: int, text: str, header: list[str], row: list[str] | None, error: str) -> Line:
    if not _is_utf8(text):
        return Line(number, text, None, "not UTF-8")
    if row is None:
        return Line(number, text, None, error)
    if len(row) != len(header):
        return Line(number, text, None, f"{len(row)} values for {len(header)} columns")
    return Line(number, text, dict(zip(header, row, strict=True)))


def _jsonl(path: Path) -> Iterator[Line]:
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            text = line.strip()
            if text:
                yield _json_line(number, text)


def _json_line(number: int, text: str) -> Line:
    if not _is_utf8(text):
        return Line(number, text, None, "not UTF-8")
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Line(number, text, None, f"not JSON: {error.msg}")
    return Line(number, text, values) if isinstance(values, dict) else Line(number, text, None, "not a JSON object")


def _is_utf8(text: str) -> bool:
    """Returns whether the text was valid UTF-8: invalid bytes were read as surrogates."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _parquet(path: Path) -> Iterator[Line]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(PARQUET_BATCH):
            for values in batch.to_pylist():
                number += 1
                yield Line(number, orjson.dumps(values, default=str).decode(), values)


def columns(path: Path) -> set[str]:
    """Returns the columns in the first lines of a file; for CSV and Parquet these are all. Raises UsageError if the file has no data."""
    lines = list(islice(read(path), HEAD_LINES))
    if not lines:
        raise UsageError(f"{path}: the file has no line of data")
    return {column for line in lines for column in line.values or {}}
