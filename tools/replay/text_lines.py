"""Reads a text file line by line in its encoding. A line that is no text in this encoding does not disturb the others."""

import codecs
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from tools.common.command import UsageError
from tools.replay import file_bytes
from tools.replay.lines import DamagedFile, TextLine

MAX_LINE: Final = 64_000_000  # characters
SHOWN_OF_LONG_LINE: Final = 1000  # characters
HEAD: Final = 4096  # bytes in which zeros are counted
# The mark of UTF-32 begins with that of UTF-16.
BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
SURROGATE: Final = re.compile("[\ud800-\udfff]")
REPLACEMENT: Final = "\ufffd"
CUT_OFF: Final = "cut off: the file is damaged here"


def read(path: Path, encoding: str = "") -> Iterator[TextLine]:
    """Yields all lines. Raises DamagedFile after the last readable one, and UsageError if the file's encoding is not clear.

    encoding: "" for UTF-8, or what the file's byte order mark says.
    """
    pieces = file_bytes.chunks(path)
    first = _first_chunk(pieces)
    codec, mark = _codec(first, encoding, path)
    error = f"not {codec.upper()}: name the right one in the mapping, for example `encoding: cp1252`"
    text = _decode(chain([first[len(mark) :]], pieces), codec)
    for number, (line, is_complete) in enumerate(_split(text), 1):
        if not is_complete:
            yield TextLine(number, line, CUT_OFF)
        elif len(line) > MAX_LINE:
            yield TextLine(number, line[:SHOWN_OF_LONG_LINE], f"longer than {MAX_LINE} characters")
        else:
            yield TextLine(number, line, "" if _is_valid(line, codec) else error)


def _first_chunk(pieces: Iterator[bytes]) -> bytes:
    return next((piece for piece in pieces if piece), b"")


def _codec(first: bytes, encoding: str, path: Path) -> tuple[str, bytes]:
    """Returns the codec and the byte order mark of a file. Raises UsageError for UTF-16 without a mark."""
    named = codecs.lookup(encoding).name.removesuffix("-sig") if encoding else ""
    for mark, codec in BYTE_ORDER_MARKS:
        if first.startswith(mark) and codec.startswith(named):
            return codec, mark
    if not named and (unmarked := _unmarked_utf16(first[:HEAD])):
        raise UsageError(
            f"{path}: the encoding seems to be {unmarked} without a byte order mark: write `encoding: {unmarked}` in the mapping"
        )
    # Without a mark Python writes a new one and reads the byte order of the machine.
    return {"": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(named, named), b""


def _unmarked_utf16(head: bytes) -> str:
    """Returns the UTF-16 whose zeros a file has, "" if it has few zeros."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if even + odd <= len(head) / 4:
        return ""
    return "utf-16-le" if odd >= even else "utf-16-be"


def _decode(pieces: Iterator[bytes], codec: str) -> Iterator[str]:
    # Bytes that are no UTF-8 are kept as surrogates, so that the line is written to the reject file unchanged.
    errors = "surrogateescape" if codec == "utf-8" else "replace"
    decoder = codecs.getincrementaldecoder(codec)(errors)
    for piece in pieces:
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


def _is_valid(line: str, codec: str) -> bool:
    """Returns whether a line had no bytes that are no text in the encoding."""
    return line.isascii() or not (SURROGATE.search(line) if codec == "utf-8" else REPLACEMENT in line)


def _split(pieces: Iterator[str]) -> Iterator[tuple[str, bool]]:
    """Yields each line, and whether it is complete: the last one before a damage is not."""
    newline, rest, size = "", [], 0
    try:
        for piece in pieces:
            newline = newline or _newline(piece)
            first, *others = piece.split(newline or "\n")
            # Of a line that is too long no more is kept.
            rest.append(first if size <= MAX_LINE else "")
            size += len(first)
            if others:
                yield "".join(rest), True
                yield from ((line, True) for line in others[:-1])
                rest, size = [others[-1]], len(others[-1])
    except DamagedFile:
        if size:
            yield "".join(rest), False
        raise
    if size:
        yield "".join(rest), True


def _newline(piece: str) -> str:
    """Returns what ends the lines of a file that begins with `piece`, "" if it has no line break yet.

    Old files of the Macintosh end lines with a carriage return only; one at the end may be the first half of a line break.
    """
    if "\n" in piece:
        return "\n"
    return "\r" if "\r" in piece[:-1] else ""
