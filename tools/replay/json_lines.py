"""Reads JSON lines, JSON arrays and objects that span several lines: each object is a line. Numbers of any size stay exact."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import chain
from typing import Any, Final

import orjson

from tools.replay.lines import DamagedFile, Line, TextLine

# orjson reads whole numbers beyond 64 bits and long fractions as floats, which have 15 to 17 digits.
LONG_NUMBER: Final = re.compile(r"[0-9]{20}|[0-9]{16}\.|\.[0-9]{16}")
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
    objects = _Objects().read(chain([first], filled)) if spans_lines else (_stripped(line) for line in chain([first], filled))
    yield from map(parse, objects)


def _stripped(line: TextLine) -> TextLine:
    return TextLine(line.number, line.text.strip(), line.error)


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
    """Cuts an array, or objects that span several lines, into one text for each object.

    A broken object must not swallow those after it: an opening brace that is not indented further than that of the object begins the next.
    """

    def __init__(self) -> None:
        self._number, self._error, self._parts = 0, "", [""]
        self._depth = self._indent = 0
        self._is_array = self._is_finished = False

    def read(self, lines: Iterator[TextLine]) -> Iterator[TextLine]:
        try:
            for line in lines:
                yield from self._read_line(line)
        except DamagedFile:
            yield from self._take(CUT_OFF)
            raise
        yield from self._take(CUT_OFF if self._depth or (self._is_array and not self._is_finished) else "")

    def _read_line(self, line: TextLine) -> Iterator[TextLine]:
        text = line.text.strip()
        indent = len(line.text) - len(line.text.lstrip())
        if text.startswith("{") and (not self._depth or indent <= self._indent):
            yield from self._take("")
            self._indent = indent
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
                yield from self._take("")
                start = token.end()
                self._is_finished = character == "]"
        self._add(line, text[start:])

    def _add(self, line: TextLine, text: str) -> None:
        """Add a part of a line to the current object."""
        if not text.strip() and not line.error:
            return
        self._number = self._number or line.number
        self._error = self._error or line.error
        self._parts.append(text)

    def _take(self, error: str) -> Iterator[TextLine]:
        """Yields the current object, if there is one, and begins the next."""
        text = "\n".join(self._parts).strip()
        if text or self._error:
            yield TextLine(self._number, text, self._error or error)
        self._number, self._error, self._parts, self._depth = 0, "", [], 0
