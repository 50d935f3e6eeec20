"""Reads CSV row by row. A stray quote, which would swallow the rows after it, costs only its own line."""

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tools.common.command import UsageError
from tools.replay.lines import DamagedFile, Line, TextLine
from tools.replay.reading_options import ReadingOptions

# A quoted value may have line breaks; one that does not end within so many lines or characters is taken for a stray quote.
MAX_ROW_LINES: Final = 1_000
MAX_ROW_CHARACTERS: Final = 10_000_000
DELIMITERS: Final = ",;\t|"
# The first line by which Excel names the delimiter.
EXCEL_DELIMITER: Final = re.compile(r"sep=(.)\r?")
NUMBER: Final = re.compile(r"[0-9]+")
WORD: Final = re.compile(r"[^\W\d_]+")
SHAPE_CHARACTERS: Final = 100

csv.field_size_limit(MAX_ROW_CHARACTERS)


def read(path: Path, lines: Iterator[TextLine], options: ReadingOptions) -> tuple[list[str], Iterator[Line]]:
    """Returns the columns of a CSV file and its rows, which raise DamagedFile after the last readable one.

    Raises UsageError if the header cannot be read.
    """
    source = _Lines(lines)
    delimiter = options.delimiter or _excel_delimiter(source) or _frequent_delimiter(source)
    columns = list(options.columns) or _header(_Rows(source, delimiter, options.quotes), path)
    return columns, _lines(_Rows(source, delimiter, options.quotes, len(columns)), columns)


def _lines(rows: "_Rows", columns: list[str]) -> Iterator[Line]:
    while (row := rows.read()) is not None:
        values = None if row.error else dict(zip(columns, row.values, strict=True))
        yield Line(row.number, row.text, values, row.error)
    if rows.source.damage is not None:
        raise rows.source.damage


def _header(rows: "_Rows", path: Path) -> list[str]:
    row = rows.read()
    if row is None:
        return []
    if row.error:
        raise UsageError(f"{path}: line {row.number}, which has the names of the columns: {row.error}")
    header = [name.strip() for name in row.values]
    return header


class _Lines:
    """The lines of a file. Lines that were read ahead can be put back; a damage is kept until all lines before it are used."""

    def __init__(self, lines: Iterator[TextLine]) -> None:
        self._lines = lines
        self._ahead: deque[TextLine] = deque()
        self.damage: DamagedFile | None = None

    def take(self) -> TextLine | None:
        """Returns the next line, None after the last one."""
        if self._ahead:
            return self._ahead.popleft()
        try:
            return next(self._lines, None)
        except DamagedFile as damage:
            self.damage = damage
            return None

    def take_not_empty(self) -> TextLine | None:
        while (line := self.take()) is not None and not (line.error or line.text.rstrip("\r")):
            pass
        return line

    def put_back(self, lines: list[TextLine]) -> None:
        self._ahead.extendleft(reversed(lines))


def _excel_delimiter(source: _Lines) -> str:
    line = source.take_not_empty()
    match = EXCEL_DELIMITER.fullmatch(line.text) if line else None
    if line is not None and match is None:
        source.put_back([line])
    return match[1] if match else ""


def _frequent_delimiter(source: _Lines) -> str:
    """Returns the delimiter that the first line has most often outside of quotes; a comma if it has none."""
    line = source.take_not_empty()
    if line is None:
        return DELIMITERS[0]
    source.put_back([line])
    unquoted = re.sub(r'"[^"]*"', "", line.text)
    return max(DELIMITERS, key=unquoted.count)


@dataclass(frozen=True)
class _Row:
    """A row with the lines that it spans, and its values or the error."""

    lines: list[TextLine]
    values: list[str]
    error: str = ""

    @property
    def number(self) -> int:
        return self.lines[0].number

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines).rstrip("\r\n")


@dataclass
class _Rows:
    """Reads rows of `width` values, 0 for any number."""

    source: _Lines
    delimiter: str
    quotes: bool
    width: int = 0
    _last_values: list[str] = field(default_factory=list)

    def read(self) -> _Row | None:
        """Returns the next row that is not empty, None after the last one."""
        first = self.source.take_not_empty()
        if first is None:
            return None
        if first.error:
            return _Row([first], [], first.error)
        text = first.text.removesuffix("\r")
        is_plain = not self.quotes or ('"' not in text and "\r" not in text)
        row = _Row([first], text.split(self.delimiter)) if is_plain else self._read_quoted(first)
        if not row.error and self.width and len(row.values) != self.width:
            return _Row(row.lines, [], f"{len(row.values)} values for {self.width} columns")
        if not row.error:
            self._last_values = row.values
        return row

    def _read_quoted(self, first: TextLine) -> _Row:
        """Returns the row that begins with a line; if a quote in it is a stray one, only this line is used."""
        lines = [first]
        try:
            values = next(csv.reader(self._following(lines), delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            self.source.put_back(lines[1:])
            return _Row([first], [], _reason(error))
        if len(lines) > 1 and self._has_swallowed_rows(lines, values):
            self.source.put_back(lines[1:])
            return _Row([first], [], "stray quote: it opens a value that would swallow the rows after it")
        return _Row(lines, values, next((line.error for line in lines if line.error), ""))

    def _following(self, lines: list[TextLine]) -> Iterator[str]:
        """Yields the first of `lines`, then as many lines as the caller needs for one row, which are added to `lines`."""
        yield lines[0].text + "\n"
        characters = len(lines[0].text)
        while len(lines) < MAX_ROW_LINES and characters < MAX_ROW_CHARACTERS:
            line = self.source.take()
            if line is None:
                return
            lines.append(line)
            characters += len(line.text)
            yield line.text + "\n"

    def _has_swallowed_rows(self, lines: list[TextLine], values: list[str]) -> bool:
        """Returns whether lines are together no row, or whether one after the first looks like a row of its own."""
        if self.width and len(values) != self.width:
            return True
        last_values = self._last_values or lines[0].text.split(self.delimiter)
        return any(self._looks_like_row(line.text, last_values) for line in lines[1:])

    def _looks_like_row(self, text: str, last_values: list[str]) -> bool:
        """Returns whether a line has the right number of values, at least half of which have the shape of those of the row before."""
        try:
            values = next(csv.reader([text], delimiter=self.delimiter), [])
        except csv.Error:
            return False
        equal_shapes = sum(_shape(value) == _shape(last) for value, last in zip(values, last_values, strict=False))
        return len(values) == self.width and 2 * equal_shapes >= self.width


def _reason(error: csv.Error) -> str:
    if "end of data" in str(error):
        return f"stray quote: it opens a value that does not end within {MAX_ROW_LINES} lines"
    return f"stray quote: {error}" if "expected after" in str(error) else f"not CSV: {error}"


def _shape(value: str) -> str:
    """Returns a value with each number as 9 and each word as a: `2025-11-03 UTC` is `9-9-9 a`."""
    return WORD.sub("a", NUMBER.sub("9", value.strip()[:SHAPE_CHARACTERS]))
