"""Reads mappings from YAML: the bundled ones by name, a user's own by path."""

from collections.abc import Mapping as AnyMapping
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

import yaml

from clickstream_contracts import schema, sessions
from clickstream_contracts.time_zones import time_zone
from tools.common.command import UsageError
from tools.replay import field_rule, placeholders, reading_options
from tools.replay.elements import ListRule
from tools.replay.event_rules import REQUIRED_FIELDS, EventRules
from tools.replay.field_rule import FieldRule, check_keys, flag, names
from tools.replay.line_mapping import Mapping as Mapping
from tools.replay.multi_row import MultiRow

BUNDLED: Final = Path(__file__).parent / "mappings"
# The sections that are columns of a table of master data.
MASTER_DATA: Final = ("users", "products", "currency_rates")
KEYS: Final = {
    "description", "fields", "also", "each", "multi_row", "negative_quantity", "placeholders", "session_gap_minutes", "zone",
    *MASTER_DATA, *reading_options.KEYS,
}  # fmt: skip
# A section that is neither the fields of events nor a table of master data.
ALSO_KEYS: Final = {"when", "fields", "optional"}
EACH_KEYS: Final = {"from", "optional"}
MULTI_ROW_KEYS: Final = {"by", "fill_down", "first_row_only"}
# The price of all pieces of an order line together; replay divides it.
TOTAL: Final = "line_total"
# The name of the only list of a mapping: its elements are read as `each.<column>`.
EACH: Final = "each"


def load(name: str) -> Mapping:
    """Returns a bundled mapping of events by name, or a user's own by path. Raises UsageError that names file, key and value."""
    mapping = load_any(name)
    if not mapping.fields:
        raise UsageError(f"{name}: key `fields` is missing: a mapping of events needs an object of event fields and their columns")
    return mapping


def load_any(name: str) -> Mapping:
    """Returns a mapping of events or of master data. Raises UsageError as `load`."""
    is_path = name.endswith((".yaml", ".yml"))
    path = Path(name) if is_path else BUNDLED / f"{name}.yaml"
    try:
        content = yaml.safe_load(path.read_text())
    except OSError:
        bundled = ", ".join(sorted(p.stem for p in BUNDLED.glob("*.yaml")))
        raise UsageError(f"no mapping {name!r}: use {bundled}, or the path of a .yaml file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    return parse(content, path.stem, str(path))


def parse(content: Any, name: str, file: str) -> Mapping:
    """Returns a mapping from its YAML content. Raises UsageError."""
    if not isinstance(content, dict) or not any(isinstance(content.get(key), dict) for key in ("fields", *MASTER_DATA)):
        raise UsageError(f"{file}: key `fields` is missing: a mapping needs an object of event fields and their columns")
    check_keys(set(content), KEYS, file)
    parser = _Parser(file, _zone(content.get("zone", "UTC"), file), _texts(content.get("placeholders", []), f"{file}: placeholders"))
    event_rules = parser.event_rules(content) if "fields" in content else EventRules(())
    return Mapping(
        name=name,
        event_rules=event_rules,
        also=parser.also(content),
        products=parser.master_data(content, "products"),
        users=parser.master_data(content, "users"),
        currency_rates=parser.master_data(content, "currency_rates"),
        lists=_lists(content.get("each", {}), file),
        multi_row=_multi_row(content.get("multi_row"), file),
        session_gap_minutes=_minutes(content.get("session_gap_minutes", sessions.PAUSE_MINUTES), file),
        reading=reading_options.parse(content, file),
    )


class _Parser:
    """Parses the rules of fields of one file.

    zone: of times that name none. own_placeholders: the texts that stand for no value, beside those of events.
    """

    def __init__(self, file: str, zone: tzinfo, own_placeholders: frozenset[str]) -> None:
        self.file, self.zone, self.own_placeholders = file, zone, own_placeholders

    def event_rules(self, content: dict[str, Any]) -> EventRules:
        specs = content["fields"]
        self._check_fields(specs, f"{self.file}: fields")
        missing = sorted(REQUIRED_FIELDS - set(specs))
        if missing:
            raise UsageError(f"{self.file}: fields: {missing[0]} is missing: every event needs it, add the column it is read from")
        if not {"session_id", "user_id", "device_id"} & set(specs):
            raise UsageError(f"{self.file}: fields: session_id is missing: add it, or user_id to derive sessions from")
        negative = content.get("negative_quantity", "")
        if negative not in ("", "refund"):
            raise UsageError(f"{self.file}: negative_quantity: {negative!r}: use refund, or leave the key out")
        return EventRules(self._rules(specs), self._total(specs), negative_quantity=negative)

    def also(self, content: dict[str, Any]) -> tuple[EventRules, ...]:
        """Returns the rules of further events of a line: the fields of the first one, with those that differ."""
        sections = content.get("also", [])
        if not isinstance(sections, list) or not all(isinstance(section, dict) for section in sections):
            raise UsageError(f"{self.file}: also: {sections!r} is no list of events with `when` and `fields`")
        return tuple(self._also(section, content.get("fields", {})) for section in sections)

    def _also(self, section: dict[str, Any], main: dict[str, Any]) -> EventRules:
        location = f"{self.file}: also"
        check_keys(set(section), ALSO_KEYS, location)
        when, specs = section.get("when"), section.get("fields")
        if not isinstance(when, str) or not isinstance(specs, dict):
            raise UsageError(f"{location}: give `when`, the column that has a number if there is such an event, and `fields`")
        self._check_fields(specs, location)
        kept = {name: spec for name, spec in main.items() if name not in specs and name not in ("event_id", TOTAL)}
        changed = {name: spec for name, spec in specs.items() if spec is not None}
        return EventRules(self._rules(kept | changed), self._total(changed), when, flag(section, "optional", location))

    def _check_fields(self, specs: Any, location: str) -> None:
        if not isinstance(specs, dict):
            raise UsageError(f"{location}: {specs!r} is no object of event fields and their columns")
        check_keys(set(specs), {field.name for field in schema.event().fields} | {TOTAL}, location)
        if TOTAL in specs and "price" in specs:
            raise UsageError(f"{location}: {TOTAL} and price: give only one of them, the price of all pieces or of one")

    def _rules(self, specs: dict[str, Any]) -> tuple[FieldRule, ...]:
        contract = schema.event()
        return tuple(self._rule(spec, contract.field(name), name) for name, spec in specs.items() if name != TOTAL)

    def _total(self, specs: dict[str, Any]) -> FieldRule | None:
        return self._rule(specs[TOTAL], schema.event().field("price"), TOTAL) if TOTAL in specs else None

    def master_data(self, content: dict[str, Any], section: str) -> tuple[FieldRule, ...]:
        """Returns the rules of the columns of a table of master data; only in a file of their own have products an `updated_at`."""
        specs, contract = content.get(section, {}), schema.tables()[f"landing.{section}"]
        if not isinstance(specs, dict):
            raise UsageError(f"{self.file}: {section}: {specs!r} is no object of columns")
        is_from_events = "fields" in content and section == "products"
        allowed = {field.name for field in contract.fields} - ({"updated_at", "deleted"} if is_from_events else set())
        check_keys(set(specs), allowed, f"{self.file}: {section}")
        # In a shop's own list of users or products `null` and `(none)` are names; trackers write them for nothing.
        no_values = self.own_placeholders | (placeholders.DEFAULT if is_from_events else frozenset())
        return tuple(
            field_rule.parse(spec, contract.field(name), f"{self.file}: {section}: {name}", self.zone, no_values)
            for name, spec in specs.items()
        )

    def _rule(self, spec: Any, contract_field: schema.Field, name: str) -> FieldRule:
        return field_rule.parse(spec, contract_field, f"{self.file}: {name}", self.zone, placeholders.DEFAULT | self.own_placeholders)


def _lists(spec: Any, file: str) -> tuple[ListRule, ...]:
    """Returns the lists of `each`: a column, or an object of names and columns from the outside in."""
    if isinstance(spec, str):
        spec = {EACH: spec} if spec else {}
    if not isinstance(spec, dict):
        raise UsageError(f"{file}: each: {spec!r}: give the column of a list, or an object of names and columns")
    return tuple(_list(str(name), value, f"{file}: each: {name}") for name, value in spec.items())


def _list(name: str, spec: Any, location: str) -> ListRule:
    if not isinstance(spec, dict):
        return ListRule(name, names(spec, location))
    check_keys(set(spec), EACH_KEYS, location)
    return ListRule(name, names(spec.get("from"), f"{location}: from"), flag(spec, "optional", location))


def _multi_row(spec: Any, file: str) -> MultiRow | None:
    if spec is None:
        return None
    location = f"{file}: multi_row"
    if not isinstance(spec, AnyMapping) or not isinstance(spec.get("by"), str):
        raise UsageError(f"{location}: give `by`, the column whose value the rows of one order share")
    check_keys(set(spec), MULTI_ROW_KEYS, location)
    columns = {key: names(spec.get(key, []), f"{location}: {key}") for key in ("fill_down", "first_row_only")}
    return MultiRow(spec["by"], columns["fill_down"], columns["first_row_only"])


def _minutes(value: Any, file: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{file}: session_gap_minutes: {value!r}: give a whole number of minutes, 1 or more")
    return value


def _texts(value: Any, location: str) -> frozenset[str]:
    if not isinstance(value, list):
        raise UsageError(f"{location}: {value!r} is no list: write the texts that stand for no value")
    return frozenset(map(str, value))


def _zone(name: Any, file: str) -> tzinfo:
    """Returns the time zone of times that name none. Raises UsageError for an unknown name."""
    try:
        return time_zone(str(name))
    except ValueError as error:
        raise UsageError(f"{file}: zone: {error}") from None
