"""Compares the contracts with those of the last release: a consumer of the release must be able to use the new ones."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clickstream_contracts.event_limits import decimal_size
from clickstream_contracts.schema import Contract, Field

# By contract: its `keys`, its `partitioning`, and by field name the facts of its `fields`.
Shape = Mapping[str, Mapping[str, Any]]


def shape(contracts: Iterable[Contract]) -> Shape:
    """Returns the facts of contracts that are compared; what a field does not have is left out."""
    return {
        contract.id: {
            "keys": list(contract.keys),
            "partitioning": list(contract.partitioning),
            "fields": {field.name: _field_shape(field) for field in contract.fields},
        }
        for contract in contracts
    }


def _field_shape(field: Field) -> dict[str, Any]:
    facts: dict[str, Any] = {"type": field.type, "required": field.required}
    limits = {"minimum": field.minimum, "maximum": field.maximum, "max_length": field.max_length}
    facts |= {name: value for name, value in limits.items() if value is not None}
    if field.choices:
        facts["choices"] = list(field.choices)
    return facts


def release_text(contracts: Shape) -> str:
    """Returns the text of a file of `contracts/released`: JSON with one line per field."""
    blocks = []
    for name, contract in contracts.items():
        fields = ",\n".join(f"   {json.dumps(field)}: {json.dumps(facts)}" for field, facts in contract["fields"].items())
        keys, partitioning = json.dumps(contract["keys"]), json.dumps(contract["partitioning"])
        blocks.append(f' {json.dumps(name)}: {{\n  "keys": {keys},\n  "partitioning": {partitioning},\n  "fields": {{\n{fields}\n  }}\n }}')
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def released(folder: Path) -> Shape:
    """Returns the contracts of the last release: the file of `folder` with the highest version."""
    newest = max(folder.glob("*.json"), key=lambda path: [int(number) for number in path.stem.split(".")])
    contracts: Shape = json.loads(newest.read_text())
    return contracts


def breaking_changes(old: Shape, new: Shape) -> list[str]:
    """Returns one line per change that breaks a consumer or producer of `old`; [] when all changes are additions."""
    lines = [f"{name} was dropped" for name in old if name not in new]
    for name in old.keys() & new.keys():
        lines += [f"{name}: {line}" for line in _layout_changes(old[name], new[name])]
        old_fields, new_fields = old[name]["fields"], new[name]["fields"]
        for field, facts in old_fields.items():
            lines += [f"{name}.{field}: {line}" for line in _field_changes(facts, new_fields.get(field))]
        added = new_fields.keys() - old_fields.keys()
        lines += [f"{name}.{field}: a new field must be optional" for field in added if new_fields[field]["required"]]
    return sorted(lines)


def _layout_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Names a changed primary key or partition column: writers replace rows by the key and partitions by their column.

    No statement names a transform such as `day(ingested_at)`, so a table may change from one to another.
    """
    names = {"keys": "primary key", "partitioning": "partitioning"}
    return [
        f"{text} ({', '.join(old[name])}) became ({', '.join(new[name])})"
        for name, text in names.items()
        if old[name] != new[name] and not (name == "partitioning" and _only_transforms(old[name]) and _only_transforms(new[name]))
    ]


def _only_transforms(partitioning: list[str]) -> bool:
    return bool(partitioning) and all(column.endswith(")") for column in partitioning)


def _field_changes(old: Mapping[str, Any], new: Mapping[str, Any] | None) -> list[str]:
    if new is None:
        return ["dropped or renamed"]
    lines = []
    if old["type"] != new["type"] and not _is_wider_decimal(old["type"], new["type"]):
        lines.append(f"type {old['type']} became {new['type']}")
    new_choices = new.get("choices")
    if new_choices is not None:
        lines += [f"choice {choice} was dropped" for choice in old.get("choices", []) if choice not in new_choices]
        if "choices" not in old:
            lines.append(f"had any value and became one of {', '.join(new_choices)}")
    if old["required"] and not new["required"]:
        lines.append("was required and became optional")
    if new["required"] and not old["required"]:
        lines.append("was optional and became required")
    return lines + _narrowed_limits(old, new)


def _is_wider_decimal(old: str, new: str) -> bool:
    """Whether a decimal has more digits before its point and as many after it, which Iceberg changes in place."""
    sizes = [decimal_size(type_) for type_ in (old, new)]
    if sizes[0] is None or sizes[1] is None:
        return False
    return sizes[1][0] > sizes[0][0] and sizes[1][1] == sizes[0][1]


def _narrowed_limits(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Names limits that refuse values of the last release: such events would go to quarantine."""
    lines = []
    for name in ("minimum", "maximum", "max_length"):
        before, after = old.get(name), new.get(name)
        if after is None or before == after:
            continue
        if before is None:
            lines.append(f"{name} {after} was added")
        elif (after > before) == (name == "minimum"):
            lines.append(f"{name} {before} became {after}")
    return lines
