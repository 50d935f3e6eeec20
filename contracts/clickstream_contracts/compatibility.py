"""What a change of a contract breaks: readers of the last release must be able to read what the new one writes."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clickstream_contracts.schema import Contract

Shape = Mapping[str, Mapping[str, Mapping[str, Any]]]


def shape(contracts: Iterable[Contract]) -> Shape:
    """What compatibility is about: each contract's fields with their types and whether they are always there."""
    return {c.id: {f.name: {"type": f.type, "required": f.required, "choices": list(f.choices)} for f in c.fields} for c in contracts}


def released(folder: Path) -> Shape:
    """The shape of the last release: the newest file of `folder` by version."""
    newest = max(folder.glob("*.json"), key=lambda path: [int(part) for part in path.stem.split(".")])
    found: Shape = json.loads(newest.read_text())
    return found


def breaks(old: Shape, new: Shape) -> list[str]:
    """One line for each thing that a reader of `old` would trip over in `new`; empty when all changes are additive."""
    lines = [f"{name} was dropped" for name in old if name not in new]
    for name in old.keys() & new.keys():
        lines += [f"{name}.{field}: {why}" for field, spec in old[name].items() for why in _field_breaks(spec, new[name].get(field))]
        added = new[name].keys() - old[name].keys()
        lines += [f"{name}.{field}: a new field must be optional" for field in added if new[name][field]["required"]]
    return sorted(lines)


def _field_breaks(old: Mapping[str, Any], new: Mapping[str, Any] | None) -> list[str]:
    if new is None:
        return ["dropped or renamed"]
    lines = [f"type {old['type']} became {new['type']}"] if old["type"] != new["type"] else []
    lines += [f"choice {choice} was dropped" for choice in old["choices"] if choice not in new["choices"]]
    if old["required"] and not new["required"]:
        lines.append("was always there and became optional")
    if new["required"] and not old["required"]:
        lines.append("was optional and became required")
    return lines
