"""Reads the .sql files: names of tables come from the contract, values are written as literals of their own type."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from clickstream_contracts.schema import tables

SQL = Path(__file__).parent / "sql"
PLACE = re.compile(r"\{([a-z_]+(?:\.[a-z_]+)?)(@published)?\}")

Namer = Callable[[str], str]


class QueryError(ValueError):
    """A .sql file names a table or a value that does not exist."""


def literal(value: Any) -> str:
    """`value` as Spark SQL text; a list is its items with commas, a tuple is a row."""
    match value:
        case datetime():
            return f"TIMESTAMP'{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00:00'"
        case date():
            return f"DATE'{value.isoformat()}'"
        case int():
            return str(value)
        case str():
            escaped = value.replace("\\", "\\\\").replace("'", "\\'")
            return f"'{escaped}'"
        case tuple():
            return f"({literal(list(value))})"
        case list():
            return ", ".join(literal(item) for item in value)
    raise QueryError(f"no SQL literal for {value!r}")


def render(text: str, name: Namer, published: Namer, values: dict[str, Any] | None = None) -> str:
    """`text` with `{curated.events}`, `{curated.events@published}` and `{value}` filled in."""

    def fill(match: re.Match[str]) -> str:
        key, at_main = match.groups()
        if key in (values or {}):
            return literal((values or {})[key])
        if key not in tables():
            raise QueryError(f"{{{key}}} is neither a table of the contract nor a value of this query")
        return published(key) if at_main else name(key)

    return PLACE.sub(fill, text)


def load(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (SQL / f"{name}.sql").read_text()
