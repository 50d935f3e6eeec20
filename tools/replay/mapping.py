"""A mapping: which column of somebody's file becomes which field of the event, written as YAML."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from clickstream_contracts import schema
from tools.common.command import UsageError
from tools.replay.convert import TIMES, Unmappable, converter

SHIPPED: Final = Path(__file__).parent / "mappings"
KEYS: Final = {"description", "fields", "each", "session_gap_minutes", "products"}
SPEC_KEYS: Final = {"from", "constant", "time", "values", "join", "optional"}
EVENT_FIELDS: Final = {f.name for f in schema.event().fields}
PRODUCT_FIELDS: Final = {f.name for f in schema.tables()["landing.products"].fields} - {"updated_at"}
# The replay makes these itself when the mapping does not.
MADE: Final = {"event_id", "session_id", "schema_version"}

Value = Any
Read = Callable[[dict[str, Any]], Value]


@dataclass(frozen=True)
class Source:
    """Where one field comes from: a constant, one of several columns, or several joined."""

    name: str
    paths: tuple[str, ...] = ()
    constant: Value = None
    join: str | None = None
    optional: bool = False
    convert: Callable[[Value], Value] = field(default=lambda value: value, compare=False)

    def read(self, values: dict[str, Any]) -> Value:
        """The field's value, None where the line has none. Raises Unmappable."""
        if self.constant is not None:
            return self.constant
        found = [value for path in self.paths if (value := look_up(values, path)) not in (None, "")]
        if not found or (self.join is not None and len(found) < len(self.paths)):
            return None
        return self.convert(self.join.join(map(str, found)) if self.join is not None else found[0])

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(path.split(".")[0] for path in self.paths)


def look_up(values: Any, path: str) -> Value:
    """The value at a dotted path. A list of {key, value} pairs, as in GA4 exports, is read like an object."""
    for part in path.split("."):
        if isinstance(values, list):
            values = _in_list(values, part)
        elif isinstance(values, dict):
            values = values.get(part)
        else:
            return None
    return values


def _in_list(values: list[Any], part: str) -> Value:
    if part.isdigit():
        return values[int(part)] if int(part) < len(values) else None
    pair = next((v for v in values if isinstance(v, dict) and v.get("key") == part), {})
    inner = pair.get("value")
    return next((v for v in inner.values() if v is not None), None) if isinstance(inner, dict) else inner


@dataclass(frozen=True)
class Mapping:
    """How lines become events: `each` names a list whose elements become one event each, read as `each.<column>`."""

    name: str
    fields: tuple[Source, ...]
    products: tuple[Source, ...] = ()
    each: str = ""
    session_gap_minutes: int = 30

    @property
    def derives_sessions(self) -> bool:
        return all(source.name != "session_id" for source in self.fields)

    def require_columns(self, there: set[str], where: str) -> None:
        """Raise UsageError when a column that the mapping needs is not there."""
        for source in (*self.fields, *self.products):
            wanted = source.columns if source.join is not None else source.columns[:1]
            alternatives = source.join is None and any(c in there or c == "each" for c in source.columns)
            missing = [c for c in wanted if c not in there and c != "each"]
            if missing and not alternatives and not source.optional:
                has = ", ".join(sorted(there)) or "none"
                raise UsageError(f"{where}: no column {missing[0]!r}, which mapping {self.name} needs for {source.name}; it has {has}")

    def parts(self, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The parts of a line that become one event each."""
        elements = values.get(self.each) if self.each else None
        if elements and isinstance(elements, list):
            yield from ({**values, "each": element} for element in elements)
        else:
            yield values

    def event(self, values: dict[str, Any]) -> dict[str, Any]:
        """The event's fields that the part has a value for. Raises Unmappable when one that is needed has none."""
        event = {}
        for source in self.fields:
            value = source.read(values)
            if value is not None:
                event[source.name] = value
            elif source.name in NEEDED:
                raise Unmappable(f"no {source.name}")
        return event

    def product(self, values: dict[str, Any]) -> dict[str, Any]:
        """The state of the product that the part tells about."""
        return {source.name: source.read(values) for source in self.products}


NEEDED: Final = {f.name for f in schema.event().fields if f.required} - {"event_id", "schema_version"}


def load(name: str) -> Mapping:
    """A shipped mapping by name, or one's own by path. Raises UsageError that names the file and the place."""
    own = name.endswith((".yaml", ".yml"))
    path = Path(name) if own else SHIPPED / f"{name}.yaml"
    try:
        raw = yaml.safe_load(path.read_text())
    except OSError:
        shipped = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.yaml")))
        raise UsageError(f"no mapping {name!r}: use {shipped}, or the path of a .yaml file") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not YAML: {error}") from None
    return parse(raw, path.stem, str(path))


def parse(raw: Any, name: str, where: str) -> Mapping:
    """A mapping from its YAML content. Raises UsageError."""
    if not isinstance(raw, dict) or not isinstance(raw.get("fields"), dict):
        raise UsageError(f"{where}: a mapping needs `fields`")
    _refuse(set(raw) - KEYS, KEYS, where)
    _refuse(set(raw["fields"]) - EVENT_FIELDS, EVENT_FIELDS, f"{where}: fields")
    _refuse(set(raw.get("products", {})) - PRODUCT_FIELDS, PRODUCT_FIELDS, f"{where}: products")
    missing = sorted(NEEDED - MADE - set(raw["fields"]))
    if missing:
        raise UsageError(f"{where}: fields: {missing[0]} is missing; every event needs it")
    if "session_id" not in raw["fields"] and "user_id" not in raw["fields"]:
        raise UsageError(f"{where}: fields: map session_id, or user_id to derive sessions from")
    return Mapping(
        name=name,
        fields=tuple(_source(field, spec, schema.event(), where) for field, spec in raw["fields"].items()),
        products=tuple(_source(f, spec, schema.tables()["landing.products"], where) for f, spec in raw.get("products", {}).items()),
        each=raw.get("each", ""),
        session_gap_minutes=raw.get("session_gap_minutes", 30),
    )


def _refuse(unknown: set[str], known: set[str], where: str) -> None:
    if unknown:
        raise UsageError(f"{where}: unknown {sorted(map(str, unknown))[0]!r}; known are {', '.join(sorted(known))}")


def _source(name: str, spec: Any, contract: schema.Contract, where: str) -> Source:
    """`spec` is a column's name, or an object with from, constant, time, values, join, optional."""
    spec = {"from": spec} if isinstance(spec, str) else spec
    if not isinstance(spec, dict):
        raise UsageError(f"{where}: {name}: give a column's name, or an object with from or constant")
    _refuse(set(spec) - SPEC_KEYS, SPEC_KEYS, f"{where}: {name}")
    paths = spec.get("from", [])
    if not paths and "constant" not in spec:
        raise UsageError(f"{where}: {name}: give from or constant")
    time = spec.get("time", "iso")
    if time not in TIMES and "%" not in time:
        raise UsageError(f"{where}: {name}: time {time!r}: use {', '.join(TIMES)}, or a pattern like %d.%m.%Y %H:%M")
    return Source(
        name=name,
        paths=(paths,) if isinstance(paths, str) else tuple(paths),
        constant=spec.get("constant"),
        join=spec.get("join"),
        optional=spec.get("optional", False),
        convert=converter(contract.field(name), time, spec.get("values")),
    )
