"""Renders the SQL templates of the streams and splits SQL into statements. Needs no engine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clickstream_contracts.fraud_sql import FLINK
from clickstream_contracts.sql_templates import SHARED_SQL, render_file

COMMON = Path(__file__).parent


def render(path: Path, values: Mapping[str, Any]) -> str:
    """Render an SQL template; it may import files of its own folder, `macros.sql` and `formulas.sql`. Raises TemplateError."""
    return render_file(path, values, filters={"literal": literal}, include=(COMMON, SHARED_SQL))


def literal(value: str | int | float | list[str] | tuple[str, ...]) -> str:
    """Returns a value as a Flink SQL literal; a list as literals with commas between."""
    if isinstance(value, str):
        return FLINK.literal(value)
    if isinstance(value, int | float):
        return str(value)
    return ", ".join(literal(item) for item in value)


def split_statements(text: str) -> list[str]:
    """Returns the statements of `text` without comment lines. A statement ends with `;` at the end of a line."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    statements = "\n".join(lines).rstrip(" ;\n").split(";\n")
    return [statement.strip() for statement in statements if statement.strip()]
