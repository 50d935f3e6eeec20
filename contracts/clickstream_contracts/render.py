"""Renders contracts as an Iceberg schema, as Flink and Spark column types, as JSON Schema and as pages of documentation."""

import re
from collections.abc import Iterable
from dataclasses import Field as DataclassField
from dataclasses import fields as dataclass_fields
from typing import Any

from clickstream_contracts.schema import Contract, Field
from clickstream_contracts.settings import PREFIX, Settings

FLINK_TYPES = {
    "string": "STRING",
    "int": "INT",
    "long": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamptz": "TIMESTAMP_LTZ(6)",
    "binary": "BYTES",
}
SPARK_TYPES = FLINK_TYPES | {"timestamptz": "TIMESTAMP", "binary": "BINARY"}
JSON_TYPES = {"int": "integer", "long": "integer", "boolean": "boolean", "timestamptz": "integer", "double": "number"}


def flink_type(field: Field) -> str:
    """Returns the type of a column in Flink SQL."""
    return _sql_type(field.type, FLINK_TYPES)


def spark_type(field: Field) -> str:
    """Returns the type of a column in Spark SQL."""
    return _sql_type(field.type, SPARK_TYPES)


def _sql_type(type_: str, types: dict[str, str]) -> str:
    item = item_type(type_)
    if item:
        return f"ARRAY<{types[item]}>"
    return types.get(type_, type_.upper())


def item_type(type_: str) -> str:
    """Returns the type of the items of a list, e.g. `string` for `list<string>`; '' for any other type."""
    return type_.removeprefix("list<").removesuffix(">") if type_.startswith("list<") else ""


def iceberg_schema(contract: Contract) -> dict[str, Any]:
    """Returns the table's schema in the JSON form of the Iceberg specification.

    Field ids are positions in the contract, counted from 1, so a new column must be the last one. The ids of list items
    follow those of the columns.
    """
    columns = [
        {
            "id": position,
            "name": field.name,
            "required": field.required,
            "type": _iceberg_type(field.type, len(contract.fields) + position),
            "doc": field.description,
        }
        for position, field in enumerate(contract.fields, 1)
    ]
    return {"type": "struct", "schema-id": 0, "fields": columns}


def _iceberg_type(type_: str, item_id: int) -> Any:
    item = item_type(type_)
    if item:
        # Engines treat the items of a computed list as nullable and refuse to write them to a list of required items.
        return {"type": "list", "element-id": item_id, "element": item, "element-required": False}
    return re.sub(r"decimal\((\d+),(\d+)\)", r"decimal(\1, \2)", type_)


def iceberg_partition(contract: Contract) -> list[tuple[str, str, str]]:
    """Returns the partition fields as (source column, transform, partition name), e.g. ("event_time", "day", "event_time_day")."""
    fields = []
    for text in contract.partitioning:
        transform, _, column = text.rstrip(")").rpartition("(")
        if transform:
            fields.append((column, transform, f"{column}_{transform}"))
        else:
            fields.append((column, "identity", column))
    return fields


def json_schema(contract: Contract) -> dict[str, Any]:
    """Returns the JSON Schema (2020-12) of an event in Kafka. Unknown fields are allowed, since later versions add fields."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": contract.id,
        "title": contract.description,
        "type": "object",
        "required": [field.name for field in contract.fields if field.required],
        "properties": {field.name: _json_property(field) for field in contract.fields},
    }


def _json_type(type_: str) -> str:
    if type_.startswith("decimal"):
        return "number"
    if type_.startswith("list<"):
        return "array"
    return JSON_TYPES.get(type_, "string")


def _json_property(field: Field) -> dict[str, Any]:
    type_ = _json_type(field.type)
    limits = {"minimum": field.minimum, "maximum": field.maximum, "maxLength": field.max_length, "enum": list(field.choices) or None}
    return {
        "type": type_ if field.required else [type_, "null"],
        "description": field.description,
        "examples": [field.example],
        **{key: value for key, value in limits.items() if value is not None},
    }


def page(contracts: Iterable[Contract]) -> str:
    """Returns the documentation page of the event and all tables, in Markdown."""
    head = "# Contract\n\nGenerated from `contracts/` by `make docs`.\n"
    return head + "".join(_section(contract) for contract in contracts)


def _section(contract: Contract) -> str:
    facts = [f"written by `{contract.writer}`"]
    if contract.partitioning:
        columns = ", ".join(f"`{column}`" for column in contract.partitioning)
        facts.append(f"partitioned by {columns}")
    if contract.retention_days:
        facts.append(f"kept {contract.retention_days} days")
    table = ["| field | type | required | meaning | example |", "|---|---|---|---|---|", *map(_row, contract.fields)]
    rules = [f"- `{rule.name}` ({rule.severity}): {rule.description}" for rule in contract.rules]
    parts = [f"\n## `{contract.id}`", f"{contract.description} *{'; '.join(facts)}.*", "\n".join(table), "\n".join(rules)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _row(field: Field) -> str:
    name = f"`{field.name}` (key)" if field.key_position else f"`{field.name}`"
    required = "yes" if field.required else ""
    return f"| {name} | {field.type} | {required} | {field.description} | `{field.example}` |"


def settings_page() -> str:
    """Returns the documentation page of all settings, in Markdown."""
    head = "# Settings\n\nGenerated from `contracts/clickstream_contracts/settings.py` by `make docs`.\n\n"
    table = ["| environment variable | default | meaning |", "|---|---|---|", *map(_setting, dataclass_fields(Settings))]
    return head + "\n".join(table) + "\n"


def _setting(spec: DataclassField[Any]) -> str:
    choices = ", ".join(f"`{choice}`" for choice in spec.metadata["choices"])
    meaning = spec.metadata["help"]
    if choices:
        meaning += f" One of {choices}."
    return f"| `{PREFIX}{spec.name.upper()}` | `{spec.default}` | {meaning} |"
