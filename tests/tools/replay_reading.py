"""Reads made-up files as replay does: the lines of a file, and what damaged it."""

from pathlib import Path

from tools.replay import reading_options, sources
from tools.replay.lines import DamagedFile, Line
from tools.replay.reading_options import ReadingOptions

HEADER = "at,kind,product,brand,price,user\n"


def row(number: int, brand: str = "acme") -> str:
    return f"2025-11-03 00:00:{number % 60:02},view,{1000 + number},{brand},{number}.50,u{number}\n"


def rows(count: int, **brands: str) -> str:
    """Returns a CSV file of `count` rows; `brands` has the brand of a row by its line number, e.g. `l7`."""
    return HEADER + "".join(row(number, brands.get(f"l{number + 1}", "acme")) for number in range(1, count + 1))


def read(path: Path, content: str | bytes, options: ReadingOptions = reading_options.DEFAULTS) -> tuple[list[Line], str]:
    """Returns the lines of a file and its damage, "" if it has none."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    lines = []
    try:
        for line in sources.read(path, options):
            lines.append(line)
    except DamagedFile as damage:
        return lines, str(damage)
    return lines, ""


def rejected(lines: list[Line]) -> list[tuple[int, str]]:
    return [(line.number, line.error.split(":")[0]) for line in lines if line.values is None]
