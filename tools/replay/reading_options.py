"""How a mapping says that its files are to be read, where the file itself does not show it."""

import codecs
from dataclasses import dataclass
from typing import Any, Final

from tools.common.command import UsageError

KEYS: Final = {"encoding", "delimiter", "columns", "quotes"}


@dataclass(frozen=True)
class ReadingOptions:
    """The encoding ("" for UTF-8, or what a byte order mark says), and what a CSV file does not show itself.

    delimiter: "" for the one that the first line shows. columns: their names for a file without a header line, () if it has one.
    quotes: whether a value may stand in quotes; False if quotes are characters like any other.
    """

    encoding: str = ""
    delimiter: str = ""
    columns: tuple[str, ...] = ()
    quotes: bool = True


DEFAULTS: Final = ReadingOptions()


def parse(content: dict[str, Any], file: str) -> ReadingOptions:
    """Returns the reading options of a mapping's YAML content. Raises UsageError."""
    encoding, delimiter, columns = content.get("encoding", ""), content.get("delimiter", ""), content.get("columns", [])
    if encoding != "" and not _is_text_encoding(encoding):
        raise UsageError(f"{file}: encoding: unknown encoding {encoding!r}: use a name like utf-8, cp1252, iso-8859-15 or utf-16")
    if not isinstance(delimiter, str) or len(delimiter) > 1 or delimiter in ('"', "\n", "\r"):
        raise UsageError(f'{file}: delimiter: {delimiter!r} is no delimiter: use one character like ";" or "\\t"')
    if not isinstance(columns, list) or not all(isinstance(name, str) and name for name in columns):
        raise UsageError(f"{file}: columns: {columns!r} is no list of names: give the name of each column of a file without a header line")
    quotes = content.get("quotes", True)
    if not isinstance(quotes, bool):
        raise UsageError(f"{file}: quotes: {quotes!r}: use true, or false if quotes are characters like any other")
    return ReadingOptions(encoding, delimiter, tuple(columns), quotes)


def _is_text_encoding(name: Any) -> bool:
    """Returns whether Python can decode text in this encoding; `hex` or `zlib` are codecs, but no encodings of text."""
    try:
        return isinstance(name, str) and codecs.lookup(name).incrementaldecoder is not None and isinstance("a".encode(name), bytes)
    except (LookupError, UnicodeError, ValueError):
        return False
