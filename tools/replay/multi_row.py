"""Orders that take several rows of a CSV file, of which only the first has the values of the whole order."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tools.replay.placeholders import is_missing
from tools.replay.sources import Line

Values = dict[str, Any]


@dataclass(frozen=True)
class MultiRow:
    """Rows with the same value of column `by` belong together.

    Columns of `fill_down` that a row leaves empty have the value of the last row with one; columns of `first_row_only` hold a value
    of the whole order in each row, of which only that of the first row is kept.
    """

    by: str
    fill_down: tuple[str, ...] = ()
    first_row_only: tuple[str, ...] = ()

    def lines(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Yields the lines with the values of the rows they belong to; lines that could not be parsed are unchanged."""
        filled_by_key: dict[str, Values] = {}
        for line in lines:
            key = None if line.values is None else line.values.get(self.by)
            if line.values is None or is_missing(key, frozenset()):
                yield line
                continue
            is_first = str(key) not in filled_by_key
            filled = filled_by_key.setdefault(str(key), {})
            filled.update({name: line.values[name] for name in self.fill_down if not is_missing(line.values.get(name), frozenset())})
            blank = {} if is_first else dict.fromkeys(self.first_row_only)
            yield replace(line, values={**line.values, **filled, **blank})
