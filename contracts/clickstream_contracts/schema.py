"""Reads the contracts: YAML in the Open Data Contract Standard v3, one file per event or table."""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

# libyaml's reader where it was built: several times as fast, and every task reads contracts.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TYPES = ("string", "int", "long", "double", "boolean", "date", "timestamptz", "binary")
TYPE = re.compile(rf"({'|'.join(TYPES)}|decimal\(\d+,\d+\)|list<({'|'.join(TYPES)})>)")


class ContractError(ValueError):
    """A contract file breaks the form that this project needs; the text names the file and the place."""


@dataclass(frozen=True)
class Field:
    """One field: `type` is an Iceberg primitive type or a list of one, `example` a value that a reader understands at once."""

    name: str
    type: str
    required: bool
    key: bool
    description: str
    example: Any
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    added_in: str = ""


@dataclass(frozen=True)
class Rule:
    """One promise about the data, in words, with the audit that keeps it ('' when the stream does)."""

    name: str
    description: str
    severity: str


@dataclass(frozen=True)
class Contract:
    """One event or table: fields in order, who writes it (and from which topic), how it is partitioned, how long it is kept."""

    id: str
    version: str
    description: str
    kind: str
    writer: str
    topic: str
    partitioning: tuple[str, ...]
    retention_days: int | None
    fields: tuple[Field, ...]
    rules: tuple[Rule, ...]

    @property
    def namespace(self) -> str:
        return self.id.split(".")[0]

    @property
    def table(self) -> str:
        return self.id.split(".", 1)[1]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.fields if f.key)

    def field(self, name: str) -> Field:
        return next(f for f in self.fields if f.name == name)


def _field(where: str, raw: dict[str, Any]) -> Field:
    type_ = raw.get("physicalType", "")
    if not TYPE.fullmatch(type_):
        raise ContractError(f"{where}.{raw.get('name')}: type {type_!r} is none of {', '.join(TYPES)}, decimal(p,s), list<one of them>")
    if not raw.get("description") or not raw.get("examples"):
        raise ContractError(f"{where}.{raw.get('name')}: a description and an example are needed")
    options = raw.get("logicalTypeOptions", {})
    custom = {c["property"]: c["value"] for c in raw.get("customProperties", [])}
    return Field(
        name=raw["name"],
        type=type_,
        required=raw.get("required", False),
        key=raw.get("primaryKey", False),
        description=raw["description"],
        example=raw["examples"][0],
        choices=tuple(custom.get("choices", ())),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        max_length=options.get("maxLength"),
        added_in=custom.get("addedIn", ""),
    )


def parse(text: str, where: str) -> Contract:
    """One contract from YAML text. Raises ContractError, naming `where` and the place."""
    raw = yaml.load(text, LOADER)
    if raw.get("kind") != "DataContract" or not str(raw.get("apiVersion", "")).startswith("v3."):
        raise ContractError(f"{where}: not an ODCS v3 data contract")
    schema = raw["schema"][0]
    custom = {c["property"]: c["value"] for c in raw.get("customProperties", [])}
    sla = {s["property"]: s["value"] for s in raw.get("slaProperties", [])}
    if "writer" not in custom:
        raise ContractError(f"{where}: customProperties name no writer")
    return Contract(
        id=raw["id"],
        version=raw["version"],
        description=raw["description"]["purpose"],
        kind=schema["physicalType"],
        writer=custom["writer"],
        topic=custom.get("topic", ""),
        partitioning=tuple(custom.get("partitioning", ())),
        retention_days=sla.get("retention"),
        fields=tuple(_field(where, p) for p in schema["properties"]),
        rules=tuple(Rule(q["rule"], q["description"], q.get("severity", "error")) for q in schema.get("quality", [])),
    )


def _load(folder: str) -> dict[str, Contract]:
    files = sorted((f for f in (resources.files(__package__) / folder).iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    contracts = [parse(f.read_text(), f"{folder}/{f.name}") for f in files]
    return {c.id: c for c in contracts}


@cache
def tables() -> dict[str, Contract]:
    """Every table's contract by its name, e.g. `raw.clicks`."""
    return _load("tables")


@cache
def event() -> Contract:
    """The contract of the event `click.v1`."""
    return _load("events")["click.v1"]
