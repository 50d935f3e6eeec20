"""Renders the .sql files of the Spark apps with Jinja2.

In a template, `{{ table('curated.events') }}` is the table as the run's branch has it and `{{ published('curated.events') }}`
the table as readers of main have it; both take names of the contracts. `{{ days | literal }}` is a value as an SQL literal.
`macros.sql` of this folder and the shared SQL of the contracts can be imported.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from clickstream_contracts import sql_templates
from clickstream_contracts.fraud_sql import SPARK
from clickstream_contracts.schema import tables

INCLUDE = (Path(__file__).parent, sql_templates.SHARED_SQL)

TableName = Callable[[str], str]


class QueryError(ValueError):
    """A template names a table that no contract declares, or holds a value that has no SQL literal."""


def literal(value: Any) -> str:
    """Returns `value` as Spark SQL text: a list as its items separated by commas, a tuple as a row in parentheses."""
    match value:
        case datetime():
            return f"TIMESTAMP'{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00:00'"
        case date():
            return f"DATE'{value.isoformat()}'"
        case int():
            return str(value)
        case str():
            return SPARK.literal(value)
        case tuple():
            return f"({literal(list(value))})"
        case list():
            return ", ".join(literal(item) for item in value)
    # str() of an undefined variable raises Jinja's error, which names the variable.
    raise QueryError(f"no SQL literal for the value {value!s} of type {type(value).__name__}: use a date, integer, text, list or tuple")


def render(path: Path, table: TableName, published: TableName, values: Mapping[str, Any] | None = None) -> str:
    """Returns the SQL of the template in `path`.

    `table` and `published` give the name in Spark SQL of a table of the contracts, on the run's branch and on main.
    Raises QueryError and sql_templates.TemplateError, the latter for an undefined variable.
    """

    def checked(namer: TableName) -> TableName:
        def name(table_id: str) -> str:
            if table_id not in tables():
                raise QueryError(f"{path}: no contract declares a table {table_id!r}: see contracts/clickstream_contracts/tables")
            return namer(table_id)

        return name

    context = {**(values or {}), "table": checked(table), "published": checked(published)}
    return sql_templates.render_file(path, context, filters={"literal": literal}, include=INCLUDE)
