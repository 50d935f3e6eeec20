"""Reads JSON lines, JSON arrays and objects that span several lines: each object is a line. Numbers of any size stay exact."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import chain, pairwise
from typing import Any, Final

import orjson

from tools.replay.lines import DamagedFile, Line, TextLine

# orjson reads whole numbers beyond 64 bits and long fractions as floats, which have 15 to 17 digits.
LONG_NUMBER: Final = re.compile(r"[0-9]{20}|-[0-9]{19}|[0-9]{16}\.|\.[0-9]{16}")
# A string, or a character that begins or ends an object, an array or an element. JSON has no line breaks in strings.
TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\],]')
CUT_OFF: Final = "cut off: the file ends within this object"


def read(lines: Iterator[TextLine]) -> Iterator[Line]:
    """Yields the objects of a file. Raises DamagedFile after the last readable one."""
    filled = (line for line in lines if line.error or line.text.strip())
    first = next(filled, None)
    if first is None:
        return
    spans_lines = first.text.lstrip().startswith("[") or first.text.strip() == "{"
    objects = chain([first], filled)
    yield from _Objects().read(objects) if spans_lines else map(_parse_stripped, objects)


def _parse_stripped(line: TextLine) -> Line:
    return parse(TextLine(line.number, line.text.strip(), line.error))


def parse(line: TextLine) -> Line:
    """Returns a line with its values, or with the error that it is no JSON object."""
    if line.error:
        return Line(line.number, line.text, None, line.error)
    try:
        values = _values(line.text)
    except (ValueError, ArithmeticError, RecursionError) as error:
        return Line(line.number, line.text, None, f"not JSON: {error}")
    return Line(line.number, line.text, values) if isinstance(values, dict) else Line(line.number, line.text, None, "not a JSON object")


def _values(text: str) -> Any:
    if not LONG_NUMBER.search(text):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            # NaN and Infinity are no JSON, but many programs write them; Python's own parser reads them.
            pass
    return json.loads(text, parse_float=Decimal)


class _Objects:
    """Reads an array, or objects that span several lines, object by object.

    A broken object, in which no end is found, must not swallow those after it: it ends before the next line that begins with a brace
    and is not indented further.
    """

    def __init__(self) -> None:
        # The current object: its lines, and the positions in `_parts` where it ends if it is broken.
        self._parts: list[TextLine] = []
        self._next_starts: list[int] = []
        self._depth = self._indent = 0
        self._is_array = self._is_finished = False

    def read(self, lines: Iterator[TextLine]) -> Iterator[Line]:
        """Yields the objects. Raises DamagedFile after the last readable one."""
        try:
            for line in lines:
                yield from self._read_line(line)
        except DamagedFile:
            yield from self._take(CUT_OFF)
            raise
        yield from self._take(CUT_OFF if self._depth or (self._is_array and not self._is_finished) else "")

    def _read_line(self, line: TextLine) -> Iterator[Line]:
        text = line.text.strip()
        if text.startswith("{"):
            yield from self._begin(len(line.text) - len(line.text.lstrip()))
        if text.startswith("[") and not self._is_array and not self._depth:
            self._is_array, text = True, text[1:]
        start = 0
        for token in TOKEN.finditer(text):
            character = token[0]
            if character in ("{", "["):
                self._depth += 1
            elif self._depth and character in ("}", "]"):
                self._depth -= 1
            elif not self._depth and character in (",", "]"):
                self._add(line, text[start : token.start()])
                yield from self._take()
                start = token.end()
                self._is_finished = character == "]"
        self._add(line, text[start:])

    def _begin(self, indent: int) -> Iterator[Line]:
        """Ends the current object before a line that begins with a brace, or remembers the line in case the object is broken."""
        if not self._depth:
            yield from self._take()
            self._indent = indent
        elif indent <= self._indent:
            self._next_starts.append(len(self._parts))

    def _add(self, line: TextLine, text: str) -> None:
        """Add a part of a line to the current object."""
        if text.strip() or line.error:
            self._parts.append(TextLine(line.number, text, line.error))

    def _take(self, error: str = "") -> Iterator[Line]:
        """Yields the current object, if there is one, and begins the next; `error` if the file ends in it."""
        parts, starts = self._parts, self._next_starts
        self._parts, self._next_starts, self._depth = [], [], 0
        if not parts:
            return
        line = _join(parts, error)
        if line.values is not None or not starts:
            yield line
            return
        for start, end in pairwise([0, *starts, len(parts)]):
            yield _join(parts[start:end], error if end == len(parts) else "")


def _join(parts: list[TextLine], error: str) -> Line:
    """Returns the object in parts of lines; `error` if it is no object."""
    # Where a broken object hid the ends of the following ones, a comma or the end of the array is left.
    text = "\n".join(part.text for part in parts).strip()
    text = text.rstrip(",] \t\n") if text.startswith("{") else text
    line = parse(TextLine(parts[0].number, text, next((part.error for part in parts if part.error), "")))
    return line if line.values is not None or not error else Line(line.number, line.text, None, error)
