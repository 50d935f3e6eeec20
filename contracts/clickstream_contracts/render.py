"""Pure renderers: from a contract to Iceberg's schema, Flink's column types, JSON Schema and a page of documentation."""

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
    """The type of a column in Flink SQL."""
    return _sql_type(field.type, FLINK_TYPES)


def spark_type(field: Field) -> str:
    """The type of a column in Spark SQL."""
    return _sql_type(field.type, SPARK_TYPES)


def _sql_type(type_: str, types: dict[str, str]) -> str:
    item = item_type(type_)
    return f"ARRAY<{types[item]}>" if item else types.get(type_, type_.upper())


def item_type(type_: str) -> str:
    """What a list holds: `string` for `list<string>`; '' for everything that is no list."""
    return type_[5:-1] if type_.startswith("list<") else ""


def iceberg_schema(contract: Contract) -> dict[str, Any]:
    """The table's schema in the JSON form of the Iceberg specification; ids count from 1 in contract order, those in lists go on."""
    rows = [
        {"id": i, "name": f.name, "required": f.required, "type": _iceberg_type(f.type, len(contract.fields) + i), "doc": f.description}
        for i, f in enumerate(contract.fields, 1)
    ]
    return {"type": "struct", "schema-id": 0, "fields": rows}


def _iceberg_type(type_: str, item_id: int) -> Any:
    if item := item_type(type_):
        # Engines do not know of a computed list that nothing in it is null, and refuse to write it where that is asked.
        return {"type": "list", "element-id": item_id, "element": item, "element-required": False}
    return re.sub(r"decimal\((\d+),(\d+)\)", r"decimal(\1, \2)", type_)


def iceberg_partition(contract: Contract) -> list[tuple[str, str, str]]:
    """The partition fields as (source column, transform, partition name), e.g. ("event_time", "day", "event_time_day")."""
    found = [re.fullmatch(r"(?:(\w+)\()?(\w+)\)?", text) for text in contract.partitioning]
    parts = [(match[2], match[1] or "identity") for match in found if match]
    return [(column, transform, column if transform == "identity" else f"{column}_{transform}") for column, transform in parts]


def json_schema(contract: Contract) -> dict[str, Any]:
    """JSON Schema (2020-12) of an event on the wire; unknown fields are allowed, since additions are."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": contract.id,
        "title": contract.description,
        "type": "object",
        "required": [f.name for f in contract.fields if f.required],
        "properties": {f.name: _json_property(f) for f in contract.fields},
    }


def _json_property(field: Field) -> dict[str, Any]:
    compound = {"decimal": "number", "list<": "array"}
    other = next((name for start, name in compound.items() if field.type.startswith(start)), "string")
    type_ = JSON_TYPES.get(field.type, other)
    limits = {"minimum": field.minimum, "maximum": field.maximum, "maxLength": field.max_length, "enum": list(field.choices) or None}
    return {
        "type": type_ if field.required else [type_, "null"],
        "description": field.description,
        "examples": [field.example],
        **{key: value for key, value in limits.items() if value is not None},
    }


def page(contracts: Iterable[Contract]) -> str:
    """The documentation page of the event and all tables, in Markdown."""
    head = "# Contract\n\nGenerated from `contracts/`; `make docs` renews it.\n"
    return head + "".join(_section(c) for c in contracts)


def _section(contract: Contract) -> str:
    facts = [f"written by `{contract.writer}`"]
    facts += [f"partitioned by {', '.join(f'`{p}`' for p in contract.partitioning)}"] * bool(contract.partitioning)
    facts += [f"kept {contract.retention_days} days"] * bool(contract.retention_days)
    table = ["| field | type | always there | meaning | example |", "|---|---|---|---|---|", *map(_row, contract.fields)]
    rules = [f"- `{r.name}` ({r.severity}): {r.description}" for r in contract.rules]
    parts = [f"\n## `{contract.id}`", f"{contract.description} *{'; '.join(facts)}.*", "\n".join(table), "\n".join(rules)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _row(field: Field) -> str:
    name, always = f"`{field.name}`{' (key)' * field.key}", "yes" * field.required
    return f"| {name} | {field.type} | {always} | {field.description} | `{field.example}` |"


def settings_page() -> str:
    """The documentation page of all settings, in Markdown."""
    head = "# Settings\n\nGenerated from `contracts/clickstream_contracts/settings.py`; `make docs` renews it.\n\n"
    table = ["| environment variable | default | meaning |", "|---|---|---|", *map(_setting, dataclass_fields(Settings))]
    return head + "\n".join(table) + "\n"


def _setting(spec: DataclassField[Any]) -> str:
    choices = spec.metadata["choices"]
    one_of = f" One of {', '.join(f'`{c}`' for c in choices)}." if choices else ""
    return f"| `{PREFIX}{spec.name.upper()}` | `{spec.default}` | {spec.metadata['help']}{one_of} |"
