"""Event files line by line: CSV, JSON lines and Parquet, plain or gzipped."""

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
LOOK_AHEAD = 200


@dataclass(frozen=True)
class Line:
    """One line of a file: its number, its text as it stood there, and its values, or why it has none."""

    number: int
    text: str
    values: dict[str, Any] | None
    fault: str = ""


def read(path: Path) -> Iterator[Line]:
    """The lines of a file that hold data. Raises UsageError when the file cannot be read at all, or ends in the middle of its gzip."""
    number = 0
    try:
        for line in _reader(path):
            number = line.number
            yield line
    except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowException) as error:
        raise UsageError(f"{path}: damaged after line {number}: {error}") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None


def _reader(path: Path) -> Iterator[Line]:
    suffixes = path.suffixes[-2:]
    plain = suffixes[0] if suffixes and suffixes[-1] == ".gz" else path.suffix
    if plain not in FORMATS:
        raise UsageError(f"{path}: the name does not tell the format; use one of {', '.join(FORMATS)}, with .gz if it is compressed")
    if FORMATS[plain] == "parquet":
        return _parquet(path)
    return _csv(path) if FORMATS[plain] == "csv" else _jsonl(path)


def _open(path: Path) -> IO[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    # Bytes that are no UTF-8 survive as surrogates, so that the line can be rejected as it stood.
    return opener(path, "rt", encoding="utf-8", errors="surrogateescape", newline="")


def _csv(path: Path) -> Iterator[Line]:
    with _open(path) as file:
        taken: list[str] = []
        rows = csv.reader(_remember(file, taken))
        header = [name.strip().lstrip("\ufeff") for name in next(rows, [])]
        taken.clear()
        while True:
            number, row, fault = rows.line_num + 1, None, ""
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                fault = f"not CSV: {error}"
            text = "".join(taken).rstrip("\r\n")
            taken.clear()
            if text or fault:
                yield _csv_line(number, text, header, row, fault)


def _remember(file: IO[str], taken: list[str]) -> Iterator[str]:
    """The file's lines; what the CSV reader took for its current row is in `taken`."""
    for line in file:
        taken.append(line)
        yield line


def _csv_line(number: int, text: str, header: list[str], row: list[str] | None, fault: str) -> Line:
    if not _is_utf8(text):
        return Line(number, text, None, "not UTF-8")
    if row is not None and len(row) != len(header):
        return Line(number, text, None, f"{len(row)} values for {len(header)} columns")
    return Line(number, text, dict(zip(header, row, strict=True)) if row is not None else None, fault)


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
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _parquet(path: Path) -> Iterator[Line]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(10_000):
            for values in batch.to_pylist():
                number += 1
                yield Line(number, orjson.dumps(values, default=str).decode(), values)


def columns(path: Path) -> set[str]:
    """Names that occur in the first lines of a file; for CSV and Parquet those are all there are. Raises UsageError on an empty file."""
    found: set[str] = set()
    lines = list(islice(read(path), LOOK_AHEAD))
    for line in lines:
        found |= set(line.values or {})
    if not lines:
        raise UsageError(f"{path}: holds no line of data")
    return found
