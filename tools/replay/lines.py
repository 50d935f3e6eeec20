"""Lines of a file as they are read: the text, and what kept it from being understood."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tools.common.command import UsageError


class DamagedFile(UsageError):
    """A part of a file cannot be read; it is raised after all readable lines were returned. The text says where and why."""


@dataclass(frozen=True)
class TextLine:
    """One line of a text file without its line break, and why it is no text in the file's encoding ("" if it is)."""

    number: int
    text: str
    error: str = ""


@dataclass(frozen=True)
class Line:
    """One line of data: its number in the file, its unchanged text, and its values, or the error that kept it from being parsed.

    A CSV row with line breaks in quotes and an element of a JSON array are one line with the number where they begin.
    """

    number: int
    text: str
    values: dict[str, Any] | None
    error: str = ""


def until_damage(lines: Iterable[Line]) -> Iterator[Line]:
    """Yields the readable lines of a file whose damage is reported elsewhere."""
    try:
        yield from lines
    except DamagedFile:
        return
