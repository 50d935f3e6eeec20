"""Reads the contracts: YAML files of the Open Data Contract Standard (ODCS) 3.1, one per event or table."""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

# The parser in C where it is installed: it is several times as fast, and each task of a DAG reads contracts.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
API_VERSION = "v3.1.0"
TYPES = ("string", "int", "long", "double", "boolean", "date", "timestamptz", "binary")
TYPE = re.compile(rf"({'|'.join(TYPES)}|decimal\(\d+,\d+\)|list<({'|'.join(TYPES)})>)")
TRANSFORM = "partitionTransform"


class ContractError(ValueError):
    """A contract file cannot be used; the text names the file, the field and the fix."""


@dataclass(frozen=True)
class Field:
    """One field of an event or column of a table.

    `type` is a primitive type of Iceberg or a list of one. `key_position` counts from 1 within the primary key and is 0
    outside of it. `choices` are the allowed values, () for any; the limits are inclusive, `max_length` counts characters.
    """

    name: str
    type: str
    required: bool
    description: str
    example: Any
    key_position: int = 0
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None


@dataclass(frozen=True)
class Rule:
    """A quality rule in words; `name` is the audit that checks it."""

    name: str
    description: str
    severity: str


@dataclass(frozen=True)
class Contract:
    """One event or table.

    `writer` is the only module that writes it, `topic` the Kafka topic of its records ('' for none), `partitioning` the
    partition columns with their transform, e.g. `day(event_time)`, `retention_days` how long rows are kept.
    """

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
        """The part of the id before the dot, e.g. `raw`."""
        return self.id.split(".")[0]

    @property
    def table(self) -> str:
        """The part of the id after the dot, e.g. `clicks`."""
        return self.id.split(".", 1)[1]

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of the primary key in their order."""
        key_fields = sorted((field for field in self.fields if field.key_position), key=lambda field: field.key_position)
        return tuple(field.name for field in key_fields)

    def field(self, name: str) -> Field:
        """Returns the field of this name. Raises KeyError."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.id} has no field {name}")


@cache
def tables() -> dict[str, Contract]:
    """Returns the contract of each table by its name, e.g. `raw.clicks`."""
    return _load("tables")


@cache
def event() -> Contract:
    """Returns the contract of the event `click.v1`."""
    return _load("events")["click.v1"]


def _load(folder: str) -> dict[str, Contract]:
    files = sorted((resources.files(__package__) / folder).iterdir(), key=lambda file: file.name)
    contracts = [parse(file.read_text(), f"{folder}/{file.name}") for file in files if file.name.endswith(".yaml")]
    return {contract.id: contract for contract in contracts}


def parse(text: str, place: str) -> Contract:
    """Returns the contract of a YAML text; `place` begins the message of a ContractError."""
    raw = yaml.load(text, LOADER)
    if raw.get("kind") != "DataContract" or raw.get("apiVersion") != API_VERSION:
        raise ContractError(f"{place}: not a data contract of ODCS {API_VERSION}: set kind: DataContract and apiVersion: {API_VERSION}")
    [table] = raw["schema"]
    custom = _custom_properties(raw)
    if "writer" not in custom:
        raise ContractError(f"{place}: customProperties have no writer: add the module that writes the data")
    retention = {entry["property"]: entry["value"] for entry in raw.get("slaProperties", [])}
    return Contract(
        id=raw["id"],
        version=raw["version"],
        description=raw["description"]["purpose"],
        kind=table["physicalType"],
        writer=custom["writer"],
        topic=custom.get("topic", ""),
        partitioning=_partitioning(table["properties"]),
        retention_days=retention.get("retention"),
        fields=tuple(_field(place, entry) for entry in table["properties"]),
        rules=tuple(Rule(entry["name"], entry["description"], entry["severity"]) for entry in table.get("quality", [])),
    )


def _field(place: str, raw: dict[str, Any]) -> Field:
    name, type_ = raw["name"], raw.get("physicalType", "")
    if not TYPE.fullmatch(type_):
        raise ContractError(f"{place}.{name}: physicalType {type_!r}; use {', '.join(TYPES)}, decimal(p,s) or list<one of them>")
    if not raw.get("description") or not raw.get("examples"):
        raise ContractError(f"{place}.{name}: add a description and an example")
    if raw.get("primaryKey") and "primaryKeyPosition" not in raw:
        raise ContractError(f"{place}.{name}: primaryKey without primaryKeyPosition: add its position, counted from 1")
    options = raw.get("logicalTypeOptions", {})
    return Field(
        name=name,
        type=type_,
        required=raw.get("required", False),
        description=raw["description"],
        example=raw["examples"][0],
        key_position=raw["primaryKeyPosition"] if raw.get("primaryKey") else 0,
        choices=_choices(raw),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        max_length=options.get("maxLength"),
    )


def _choices(raw: dict[str, Any]) -> tuple[str, ...]:
    """Returns the allowed values: ODCS 3.1 has them as a quality rule that counts invalid values."""
    for rule in raw.get("quality", []):
        if rule.get("metric") == "invalidValues":
            return tuple(rule["arguments"]["validValues"])
    return ()


def _partitioning(properties: list[dict[str, Any]]) -> tuple[str, ...]:
    columns = []
    for raw in sorted((raw for raw in properties if raw.get("partitioned")), key=lambda raw: raw["partitionKeyPosition"]):
        transform = _custom_properties(raw).get(TRANSFORM, "")
        columns.append(f"{transform}({raw['name']})" if transform else raw["name"])
    return tuple(columns)


def _custom_properties(raw: dict[str, Any]) -> dict[str, Any]:
    return {entry["property"]: entry["value"] for entry in raw.get("customProperties", [])}
