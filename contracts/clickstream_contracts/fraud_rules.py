"""Reads rules/fraud.yaml: the fraud patterns with their limits, and the scores from which an event is reviewed or blocked."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from clickstream_contracts import schema, sql_templates
from clickstream_contracts.fraud_measures import ENTITY_COLUMNS, Measure, RulesError, parse_measure

FILE = Path(__file__).parent / "rules" / "fraud.yaml"
ALL_EVENTS, RISK_EVENTS = "all_events", "risk_events"
NAME = re.compile(r"[a-z][a-z0-9_]*")
PLAIN_CAST = re.compile(r"(?<!TRY_)\bCAST\s*\(", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """A score from 0 to 1 and the SQL condition that gives it; the score 0 is an exception from the parts after it."""

    score: float
    when: str


@dataclass(frozen=True)
class Allowed:
    """A known sender that some patterns do not flag until the end of a day (UTC)."""

    entity: str
    value: str
    patterns: tuple[str, ...]
    until: date
    reason: str

    @property
    def end_ms(self) -> int:
        """The moment from which on the sender is judged like any other, in ms since 1970."""
        return int(datetime.combine(self.until + timedelta(days=1), datetime.min.time(), UTC).timestamp()) * 1000


@dataclass(frozen=True)
class Pattern:
    """One kind of fraud, as rules/fraud.yaml describes it."""

    name: str
    meaning: str
    scope: str
    entity: str
    window: str
    measures: dict[str, Measure]
    parts: tuple[Part, ...]
    reason: str
    limits: dict[str, float] = field(default_factory=dict)
    derived: dict[str, str] = field(default_factory=dict)
    allowed: tuple[Allowed, ...] = ()

    def column(self, name: str) -> str:
        """Returns the name of the column that holds one of the pattern's measures."""
        return f"{self.name}_{name}"

    @property
    def columns(self) -> dict[str, str]:
        """The column of each measure and of each derived value, by its name in the rules."""
        return {name: self.column(name) for name in (*self.measures, *self.derived)}

    @property
    def seconds(self) -> int:
        """Length of the window in seconds."""
        count, unit = self.window.split()
        return int(count) * {"SECOND": 1, "MINUTE": 60, "HOUR": 3600}[unit]

    def render(self, text: str, columns: Mapping[str, str] | None = None) -> str:
        """Returns a text of the rules with its limits, e.g. `{{ limits.events }}`, and the names of `columns` filled in.

        Raises sql_templates.TemplateError for an unknown name.
        """
        limits = {name: f"{value:g}" for name, value in self.limits.items()}
        return sql_templates.render_text(text, {"limits": limits, **(columns or {})})


@dataclass(frozen=True)
class Rules:
    """All patterns in order of evaluation, and the thresholds of the decisions.

    `version` is that of the file with a hash of its content, so that two sets of rules never have the same one.
    """

    version: str
    review_from: float
    block_from: float
    alert_suppression_minutes: int
    allowed_lateness_minutes: int
    late_after_seconds: int
    server_events: tuple[str, ...]
    scored_events: tuple[str, ...]
    browse_events: tuple[str, ...]
    patterns: tuple[Pattern, ...]
    reference_rates: dict[str, float] = field(default_factory=dict)

    @property
    def longest_seconds(self) -> int:
        """Length of the longest window in seconds: how far before the first scored event a job must begin to read."""
        return max(pattern.seconds for pattern in self.patterns)

    def in_scope(self, scope: str) -> list[Pattern]:
        """Returns the patterns of one scope, ALL_EVENTS or RISK_EVENTS."""
        return [pattern for pattern in self.patterns if pattern.scope == scope]


@cache
def rules(path: Path = FILE) -> Rules:
    """Returns the rules of a file. Raises RulesError."""
    return parse(path.read_text(), path.name)


def parse(text: str, source: str) -> Rules:
    """Returns the rules of a YAML text; `source` begins the message of a RulesError."""
    try:
        raw = yaml.load(text, schema.LOADER)
        raw["version"] = f"{raw['version']}-{_content_hash(raw)}"
        allowed = [_allowed(source, entry) for entry in raw.pop("allowed", [])]
        patterns = tuple(_with_allowed(_pattern(source, entry), allowed) for entry in raw.pop("patterns"))
        values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
        parsed = Rules(**values, patterns=patterns)
    except KeyError as error:
        raise RulesError(f"{source}: the key {error} is missing: add it") from None
    except (yaml.YAMLError, TypeError, AttributeError) as error:
        raise RulesError(f"{source}: {error}") from None
    _check(source, parsed)
    _check_allowed(source, parsed, allowed)
    return parsed


def _content_hash(raw: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()[:8]


def _allowed(source: str, entry: dict[str, Any]) -> Allowed:
    """Reads an entry of `allowed`. Raises RulesError."""
    allowed = Allowed(**entry | {"value": str(entry["value"]), "patterns": tuple(entry["patterns"])})
    if allowed.entity not in ENTITY_COLUMNS:
        raise RulesError(f"{source}: allowed: entity {allowed.entity!r}; use one of the columns {', '.join(ENTITY_COLUMNS)}")
    if not isinstance(allowed.until, date):
        raise RulesError(f"{source}: allowed: until is {allowed.until!r}; use a day like 2027-06-30")
    return allowed


def _with_allowed(pattern: Pattern, allowed: list[Allowed]) -> Pattern:
    return replace(pattern, allowed=tuple(entry for entry in allowed if pattern.name in entry.patterns))


def _check_allowed(source: str, parsed: Rules, allowed: list[Allowed]) -> None:
    names = {pattern.name for pattern in parsed.patterns}
    for entry in allowed:
        if unknown := [name for name in entry.patterns if name not in names]:
            raise RulesError(f"{source}: allowed: {unknown[0]!r} is no pattern; use {', '.join(sorted(names))}")


def _check(source: str, parsed: Rules) -> None:
    if not 0 < parsed.review_from <= parsed.block_from <= 1:
        raise RulesError(
            f"{source}: review_from is {parsed.review_from} and block_from is {parsed.block_from};"
            " use numbers with 0 < review_from <= block_from <= 1"
        )
    for name in ("alert_suppression_minutes", "allowed_lateness_minutes", "late_after_seconds"):
        value = getattr(parsed, name)
        if not 1 <= value <= 99:
            raise RulesError(f"{source}: {name} is {value}; use 1 to 99")
    for name in ("server_events", "scored_events", "browse_events"):
        _check_event_types(f"{source}: {name}", getattr(parsed, name))
    if both := sorted({*parsed.scored_events} & {*parsed.browse_events}):
        raise RulesError(f"{source}: {both[0]} is in scored_events and in browse_events: remove it from one of them")
    if bad_rates := [code for code, rate in parsed.reference_rates.items() if not isinstance(rate, int | float) or rate <= 0]:
        raise RulesError(f"{source}: reference_rates: {bad_rates[0]} is {parsed.reference_rates[bad_rates[0]]!r}; use a number above 0")
    for before, pattern in pairwise(parsed.patterns):
        if before.scope == RISK_EVENTS and pattern.scope == ALL_EVENTS:
            raise RulesError(
                f"{source}: {pattern.name} of scope {ALL_EVENTS} comes after {before.name} of scope {RISK_EVENTS}; move it before that"
            )


def _check_event_types(place: str, types: object) -> None:
    event_types = schema.event().field("event_type").choices
    if not types or not isinstance(types, tuple):
        raise RulesError(f"{place} is {types!r}; give a list of event types of click.v1")
    if unknown := [event_type for event_type in types if event_type not in event_types]:
        raise RulesError(f"{place}: {unknown[0]!r} is no event type of click.v1; use {', '.join(event_types)}")


def _pattern(source: str, entry: dict[str, Any]) -> Pattern:
    place = f"{source}: {entry.get('name')}"
    measures = {name: parse_measure(f"{place}: {name}", measure) for name, measure in entry["measures"].items()}
    pattern = Pattern(**entry | {"measures": measures, "parts": tuple(Part(**part) for part in entry["parts"])})
    if bad := [name for name in (pattern.name, *pattern.columns) if not NAME.fullmatch(name)]:
        raise RulesError(f"{place}: {bad[0]!r}: a name is small letters, digits and _")
    if pattern.scope not in (ALL_EVENTS, RISK_EVENTS):
        raise RulesError(f"{place}: scope {pattern.scope!r}; use {ALL_EVENTS} or {RISK_EVENTS}")
    if pattern.entity not in ENTITY_COLUMNS:
        raise RulesError(f"{place}: entity {pattern.entity!r}; use one of the columns {', '.join(ENTITY_COLUMNS)}")
    if not re.fullmatch(r"[1-9]\d? (SECOND|MINUTE|HOUR)", pattern.window):
        raise RulesError(f"{place}: window {pattern.window!r}; write it like '10 MINUTE': 1 to 99 of SECOND, MINUTE or HOUR")
    if bad_scores := [part.score for part in pattern.parts if not 0 <= part.score <= 1]:
        raise RulesError(f"{place}: score {bad_scores[0]}; use 0 to 1")
    _check_texts(place, pattern)
    return pattern


def _check_texts(place: str, pattern: Pattern) -> None:
    """Renders each text of the pattern with the names that it may use. Raises RulesError for another one."""
    measures = {name: pattern.column(name) for name in pattern.measures}
    texts: list[tuple[str, dict[str, str]]] = []
    for measure in pattern.measures.values():
        texts += [(measure.value, {}), (measure.where, {})]
    texts += [(text, measures) for text in pattern.derived.values()]
    texts += [(text, pattern.columns) for text in (*(part.when for part in pattern.parts), pattern.reason)]
    for text, columns in texts:
        try:
            rendered = pattern.render(text, columns)
        except sql_templates.TemplateError as error:
            names = ", ".join([*columns, *(f"limits.{name}" for name in pattern.limits)])
            raise RulesError(f"{place}: {text!r}: {error}; use {names}") from None
        if PLAIN_CAST.search(rendered):
            raise RulesError(f"{place}: {text!r}: write TRY_CAST instead of CAST, which stops the job at a value that does not fit")
